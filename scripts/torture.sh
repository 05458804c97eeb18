#!/usr/bin/env bash
# Looks for failures for a given time: the simulation of the whole protocol with faults, then a real node
# that is killed under load again and again. Progress on stderr, the result on stdout; exit 1 if anything
# was violated, with the command that replays it.
#
#   scripts/torture.sh [--seconds N] [--seed N] [--json]      N: seconds of all together (600), the first seed (1)
set -euo pipefail
# shellcheck source=scripts/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

seconds=600
seed=1
json=0
while [ $# -gt 0 ]; do
  case "$1" in
    --seconds) seconds="${2:?--seconds needs a number}"; shift ;;
    --seed) seed="${2:?--seed needs a number}"; shift ;;
    --json) json=1 ;;
    *) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
  shift
done
"$MAYFLY_ROOT/scripts/setup.sh" >&2
use_tools
cd "$MAYFLY_ROOT"

# The tests' own command shape: a machine builds the dependencies once for both.
say 'torture: building (a first build takes a while)'
claim_target
cargo build --workspace --all-targets >&2
bin="$CARGO_TARGET_DIR/debug"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
echo '{}' >"$work/sim.json"
kill_seconds="$seconds"
if [ -x "$bin/mayfly-sim" ]; then
  half=$((seconds / 2))
  kill_seconds=$((seconds - half))
  say "torture: simulation for $half s"
  # What it found is in what it printed.
  "$bin/mayfly-sim" --seconds "$half" --json >"$work/sim.json" || say 'torture: the simulation found something'
fi
say "torture: kill cycles for $kill_seconds s"
"$bin/mayfly-kill" --seconds "$kill_seconds" --cycles 1000000 --seed "$seed" --json >"$work/kill.json" ||
  say 'torture: the kill cycles found something'

# One document of both; a part that printed none is a violation itself.
python3 - "$work" "$json" <<'PY'
import json, pathlib, sys

work, as_json = pathlib.Path(sys.argv[1]), sys.argv[2] == "1"


def read(name):
    try:
        return json.loads((work / name).read_text())
    except json.JSONDecodeError:
        return {"violations": [{"what": f"{name} is no result: the program failed", "replay": "scripts/torture.sh"}]}


sim, kill = read("sim.json"), read("kill.json")
violations = sim.get("violations", []) + kill.get("violations", [])
document = {
    "seeds": sim.get("seeds", 0),
    "steps": sim.get("steps", 0),
    "kill_cycles": kill.get("kill_cycles", 0),
    "answered": kill.get("answered", 0),
    "points_hit": kill.get("points_hit", {}),
    "violations": violations,
}
if as_json:
    print(json.dumps(document, indent=2))
else:
    for key in ["seeds", "steps", "kill_cycles", "answered"]:
        print(f"{key}: {document[key]}")
    print(f"violations: {len(violations)}")
    for found in violations:
        print(f"  {found}")
sys.exit(1 if violations else 0)
PY
