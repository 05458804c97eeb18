#!/usr/bin/env bash
# Settles a rollup of very many holders: seconds for leaves, tree, leaf file and
# proofs, memory, and what a claimed leaf costs on L1 by kind (anvil, the real
# contracts). What the figures mean stands in docs/benchmarks.md.
#
#   scripts/settle.sh                  10^6 holders; some minutes after the build
#   scripts/settle.sh --holders 20000  fewer
#   scripts/settle.sh --json           one JSON document on stdout
#   scripts/settle.sh --help           every option
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$MAYFLY_ROOT"
"$MAYFLY_ROOT/scripts/setup.sh" >&2
use_tools
claim_target
# As the tests and the demo build it: what takes time are dependencies, which that profile optimises.
cargo build --workspace --all-targets >&2
exec "$CARGO_TARGET_DIR/debug/mayfly-settle" "$@"
