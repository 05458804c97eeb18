#!/usr/bin/env bash
# Fuzzes what reads bytes of strangers, guided by coverage, on stable Rust. What a target checks stands in fuzz/src/.
#
#   scripts/fuzz.sh                       every target, a minute each
#   scripts/fuzz.sh --seconds 3600 rpc    one target for an hour
#   scripts/fuzz.sh --replay FILE rpc     runs the inputs that are named, once
#   scripts/fuzz.sh --merge rpc           makes the committed corpus the least that reaches as much as all inputs found
#   scripts/fuzz.sh --json                one JSON document on stdout
#
# Needs a C++ compiler, which libFuzzer is built with. Inputs that are found stay in the target directory, under fuzz/;
# a run goes on from them and from the committed corpus. A finding is an input that panics, runs over its memory or takes
# over a second of CPU; exit 1 says that there is one, and FILE replays it. Fixed, it belongs into fuzz/corpus/.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$MAYFLY_ROOT"

readonly TARGETS="batch derivation l1 log rpc"
# Parameters: memory, longest input, time after which an input hangs, CPU time of a slow one, files of a committed corpus.
readonly RSS_LIMIT_MB=3072 MAX_LEN_BYTES=4096 HANG_SECONDS=30 SLOW_SECONDS=1 MAX_FILES=300

seconds=60 json=0 action=fuzz
targets=() replay=()
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds="${2:?--seconds needs a number}"; shift ;;
    --json) json=1 ;;
    --merge) action=merge ;;
    --replay) action=replay; replay+=("${2:?--replay needs a file}"); shift ;;
    --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    -*) say "unknown option $1"; exit 2 ;;
    *) case " $TARGETS " in *" $1 "*) targets+=("$1") ;; *) say "no target $1: $TARGETS"; exit 2 ;; esac ;;
  esac
  shift
done
[ "${#targets[@]}" -gt 0 ] || read -ra targets <<<"$TARGETS"

claim_target
have c++ || die "libFuzzer needs a C++ compiler"
# The wrapper instruments Mayfly's crates only, so the dependencies are those of every other build.
RUSTC_WORKSPACE_WRAPPER="$MAYFLY_ROOT/fuzz/instrument.sh" \
  cargo build --workspace --features mayfly-fuzz/libfuzzer --example mayfly-fuzz >&2
fuzzer="$CARGO_TARGET_DIR/debug/examples/mayfly-fuzz"
home="$CARGO_TARGET_DIR/fuzz"

# CPU seconds of one input, without starting up.
cpu_seconds() { # cpu_seconds TARGET FILE
  local empty="$home/empty" TIMEFORMAT='%3U %3S'
  : >"$empty"
  { time MAYFLY_FUZZ_TARGET="$1" "$fuzzer" -timeout=600 "$2" >/dev/null 2>&1; } 2>&1 |
    awk -v start="$({ time MAYFLY_FUZZ_TARGET="$1" "$fuzzer" "$empty" >/dev/null 2>&1; } 2>&1 | awk '{ print $1 + $2 }')" \
      '{ print $1 + $2 - start }'
}

stat() { awk -v name="stat::$2:" '$1 == name { n = $2 } END { print n + 0 }' "$1"; }
last() { { grep -oE "\b$2: [0-9]+" "$1" || true; } | awk '{ n = $2 } END { print n + 0 }'; }

# One target for the time given; prints its line and adds its findings.
findings=() results=()
fuzz() {
  local target="$1" dir="$home/$1" log file dictionary=() found=() start=$SECONDS
  log="$dir/log"
  mkdir -p "$dir/corpus" "$dir/findings"
  rm -f "$dir"/findings/*
  [ -f "fuzz/dictionaries/$target" ] && dictionary=("-dict=fuzz/dictionaries/$target")
  MAYFLY_FUZZ_TARGET="$target" "$fuzzer" "$dir/corpus" "fuzz/corpus/$target" "${dictionary[@]}" \
    -max_total_time="$seconds" -rss_limit_mb="$RSS_LIMIT_MB" -max_len="$MAX_LEN_BYTES" -timeout="$HANG_SECONDS" \
    -report_slow_units="$SLOW_SECONDS" -artifact_prefix="$dir/findings/" -print_final_stats=1 >"$log" 2>&1 || true
  for file in "$dir"/findings/*; do
    [ -f "$file" ] || continue
    # On a busy machine an input is slow for waiting: its CPU time decides.
    case "$file" in
      */slow-unit-*) awk -v took="$(cpu_seconds "$target" "$file")" -v most="$SLOW_SECONDS" \
        'BEGIN { exit !(took > most) }' || { rm "$file"; continue; } ;;
    esac
    found+=("$file")
  done
  grep -q '^stat::number_of_executed_units' "$log" || [ "${#found[@]}" -gt 0 ] || { tail -20 "$log" >&2; die "$target did not run"; }
  findings+=("${found[@]}")
  local execs units coverage
  execs="$(stat "$log" number_of_executed_units)" units="$(stat "$log" new_units_added)" coverage="$(last "$log" ft)"
  say "$(printf '%-10s %10d execs %6d s  ft %6d  %5d new units  %d findings' \
    "$target" "$execs" $((SECONDS - start)) "$coverage" "$units" "${#found[@]}")"
  for file in "${found[@]}"; do
    say "  $file"
    { grep -m1 -A1 'panicked at' "$log" || true; } | sed 's/^/    /' >&2
  done
  results+=("$(printf '{"target":"%s","seconds":%d,"execs":%d,"coverage":%d,"new_units":%d,"findings":[%s]}' \
    "$target" $((SECONDS - start)) "$execs" "$coverage" "$units" "$(quoted "${found[@]}")")")
}

quoted() { local IFS=, all=() item; for item in "$@"; do all+=("\"$item\""); done; printf '%s' "${all[*]}"; }

# The least set of inputs that reaches what all of them reach.
merge() {
  local target="$1" into="$home/$1/merged"
  rm -rf "$into"
  mkdir -p "$into" "$home/$target/corpus"
  MAYFLY_FUZZ_TARGET="$target" "$fuzzer" -set_cover_merge=1 -rss_limit_mb="$RSS_LIMIT_MB" -max_len="$MAX_LEN_BYTES" \
    -timeout="$HANG_SECONDS" "$into" "$home/$target/corpus" "fuzz/corpus/$target" >"$home/$target/merge.log" 2>&1 ||
    { tail -20 "$home/$target/merge.log" >&2; die "merging $target failed"; }
  # The largest are left out if there are too many. Files with a name of their own are findings that were mended.
  find "$into" -type f -printf '%s %p\n' | sort -n | tail -n "+$((MAX_FILES + 1))" | cut -d' ' -f2- | xargs -r rm --
  find "fuzz/corpus/$target" -type f -regextype posix-extended -regex '.*/([0-9a-f]{40}|seed-.*)' -delete
  mv "$into"/* "fuzz/corpus/$target/"
  say "$target: $(find "fuzz/corpus/$target" -type f | wc -l) files, $(du -sb "fuzz/corpus/$target" | cut -f1) bytes"
}

mkdir -p "$home"
for target in "${targets[@]}"; do
  case "$action" in
    fuzz) fuzz "$target" ;;
    merge) merge "$target" ;;
    replay) MAYFLY_FUZZ_TARGET="$target" "$fuzzer" -timeout=600 "${replay[@]}" ;;
  esac
done
if [ "$json" = 1 ]; then
  (IFS=,; printf '{"targets":[%s]}\n' "${results[*]}")
fi
[ "${#findings[@]}" -eq 0 ]
