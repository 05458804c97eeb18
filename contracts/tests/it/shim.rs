use std::path::Path;
use std::process::{Command, Output};

/// A copy of the shim beside a package.json, without npm packages.
fn bare_checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir(folder.path().join("scripts")).unwrap();
    std::fs::create_dir(folder.path().join("contracts")).unwrap();
    std::fs::copy(source.join("../scripts/solc"), folder.path().join("scripts/solc")).unwrap();
    std::fs::copy(source.join("package.json"), folder.path().join("contracts/package.json")).unwrap();
    folder
}

fn refused(output: &Output) -> String {
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn says_that_the_npm_package_is_missing() {
    let folder = bare_checkout();
    let output = Command::new(folder.path().join("scripts/solc")).arg("--version").output().unwrap();
    let message = refused(&output);
    assert!(message.contains("solc 0.8.37 is not installed: run scripts/setup.sh"), "{message}");
}

#[test]
fn says_that_node_is_missing() {
    let folder = bare_checkout();
    let output = Command::new(folder.path().join("scripts/solc")).env("PATH", folder.path()).output().unwrap();
    let message = refused(&output);
    assert!(message.contains("node is not installed: run scripts/setup.sh"), "{message}");
}

#[test]
fn refuses_what_it_does_not_serve() {
    let shim = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/solc");
    let output = Command::new(shim).arg("--bin").output().unwrap();
    assert!(refused(&output).contains("only --version and --standard-json"));
}
