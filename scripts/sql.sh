#!/usr/bin/env bash
# Checks every query of node/ledger against its migrations and writes what the
# compiler needs to build without a database into node/ledger/.sqlx.
#
#   scripts/sql.sh           after changing a query or adding a migration; commit the result
#   scripts/sql.sh --check   changes nothing; exit 1 if .sqlx is not what the queries say
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$MAYFLY_ROOT/node/ledger"

mode="${1:-write}"
case "$mode" in write | --check) ;; *) say "usage: scripts/sql.sh [--check]"; exit 2 ;; esac

bin="${MAYFLY_PG_BIN:-}"
for dir in /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null || true)"; do
  [ -z "$bin" ] && [ -x "$dir/initdb" ] && bin="$dir"
done
[ -n "$bin" ] || die "no PostgreSQL found: run scripts/setup.sh"

# PostgreSQL does not run as root.
as_owner=()
work="$(mktemp -d /tmp/mayfly-sql-XXXXXX)"
if [ "$(id -u)" -eq 0 ]; then
  user="${MAYFLY_PG_USER:-postgres}"
  chown "$user" "$work"
  as_owner=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
fi
server=
stop() {
  [ -z "$server" ] || { kill -INT "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
  rm -rf "$work"
}
trap stop EXIT

(cd "$work" && "${as_owner[@]}" "$bin/initdb" -U postgres -A trust --no-sync --no-instructions -E UTF8 --locale=C -D "$work/data" >/dev/null)
(cd "$work" && exec "${as_owner[@]}" "$bin/postgres" -D "$work/data" -k "$work" -c listen_addresses= -c fsync=off >"$work/log" 2>&1) &
server=$!
query() { "$bin/psql" -h "$work" -U postgres -v ON_ERROR_STOP=1 -qX "$@"; }
for _ in $(seq 200); do query -c 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.1; done
for migration in migrations/*.sql; do
  query -1 -f "$migration" || die "$migration does not apply"
done

out="$work/sqlx"
mkdir "$out"
touch src/lib.rs # or cargo would not expand the macros again
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$out" DATABASE_URL="postgres://postgres@localhost/postgres?host=$work" \
  cargo build -p mayfly-ledger
touch src/lib.rs # what was built with a database is not what others build

if [ "$mode" = --check ]; then
  diff -r "$out" .sqlx >/dev/null || die "node/ledger/.sqlx is stale: run scripts/sql.sh"
  say "sql: $(find .sqlx -name '*.json' | wc -l) queries, all as committed"
else
  rm -rf .sqlx
  mkdir .sqlx
  cp "$out"/*.json .sqlx/
  say "sql: $(find .sqlx -name '*.json' | wc -l) queries"
fi
