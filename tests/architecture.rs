//! The shape of the workspace, as docs/ARCHITECTURE.md draws it: who may depend on whom, where each heavy dependency
//! lives, how long a file may be. A new edge or home is a decision: change the table here and the page there together.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate of ours, and those of ours that it may name.
const EDGES: &[(&str, &[&str])] = &[
    // Crash points, for whoever makes something durable.
    ("mayfly-fail", &[]),
    // What stands between a node and L1 in tests.
    ("mayfly-proxy", &[]),
    ("mayfly-evm", &["mayfly-fail"]),
    ("mayfly-contracts", &[]),
    ("mayfly-proto", &[]),
    ("mayfly-rollup", &["mayfly-evm", "mayfly-contracts"]),
    ("mayfly-l1", &["mayfly-contracts", "mayfly-proxy"]),
    ("mayfly-ledger", &["mayfly-proto"]),
    ("mayfly-verifier", &["mayfly-rollup", "mayfly-evm", "mayfly-l1", "mayfly-contracts", "mayfly-proxy"]),
    (
        "mayfly-sequencer",
        &[
            "mayfly-rollup",
            "mayfly-evm",
            "mayfly-fail",
            "mayfly-l1",
            "mayfly-contracts",
            "mayfly-ledger",
            "mayfly-proto",
            "mayfly-proxy",
        ],
    ),
    (
        "mayfly-node",
        &[
            "mayfly-sequencer",
            "mayfly-verifier",
            "mayfly-rollup",
            "mayfly-evm",
            "mayfly-fail",
            "mayfly-l1",
            "mayfly-contracts",
            "mayfly-ledger",
            "mayfly-proto",
        ],
    ),
    ("mayfly-fuzz", &["mayfly-node", "mayfly-rollup", "mayfly-evm", "mayfly-l1", "mayfly-contracts"]),
    (
        "mayfly-e2e",
        &[
            "mayfly-node",
            "mayfly-sequencer",
            "mayfly-verifier",
            "mayfly-rollup",
            "mayfly-evm",
            "mayfly-fail",
            "mayfly-l1",
            "mayfly-contracts",
            "mayfly-ledger",
            "mayfly-proto",
            "mayfly-proxy",
        ],
    ),
];

/// Heavy dependencies and the crates that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("revm", &["mayfly-evm"]),
    ("revm-inspectors", &["mayfly-evm"]),
    ("fjall", &["mayfly-evm"]),
    ("sqlx", &["mayfly-ledger"]),
    ("axum", &["mayfly-node"]),
    ("tower-http", &["mayfly-node"]),
    ("clap", &["mayfly-node", "mayfly-e2e"]),
    ("foundry-compilers", &["mayfly-contracts"]),
    ("ethers-core", &["mayfly-e2e"]),
    ("ethers-signers", &["mayfly-e2e"]),
    // Its providers are only for l1 (see below); the others take signers from it.
    (
        "alloy",
        &[
            "mayfly-l1",
            "mayfly-verifier",
            "mayfly-sequencer",
            "mayfly-node",
            "mayfly-e2e",
            "mayfly-evm",
            "mayfly-rollup",
            "mayfly-fuzz",
        ],
    ),
    ("libfuzzer-sys", &["mayfly-fuzz"]),
];

/// Words that only sources under a directory may contain.
const WORDS: &[(&str, &[&str])] = &[
    // A client of a rollup, as a guide shows it.
    ("alloy::providers", &["contracts/l1", "tests", "node/tests/it/local.rs"]),
    ("alloy::transports", &["contracts/l1", "tests"]),
    ("alloy::rpc::client", &["contracts/l1", "tests"]),
];

