//! The `mayfly` program and the JavaScript clients, run as a user runs them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Until the stack answers, on a machine that builds beside it.
const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// One client's run.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(240);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The program that this workspace built last, beside the test that asks.
pub fn mayfly() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let path = deps.ancestors().nth(2).unwrap().join("mayfly");
    assert!(path.is_file(), "no {}: cargo build -p mayfly-node", path.display());
    path
}

/// Runs `mayfly` with `--json` and answers with its document.
pub async fn run(data_dir: &Path, args: &[&str]) -> Value {
    let output = Command::new(mayfly())
        .args(args)
        .arg("--json")
        .env("MAYFLY_DATA_DIR", data_dir)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "mayfly {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `mayfly dev` in a directory of its own.
pub struct DevStack {
    child: Child,
    /// What it printed.
    pub state: Value,
    /// Where it keeps everything.
    pub data_dir: PathBuf,
    // Removed last.
    _dir: TempDir,
}

impl DevStack {
    /// Starts it; it serves when this returns.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // As root, PostgreSQL runs as another user, who must get to its data.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let data_dir = dir.path().join("data");
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut child = Command::new(mayfly())
            .args(["dev", "--json"])
            .env("MAYFLY_DATA_DIR", &data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line =
            tokio::time::timeout(START_TIMEOUT, lines.next_line()).await.expect("the stack did not start").unwrap();
        let said = || fs::read_to_string(dir.path().join("log")).unwrap_or_default();
        let state = line.and_then(|line| serde_json::from_str(&line).ok()).unwrap_or_else(|| panic!("{}", said()));
        Self { child, state, data_dir, _dir: dir }
    }

    /// Launches a rollup and answers with what `rollup create` says.
    pub async fn create_rollup(&self, name: &str) -> Value {
        run(&self.data_dir, &["rollup", "create", "--name", name, "--ends-in", "2h"]).await
    }

    /// Ctrl-C; waits until everything is down.
    pub async fn stop(mut self) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill(Pid::from_raw(pid), Signal::SIGINT).unwrap();
        let status =
            tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await.expect("the stack did not stop").unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Runs one command of `tests/clients/client.mjs`.
pub async fn client(command: &str, args: &Value) -> Value {
    let dir = root().join("tests/clients");
    assert!(dir.join("node_modules/viem").is_dir(), "no clients in {}: scripts/setup.sh", dir.display());
    let mut node = Command::new("node");
    node.arg("client.mjs").arg(command).arg(args.to_string()).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(CLIENT_TIMEOUT, node.output()).await.expect("the client hangs").unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command}: {text}{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&text).unwrap()
}

/// Runs the independent recount (`tests/recount`) and answers with its document.
pub async fn recount(args: &[&str]) -> Value {
    let mut python = Command::new("python3");
    python.arg("-B").arg(root().join("tests/recount")).args(args).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(CLIENT_TIMEOUT, python.output()).await.expect("the recount hangs").unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
