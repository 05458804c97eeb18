//! The private server: as root, as an ordinary user, after a crash.

use crate::env::quick;
use mayfly_ledger::{Ledger, Server, ServerError};
use nix::unistd::Uid;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn rollups(server: &Server) -> usize {
    let ledger = Ledger::connect(&server.create_database("mayfly").await.unwrap()).await.unwrap();
    let found = ledger.rollups().await.unwrap().len();
    ledger.close().await;
    found
}

/// Runs directly, and once more as another user by the test below.
#[tokio::test]
async fn starts_stops_and_continues() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &quick()).await.unwrap();
    let url = server.create_database("mayfly").await.unwrap();
    let ledger = Ledger::connect(&url).await.unwrap();
    ledger.insert_rollup(&crate::env::rollup(1)).await.unwrap();
    ledger.close().await;
    let pid = server.pid();
    assert!(is_running(pid));
    server.stop().await.unwrap();
    assert!(!is_running(pid));
    assert!(!dir.path().join("server.json").exists());
    let server = Server::start(dir.path(), &quick()).await.unwrap();
    assert_eq!(rollups(&server).await, 1);
    let pid = server.pid();
    drop(server);
    assert!(!is_running(pid), "dropping stops it as well");
}

/// As root the server runs as `postgres`; this runs the test above as `nobody`, who must run it as itself.
#[test]
fn an_ordinary_user_can_run_it() {
    if !Uid::effective().is_root() {
        return; // Then the test above was that.
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Not where cargo built it: an ordinary user cannot enter root's home.
    let program = dir.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let temp = dir.path().join("tmp");
    fs::create_dir(&temp).unwrap();
    fs::set_permissions(&temp, fs::Permissions::from_mode(0o1777)).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"])
        .arg(&program)
        .args(["--exact", "launcher::starts_stops_and_continues"])
        .current_dir(dir.path())
        .env("TMPDIR", &temp)
        .env_remove("HOME")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn stops_the_orphan_of_a_killed_process_and_keeps_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &quick()).await.unwrap();
    let ledger = Ledger::connect(&server.create_database("mayfly").await.unwrap()).await.unwrap();
    ledger.insert_rollup(&crate::env::rollup(1)).await.unwrap();
    let orphan = server.pid();
    std::mem::forget(server);
    let server = Server::start(dir.path(), &quick()).await.unwrap();
    assert!(!is_running(orphan));
    assert_ne!(server.pid(), orphan);
    assert_eq!(rollups(&server).await, 1);
}

#[tokio::test]
async fn leaves_a_server_alone_that_it_did_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &quick()).await.unwrap();
    let record = dir.path().join("server.json");
    let saved = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    let refused = Server::start(dir.path(), &quick()).await.unwrap_err();
    assert!(matches!(refused, ServerError::InUse { pid, .. } if pid.unsigned_abs() == server.pid()), "{refused}");
    assert_eq!(rollups(&server).await, 0);
    fs::write(&record, saved).unwrap();
}

#[tokio::test]
async fn puts_the_socket_elsewhere_when_its_path_would_be_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("x".repeat(100));
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start(&long, &quick()).await.unwrap();
    assert!(!long.join(".s.PGSQL.5432").exists());
    assert_eq!(rollups(&server).await, 0);
    let record: serde_json::Value = serde_json::from_slice(&fs::read(long.join("server.json")).unwrap()).unwrap();
    let socket_dir = record["socket_dir"].as_str().unwrap().to_owned();
    assert!(Path::new(&socket_dir).join(".s.PGSQL.5432").exists());
    server.stop().await.unwrap();
    assert!(!Path::new(&socket_dir).exists());
}

#[tokio::test]
async fn starts_over_after_an_unfinished_initdb() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::write(dir.path().join("data/PG_VERSION"), "15\n").unwrap();
    let server = Server::start(dir.path(), &quick()).await.unwrap();
    assert_eq!(rollups(&server).await, 0);
}

#[tokio::test]
async fn refuses_data_of_another_major_version() {
    let dir = tempfile::tempdir().unwrap();
    Server::start(dir.path(), &quick()).await.unwrap().stop().await.unwrap();
    fs::write(dir.path().join("data/PG_VERSION"), "9\n").unwrap();
    let refused = Server::start(dir.path(), &quick()).await.unwrap_err();
    assert!(matches!(&refused, ServerError::OtherMajor { data, .. } if data == "9"), "{refused}");
}

#[tokio::test]
async fn refuses_a_directory_that_the_servers_user_cannot_enter() {
    if !Uid::effective().is_root() {
        return; // An ordinary user runs the server as itself.
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let refused = Server::start(&dir.path().join("inside"), &quick()).await.unwrap_err();
    assert!(matches!(&refused, ServerError::NotTraversable { path, .. } if path == dir.path()), "{refused}");
}

#[tokio::test]
async fn refuses_database_names_that_are_sql() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &quick()).await.unwrap();
    for name in ["", "a-b", "A", "x; DROP DATABASE postgres", &"x".repeat(61)] {
        assert!(matches!(server.create_database(name).await, Err(ServerError::DatabaseName(_))), "{name}");
    }
}
