#!/usr/bin/env bash
# cargo's RUSTC_WORKSPACE_WRAPPER for scripts/fuzz.sh: compiles Mayfly's own crates so that libFuzzer sees what
# an input reaches. Dependencies stay as they are, shared with every other build.
set -euo pipefail
crate=
for argument in "$@"; do
  [ "$crate" = next ] && { crate="$argument"; break; }
  [ "$argument" = --crate-name ] && crate=next
done
case "$crate" in
  mayfly_*)
    exec "$@" --cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
  *) exec "$@" ;;
esac
