#!/usr/bin/env bash
# Installs what Mayfly needs and this machine lacks; fast when nothing is missing.
#
#   scripts/setup.sh            system packages (as root), then npm packages in this checkout
#   scripts/setup.sh --system   system packages only (for `sudo`, before an ordinary user runs the rest)
#   scripts/setup.sh --check    installs nothing; says what is missing; exit 1 if anything is
#   scripts/setup.sh --interop  also what scripts/interop.sh drives (Node.js 22, Hardhat, web3.py)
#
# As an ordinary user it never becomes root: it prints the one line to type.
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

mode=all
node_min="$NODE_MIN_MAJOR"
case "${1:-}" in
  '') ;;
  --system) mode=system ;;
  --check) mode=check ;;
  --interop) mode=interop; node_min="$NODE_INTEROP_MAJOR" ;;
  -h | --help) sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  *) say "usage: scripts/setup.sh [--system | --check | --interop]"; exit 2 ;;
esac

# The least version that the workspace's Cargo.toml asks for.
rust_min="$(sed -nE 's/^rust-version = "([0-9.]+)"/\1/p' "$MAYFLY_ROOT/Cargo.toml")"

has_postgres() {
  local dir
  [ -n "${MAYFLY_PG_BIN:-}" ] && [ -x "$MAYFLY_PG_BIN/initdb" ] && return 0
  for dir in /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null || true)"; do
    [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0
  done
  return 1
}

# Debian packages that are missing, one a line. Programs that are there from
# elsewhere count: what matters is that they run.
missing_packages() {
  have cc && have make || echo build-essential
  have pkg-config || echo pkg-config
  have git || echo git
  have curl || echo curl
  have python3 || echo python3
  [ "$mode" != interop ] || python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
  have flock && have setpriv && have chrt || echo util-linux
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
  has_postgres || echo postgresql
  # Debian's npm brings its node along; one that is too old is left alone and
  # Node 22 comes from npm into the checkout (see install_node).
  have npm || { have node || echo nodejs; echo npm; }
}

install_packages() {
  local packages=("$@")
  say "setup: installing Debian packages: ${packages[*]}"
  if [[ " ${packages[*]} " == *" postgresql "* ]]; then
    # Mayfly runs private servers of its own: no cluster, no service.
    mkdir -p /etc/postgresql-common
    if ! grep -qs '^create_main_cluster' /etc/postgresql-common/createcluster.conf; then
      echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf
    fi
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -q --no-install-recommends "${packages[@]}" >&2 ||
    { apt-get update -q >&2 && apt-get install -y -q --no-install-recommends "${packages[@]}" >&2; } ||
    die "apt-get could not install: ${packages[*]}"
}

system_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  [ "${#packages[@]}" -eq 0 ] && return 0
  if [ "$mode" != check ] && [ "$(id -u)" -eq 0 ] && have apt-get; then
    install_packages "${packages[@]}"
    mapfile -t packages < <(missing_packages)
    [ "${#packages[@]}" -eq 0 ] || die "still missing after the installation: ${packages[*]}"
    return 0
  fi
  say "setup: missing: ${packages[*]}"
  if have apt-get; then
    say "Type this line, then start again:"
    say "  sudo $MAYFLY_ROOT/scripts/setup.sh --system"
  else
    say "This system has no apt-get: install these (or what they are called here), then start again."
  fi
  return 1
}

check_rust() {
  have cargo || {
    say "setup: no cargo found: install Rust $rust_min or newer (https://rustup.rs), then start again."
    return 1
  }
  local found
  found="$(rustc --version | sed -E 's/^rustc ([0-9.]+).*/\1/')"
  if [ "$(printf '%s\n%s\n' "$rust_min" "$found" | sort -V | head -n 1)" != "$rust_min" ]; then
    say "setup: rustc $found is older than $rust_min: type \`rustup update stable\`, then start again."
    return 1
  fi
}

# `npm ci` in a directory, unless it was done for exactly this lock file.
npm_ci() {
  local dir="$MAYFLY_ROOT/$1" stamp sum
  [ -f "$dir/package-lock.json" ] || return 0
  stamp="$dir/node_modules/.mayfly-lock"
  sum="$(cat "$dir/package.json" "$dir/package-lock.json" | sha256sum)"
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sum" ] && return 0
  if [ "$mode" = check ]; then
    say "setup: npm packages of $1 are missing or of another version"
    return 1
  fi
  say "setup: npm ci in $1"
  (cd "$dir" && npm ci --no-audit --no-fund --loglevel=error >&2) || die "npm ci failed in $1"
  printf '%s\n' "$sum" >"$stamp"
}

# Node 22 out of npm's own package, for this checkout only, where the system's
# is missing or older than what the clients need.
install_node() {
  [ "$(node_major)" -ge "$node_min" ] && return 0
  [ "$mode" = check ] || say "setup: node is older than $node_min: taking Node 22 from npm into scripts/node"
  npm_ci scripts/node || return 1
  use_tools
  [ "$mode" = check ] || [ "$(node_major)" -ge "$node_min" ] || die "no usable Node.js: $(node --version 2>&1)"
}

# A Python environment of its own with what web3.py needs.
install_web3py() {
  local venv="$MAYFLY_CACHE/interop" wanted="$MAYFLY_ROOT/tests/interop/requirements.txt"
  cmp -s "$wanted" "$venv/installed" && return 0
  say "setup: web3.py into a Python environment of its own"
  python3 -m venv "$venv" || die "python3 -m venv failed: install python3-venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" >&2 || die "pip could not install web3.py"
  cp "$wanted" "$venv/installed"
}

if [ "$mode" = system ]; then
  [ "$(id -u)" -eq 0 ] || die "--system needs root: sudo $MAYFLY_ROOT/scripts/setup.sh --system"
  system_packages
  exit 0
fi

# Two set-ups at once (a demo beside the tests) take turns.
mkdir -p "$MAYFLY_CACHE"
if have flock; then
  exec 9>"$MAYFLY_CACHE/setup.lock"
  flock 9
fi

failed=0
system_packages || failed=1
check_rust || failed=1
if [ "$failed" -eq 0 ] || [ "$mode" = check ]; then
  install_node || failed=1
  npm_ci contracts || failed=1
  npm_ci tests/clients || failed=1
fi
if [ "$failed" -eq 0 ] && [ "$mode" = interop ]; then
  npm_ci tests/interop
  install_web3py
fi
[ "$failed" -eq 0 ] || exit 1
say "setup: everything is there"
