#!/usr/bin/env bash
# Mayfly and anvil side by side on this machine: included tx/s, server CPU per transaction,
# time to a receipt, memory. Builds with --release.
#
#   scripts/bench.sh [--json]      MAYFLY_BENCH_TRANSACTIONS (50000): transactions of each run
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
for arg in "$@"; do
  [ "$arg" = --json ] || { sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
done
"$MAYFLY_ROOT/scripts/setup.sh"
use_tools
cd "$MAYFLY_ROOT"
say 'bench: building with --release (a first build takes a while)'
cargo build --release --workspace --bins >&2
exec "$CARGO_TARGET_DIR/release/mayfly-bench" "$@"
