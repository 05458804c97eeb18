#!/usr/bin/env bash
# Counts the instructions of an ERC-20 transfer in the executor: execution, state root, sealing, log in memory. A count
# does not depend on what else the machine does, so that a regression shows where times do not.
#
#   scripts/instructions.sh           prints the count and what docs/benchmarks.md says
#   scripts/instructions.sh --check   exits with 1 if it is more than a twentieth above that
#   scripts/instructions.sh --json    one JSON document on stdout
#
# Needs valgrind (Debian: valgrind). The profile is that of benchmarks without link-time optimisation, which takes long.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$MAYFLY_ROOT"

check=0 json=0
for argument in "$@"; do
  case "$argument" in
    --check) check=1 ;;
    --json) json=1 ;;
    --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) say "unknown option $argument"; exit 2 ;;
  esac
done
have valgrind || die "valgrind is missing"

export CARGO_PROFILE_BENCH_LTO=off CARGO_PROFILE_BENCH_CODEGEN_UNITS=16
program="$(cargo bench -p mayfly-evm --bench chain --no-run --message-format json |
  sed -n 's/.*"executable":"\([^"]*\/chain-[^"]*\)".*/\1/p' | tail -1)" || die "the benchmark did not build"
[ -n "$program" ] || die "the benchmark did not build"

dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
transfers="$(valgrind --tool=callgrind --toggle-collect='*chain::counted*' --callgrind-out-file="$dir/out" \
  "$program" instructions 2>"$dir/log")" || { tail -20 "$dir/log" >&2; die "the run failed"; }
total="$(sed -n 's/^summary: \([0-9]*\).*/\1/p;s/^totals: \([0-9]*\).*/\1/p' "$dir/out" | head -1)"
[ "${total:-0}" -gt 0 ] || die "nothing was counted"
each=$((total / transfers))
known="$(sed -n 's/^Instructions of a transfer: \([0-9,]*\).*/\1/p' docs/benchmarks.md | tr -d ,)"
if [ "$json" = 1 ]; then
  printf '{"instructions_per_transfer":%d,"known":%s,"transfers":%d}\n' "$each" "${known:-null}" "$transfers"
else
  printf '%d instructions a transfer, %s are known (%d counted)\n' "$each" "${known:-none}" "$transfers"
fi
[ "$check" = 0 ] || [ -n "$known" ] || die "docs/benchmarks.md says nothing of instructions"
[ "$check" = 0 ] || [ $((each * 20)) -le $((known * 21)) ] || die "that is more than a twentieth above"
