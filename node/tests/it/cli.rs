//! The binary as a user meets it: results on stdout, everything else on stderr, exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `mayfly` in a directory of its own, with nothing of this machine's settings.
fn mayfly(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MAYFLY_")) {
        command.env_remove(name);
    }
    command.args(args).env("MAYFLY_DATA_DIR", dir).envs(env.iter().copied()).current_dir(dir).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_default_configuration_passes_its_own_check() {
    let dir = tempfile::tempdir().unwrap();
    let printed = mayfly(dir.path(), &["config", "default"], &[]);
    assert_eq!(printed.status.code(), Some(0));
    // Written where this user's data is, wherever that may be.
    assert!(text(&printed.stdout).contains(&format!("data_dir = {:?}", dir.path())), "{}", text(&printed.stdout));
    std::fs::write(dir.path().join("node.toml"), &printed.stdout).unwrap();
    let checked = mayfly(dir.path(), &["config", "check", "node.toml", "--json"], &[]);
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(serde_json::from_slice::<Value>(&checked.stdout).unwrap()["ok"], true);

    std::fs::write(dir.path().join("bad.toml"), "[rpc]\nlistne = \"127.0.0.1:1\"\n").unwrap();
    let refused = mayfly(dir.path(), &["config", "check", "bad.toml"], &[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stdout.is_empty() && text(&refused.stderr).contains("listne"));
}

#[test]
fn what_is_not_understood_exits_2() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(mayfly(dir.path(), &["frobnicate"], &[]).status.code(), Some(2));
    let secret = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
    let leaked = mayfly(dir.path(), &["rollup", "list", "--key", secret], &[]);
    assert_eq!(leaked.status.code(), Some(2));
}

#[test]
fn keys_live_encrypted_and_are_never_printed() {
    let dir = tempfile::tempdir().unwrap();
    let secret = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
    let env = [("MAYFLY_PASSWORD", "old"), ("MAYFLY_NEW_PASSWORD", "new"), ("A_SECRET", secret)];
    let imported = mayfly(dir.path(), &["keys", "import", "organiser", "--env", "A_SECRET", "--json"], &env);
    assert_eq!(imported.status.code(), Some(0), "{}", text(&imported.stderr));
    let key: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(key["address"], "0x70997970c51812dc3a010c7d01b50e0d17dc79c8");
    let rotated = mayfly(dir.path(), &["keys", "rotate", "organiser"], &env);
    assert_eq!(rotated.status.code(), Some(0), "{}", text(&rotated.stderr));
    let again = mayfly(dir.path(), &["keys", "rotate", "organiser"], &env);
    assert_eq!(again.status.code(), Some(1), "the old password still opens it");
    let listed = mayfly(dir.path(), &["keys", "list", "--json"], &[]);
    assert_eq!(serde_json::from_slice::<Value>(&listed.stdout).unwrap()["keys"][0]["name"], "organiser");
    for output in [&imported, &rotated, &again, &listed] {
        assert!(!text(&output.stdout).contains(&secret[..16]) && !text(&output.stderr).contains(&secret[..16]));
    }
    let file = std::fs::read_to_string(dir.path().join("keys/organiser.json")).unwrap();
    assert!(!file.contains(&secret[..16]));
}

#[test]
fn doctor_names_what_fails() {
    let dir = tempfile::tempdir().unwrap();
    let seen = mayfly(dir.path(), &["doctor", "--json", "--l1-url", "http://127.0.0.1:9"], &[]);
    assert_eq!(seen.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&seen.stdout).unwrap();
    assert_eq!(report["ok"], false);
    let l1 = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "l1").unwrap();
    assert_eq!(l1["verdict"], "fail");
}
