#!/usr/bin/env bash
# The whole story on real parts: sets up what is missing, builds, launches a rollup, uses it,
# closes it, claims on L1; then again with every operator gone. Progress on stderr, the result
# on stdout.
#
#   scripts/demo.sh [--json] [--keep]      MAYFLY_DEMO_WALLETS (1000): how many wallets mint
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
for arg in "$@"; do
  case "$arg" in
    --json | --keep) ;;
    *) sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done
"$MAYFLY_ROOT/scripts/setup.sh"
use_tools
cd "$MAYFLY_ROOT"

# The tests' own command shape: a machine builds the dependencies once for both.
if [ -z "${MAYFLY_BIN:-}" ]; then
  say 'demo: building (a first build takes a while)'
  claim_target
  cargo build --workspace --all-targets >&2
  MAYFLY_BIN="$CARGO_TARGET_DIR/debug/mayfly"
fi
exec node tests/clients/demo/main.mjs --bin "$MAYFLY_BIN" "$@"
