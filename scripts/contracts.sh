#!/usr/bin/env bash
# Builds the contracts and writes contracts/artifacts/*.json, which the Rust
# bindings are made from: {abi, bytecode, deployedBytecode} and nothing else.
set -euo pipefail
. "$(dirname "$0")/env.sh"
cd "$MAYFLY_ROOT/contracts"

have node || die 'node is not installed: run scripts/setup.sh'
if [ ! -d node_modules ]; then
  have npm || die 'npm is not installed: run scripts/setup.sh'
  say 'contracts: installing npm packages'
  npm ci --no-audit --no-fund --loglevel=error >&2
fi
forge="$(foundry_dir forge)/forge" || die 'forge is missing: run scripts/setup.sh'

"$forge" build >&2
node artifacts.mjs
