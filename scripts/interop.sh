#!/usr/bin/env bash
# Unmodified tools against a rollup, from wallets that hold nothing: Hardhat 3 with
# viem, Hardhat Ignition, web3.py, and again those that the tests drive (viem, wagmi,
# ethers, web3.js, cast, forge). Not part of the tests: Hardhat takes 230 MB.
#
#   scripts/interop.sh                 all of them; some minutes after the build
#   scripts/interop.sh hardhat web3py  these
#   scripts/interop.sh --json          one JSON document on stdout
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$MAYFLY_ROOT"
case "${1:-}" in -h | --help) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;; esac
"$MAYFLY_ROOT/scripts/setup.sh" --interop >&2
use_tools
claim_target
cargo build --workspace --all-targets >&2
exec node tests/interop/main.mjs --bin "$CARGO_TARGET_DIR/debug/mayfly" --python "$MAYFLY_CACHE/interop/bin/python" "$@"
