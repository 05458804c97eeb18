#!/usr/bin/env bash
# Builds the contracts and writes contracts/artifacts/*.json, which the Rust
# bindings are made from: {abi, bytecode, deployedBytecode} and nothing else.
set -euo pipefail
cd "$(dirname "$0")/../contracts"

command -v node >/dev/null || { echo "contracts.sh: node is not installed: run scripts/setup.sh" >&2; exit 1; }
if [ ! -d node_modules ]; then
    echo "contracts.sh: installing npm packages" >&2
    npm ci --no-audit --no-fund >&2
fi
# npm's entry for forge is a wrapper; the real program lies in the package of the platform.
forge=$(node -p 'const os = { linux: "linux", darwin: "darwin" }[process.platform];
    require.resolve(`@foundry-rs/forge-${os}-${process.arch === "x64" ? "amd64" : "arm64"}/package.json`).replace(/package\.json$/, "bin/forge")')

"$forge" build >&2
node artifacts.mjs
