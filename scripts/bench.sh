#!/usr/bin/env bash
# Measures the node beside anvil on this machine and prints both: included
# transactions per second, CPU per transaction, time to the receipt, memory.
# What the figures mean stands in docs/benchmarks.md.
#
#   scripts/bench.sh           a table, after the release build
#   scripts/bench.sh --quick   fewer transactions
#   scripts/bench.sh --json    one JSON document on stdout
#   scripts/bench.sh --help    every option
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$MAYFLY_ROOT"
"$MAYFLY_ROOT/scripts/setup.sh" >&2
use_tools
claim_target
cargo build --release -p mayfly-node -p mayfly-e2e --bin mayfly --bin mayfly-bench >&2
exec "$CARGO_TARGET_DIR/release/mayfly-bench" --mayfly "$CARGO_TARGET_DIR/release/mayfly" "$@"
