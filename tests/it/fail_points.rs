//! Crash points: each is in the sources once, and none is in what is installed.

use mayfly_fail::POINTS;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The names in calls of this function below a directory's `src`.
fn calls(dir: &Path, function: &str, found: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            calls(&path, function, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices(&format!("{function}(\"")) {
                let name = text[at..].split('"').nth(1).unwrap();
                *found.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
}

#[test]
fn every_crash_point_is_passed_in_one_place() {
    let mut found = BTreeMap::new();
    for part in [
        "contracts/l1/src",
        "evm/src",
        "node/src",
        "node/ledger/src",
        "rollup/src",
        "rollup/verifier/src",
        "sequencer/src",
    ] {
        for function in ["fail_point", "torn"] {
            calls(&root().join(part), function, &mut found);
        }
    }
    let names: BTreeSet<&str> = POINTS.iter().map(|point| point.name).collect();
    assert_eq!(names.len(), POINTS.len(), "a name stands in the table twice");
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), names);
    let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

/// The features that cargo gives the crash points' crate in a build of one package, without what only its tests use.
fn features(package: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package",
            package,
            "--edges",
            "normal",
            "--format",
            "{p} [{f}]",
            "--prefix",
            "none",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("mayfly-fail ")).unwrap();
    line.rsplit_once('[').unwrap().1.split(']').next().unwrap().to_owned()
}

#[test]
fn an_installed_node_has_no_crash_points() {
    assert_eq!(features("mayfly-node"), "");
    assert_eq!(features("mayfly-e2e"), "fail-points");
}
