#!/usr/bin/env bash
# Ethereum's public suites against this build: the cases of execution-apis, replayed over HTTP against
# their imported chain, and the GeneralStateTests. Without data a suite is not run, and says so.
#
#   scripts/conformance.sh [--json] [--only TEXT] [--verbose] [--no-build]
#
# TEXT: only the cases of execution-apis whose name has it
# MAYFLY_EXECUTION_APIS   a directory with genesis.json, chain.rlp and directories of .io files
# MAYFLY_STATE_TESTS      a test file, a directory of them, or an archive (.tar.xz)
# MAYFLY_REQUIRE_CONFORMANCE=1   a suite that is not run is a failure
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

given="$MAYFLY_ROOT/../shared/judges"
apis="${MAYFLY_EXECUTION_APIS:-$given/execution-apis}"
states="${MAYFLY_STATE_TESTS:-$given/general-state-tests.tar.xz}"
arguments=()
build=1
while [ $# -gt 0 ]; do
  case "$1" in
    --json | --verbose) arguments+=("$1") ;;
    --no-build) build=0 ;;
    --only) arguments+=("$1" "${2:?--only needs a text}"); shift ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
  shift
done
# Named data that is not there is a mistake; data that nobody named is merely not there.
for name in MAYFLY_EXECUTION_APIS MAYFLY_STATE_TESTS; do
  [ -z "${!name:-}" ] || [ -e "${!name}" ] || die "$name: there is no ${!name}"
done

cd "$MAYFLY_ROOT"
if [ "$build" = 1 ]; then
  say 'conformance: building'
  claim_target
  cargo build --workspace --all-targets >&2
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
if [ -e "$apis" ]; then arguments+=(--execution-apis "$apis"); fi
if [ -e "$states" ]; then
  case "$states" in
    *.tar.xz)
      # Older releases of Python 3.11 know no filter.
      python3 -c 'import sys, tarfile
safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
tarfile.open(sys.argv[1]).extractall(sys.argv[2], **safe)' "$states" "$work"
      states="$work" ;;
  esac
  arguments+=(--state-tests "$states")
fi
if [ "${MAYFLY_REQUIRE_CONFORMANCE:-0}" = 1 ]; then arguments+=(--require); fi
"$CARGO_TARGET_DIR/debug/mayfly-conformance" "${arguments[@]}"
