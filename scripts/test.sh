#!/usr/bin/env bash
# What CI runs: formatting, lints, documentation, Solidity, every Rust test, then
# the demo with few wallets. Every step runs even if an earlier one failed; the
# last line sums up the tests.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$MAYFLY_ROOT"
"$MAYFLY_ROOT/scripts/setup.sh"
use_tools

logs="$(mktemp -d)"
trap 'rm -rf "$logs"' EXIT
passed=0
failed=0
broken=()

# step NAME COMMAND…: runs it; a step is one check of its own.
step() {
  local name="$1" start=$SECONDS
  shift
  say "── $name"
  if "$@" 2>&1 | tee "$logs/step"; then
    passed=$((passed + 1))
    say "── $name: ok ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1))
    broken+=("$name")
    say "── $name: FAILED ($((SECONDS - start)) s)"
  fi
}

# Adds up the numbers that stand before a word in the lines that match.
count() { # count LINE-PATTERN WORD
  { sed 's/\x1b\[[0-9;]*m//g' "$logs/step" | grep -E "$1" || true; } |
    { grep -oE "[0-9]+( tests)? $2" || true; } | { grep -oE '^[0-9]+' || true; } | awk '{ n += $1 } END { print n + 0 }'
}

# add LINE-PATTERN: counts a runner's tests beside the step itself.
add() {
  passed=$((passed + $(count "$1" passed)))
  failed=$((failed + $(count "$1" failed)))
}

doctests() { cargo test --workspace --doc; }
docs() { RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items; }
forge_fmt() { (cd contracts && forge fmt --check); }
forge_test() { (cd contracts && forge test); }

claim_target
step 'cargo fmt' cargo fmt --all --check
step 'clippy' cargo clippy --workspace --all-targets -- -D warnings
step 'cargo doc' docs
if [ -f contracts/foundry.toml ]; then
  step 'forge fmt' forge_fmt
  step 'forge test' forge_test
  add '^Ran [0-9]+ test suites?'
fi
if cargo nextest --version >/dev/null 2>&1; then
  step 'rust tests' cargo nextest run --workspace --all-targets --no-fail-fast
  add '^ *Summary '
else
  step 'rust tests' cargo test --workspace --all-targets --no-fail-fast
  add '^test result:'
fi
conformance() { scripts/conformance.sh --no-build; }
step "Ethereum's public suites" conformance
step 'doc tests' doctests
add '^test result:'
if [ "${MAYFLY_SKIP_DEMO:-0}" != 1 ]; then
  step 'demo' env MAYFLY_DEMO_WALLETS="${MAYFLY_DEMO_WALLETS:-50}" scripts/demo.sh
fi

if [ "${#broken[@]}" -gt 0 ]; then
  printf 'failed: %s\n' "${broken[@]}"
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
