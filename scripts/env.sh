# Sourced by the other scripts: where things are. Changes nothing on disk.
# shellcheck shell=bash

MAYFLY_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
export MAYFLY_ROOT

# One target directory for every checkout, so that a second clone builds only
# what differs. Set CARGO_TARGET_DIR to have another.
MAYFLY_CACHE="${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/mayfly"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$MAYFLY_CACHE/target}"

# Parameters: the least major version of Node.js that will do.
readonly NODE_MIN_MAJOR=20
# What Hardhat 3 asks for.
# shellcheck disable=SC2034
readonly NODE_INTEROP_MAJOR=22

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# The platform package's directory of a tool of the Foundry suite (its `.bin`
# entries are Node wrappers; the binaries themselves need no Node).
foundry_dir() {
  local tool="$1" dir
  for dir in "$MAYFLY_ROOT"/contracts/node_modules/@foundry-rs/"$tool"-linux-*/bin; do
    [ -x "$dir/$tool" ] && { printf '%s' "$dir"; return 0; }
  done
  return 1
}

node_major() {
  have node || { echo 0; return; }
  node --version 2>/dev/null | sed -E 's/^v([0-9]+).*/\1/; t; s/.*/0/'
}

add_path() { case ":$PATH:" in *":$1:"*) ;; *) PATH="$1:$PATH" ;; esac; }

# Puts what setup.sh installed in the checkout in front of PATH.
use_tools() {
  local dir tool
  for dir in "$MAYFLY_ROOT"/scripts/node/node_modules/node-linux-*/bin; do
    [ -x "$dir/node" ] && add_path "$dir"
  done
  for tool in forge anvil cast; do
    dir="$(foundry_dir "$tool")" && add_path "$dir"
  done
  if ! have cargo && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    add_path "${CARGO_HOME:-$HOME/.cargo}/bin"
  fi
  export PATH
}
use_tools

# Cargo knows a checkout's files by their times and by paths relative to its root:
# in a target directory shared with another checkout, older files of this one would
# pass for built. Makes them new when the last build was another checkout's.
claim_target() {
  local owner="$CARGO_TARGET_DIR/checkout"
  [ "$(cat "$owner" 2>/dev/null)" = "$MAYFLY_ROOT" ] && return
  find "$MAYFLY_ROOT" \( -name node_modules -o -name .git -o -name target \) -prune \
    -o -name '*.rs' -exec touch -c {} +
  mkdir -p "$CARGO_TARGET_DIR"
  printf '%s\n' "$MAYFLY_ROOT" >"$owner"
}