/// The wall; the aim is half of it.
const MAX_LINES: usize = 800;
/// What the wall is for: written by hand.
const SOURCES: &[&str] = &["rs", "sol", "mjs", "js", "ts", "py", "sh", "sql", "html", "css"];
/// Not written here.
const SKIPPED: &[&str] = &["target", "node_modules", ".git", "out", "cache", "artifacts", ".sqlx"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Members of the workspace as cargo sees them.
fn members() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// What a member names, in any section.
fn dependencies(member: &Value) -> BTreeSet<String> {
    member["dependencies"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

/// Edges of `graph` that `table` does not allow, and crates that stand in one but not in the other.
fn violations(graph: &BTreeMap<String, BTreeSet<String>>, table: &[(&str, &[&str])]) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = table.iter().copied().collect();
    let mut found = Vec::new();
    for (name, targets) in graph {
        let Some(row) = allowed.get(name.as_str()) else {
            found.push(format!("{name} is not in the table"));
            continue;
        };
        for target in targets.iter().filter(|target| graph.contains_key(*target) && !row.contains(&target.as_str())) {
            found.push(format!("{name} -> {target}"));
        }
    }
    found.extend(allowed.keys().filter(|name| !graph.contains_key(**name)).map(|name| format!("no crate {name}")));
    found
}

fn graph() -> BTreeMap<String, BTreeSet<String>> {
    members().iter().map(|member| (member["name"].as_str().unwrap().to_owned(), dependencies(member))).collect()
}

#[test]
fn crates_depend_only_on_what_the_table_allows() {
    assert_eq!(violations(&graph(), EDGES), Vec::<String>::new());
}

#[test]
fn an_edge_upwards_is_found() {
    let mut graph = graph();
    graph.get_mut("mayfly-evm").unwrap().insert("mayfly-node".to_owned());
    graph.insert("mayfly-utils".to_owned(), BTreeSet::new());
    graph.remove("mayfly-proto");
    let found = violations(&graph, EDGES);
    for expected in ["mayfly-evm -> mayfly-node", "mayfly-utils is not in the table", "no crate mayfly-proto"] {
        assert!(found.iter().any(|line| line == expected), "{expected} not in {found:?}");
    }
}

#[test]
fn heavy_dependencies_stay_in_their_homes() {
    let mut found = Vec::new();
    for (name, targets) in graph() {
        for (heavy, homes) in HOMES {
            if targets.contains(*heavy) && !homes.contains(&name.as_str()) {
                found.push(format!("{name} -> {heavy}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

/// Versions and features stand in the root table alone, and come from a registry.
#[test]
fn members_name_no_versions_of_their_own() {
    let mut found = Vec::new();
    for member in members() {
        let path = member["manifest_path"].as_str().unwrap().to_owned();
        let manifest: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, entry) in manifest.get(section).and_then(|table| table.as_table()).into_iter().flatten() {
                if entry.get("workspace").and_then(|flag| flag.as_bool()) != Some(true) {
                    found.push(format!("{path}: {name}"));
                }
            }
        }
    }
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    found.extend(lock.lines().filter(|line| line.starts_with("source = \"git+")).map(str::to_owned));
    assert_eq!(found, Vec::<String>::new());
}

fn walk(dir: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(&path, visit);
            }
        } else if path.extension().is_some_and(|ending| SOURCES.contains(&&*ending.to_string_lossy())) {
            visit(&path);
        }
    }
}

#[test]
fn files_are_short_enough_to_read() {
    let mut found = Vec::new();
    let mut seen = 0;
    walk(&root(), &mut |path| {
        seen += 1;
        let lines = fs::read_to_string(path).unwrap().lines().count();
        if lines > MAX_LINES {
            found.push(format!("{}: {lines} lines", path.strip_prefix(root()).unwrap().display()));
        }
    });
    assert!(seen > 100, "only {seen} sources found");
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn l1_providers_are_used_through_the_l1_crate_only() {
    let mut found = Vec::new();
    walk(&root(), &mut |path| {
        let relative = path.strip_prefix(root()).unwrap();
        if relative.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(path).unwrap();
            for (word, homes) in WORDS {
                if text.contains(word) && !homes.iter().any(|home| relative.starts_with(home)) {
                    found.push(format!("{}: {word}", relative.display()));
                }
            }
        }
    });
    assert_eq!(found, Vec::<String>::new());
}

/// Every test that docs/protocol/failures.md names exists, and every row names one.
#[test]
fn failures_are_shown_by_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let page = fs::read_to_string(root.join("docs/protocol/failures.md")).unwrap();
    let mut sources = String::new();
    let mut dirs = vec![root];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap_or_default());
            if path.is_dir() && !["target", "node_modules", ".git"].contains(&name.as_str()) {
                dirs.push(path);
            } else if name.ends_with(".rs") {
                sources += &fs::read_to_string(path).unwrap();
            }
        }
    }
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 3);
    let mut named = 0;
    for row in rows.filter(|row| !row.starts_with("| fault")) {
        let tests: Vec<&str> = row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            let known = [format!("fn {test}("), format!("{test}: ")];
            assert!(known.iter().any(|known| sources.contains(known.as_str())), "{test} does not exist: {row}");
            named += 1;
        }
    }
    assert!(named > 20, "{named} tests named");
}
