//! The node as a process that dies.

use eyre::{WrapErr, ensure, eyre};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What a crash point says last.
const LAST_WORDS: &str = "died at ";
/// Until a node that starts serves, on a machine that builds beside it.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// Of its log, in an error.
const LOG_TAIL_LINES: usize = 25;

/// How a node ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Death {
    /// At this crash point.
    Point(String),
    /// Killed from outside.
    Killed,
    /// By itself: told to stop, or an error.
    Ended(ExitStatus),
}

/// A `mayfly node` in a directory, running.
#[derive(Debug)]
pub struct NodeProcess {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    token: PathBuf,
    spawned: Instant,
    rpc_url: String,
    admin_url: String,
}

impl NodeProcess {
    /// Starts one that will die at `fail_at` (nothing: nowhere). It may not serve yet.
    pub fn spawn(binary: &Path, config: &Path, fail_at: &str) -> eyre::Result<Self> {
        Self::start(Command::new(binary), config, fail_at)
    }

    /// Starts one none of whose files may grow beyond so many KiB: writing fails then as on a full disk.
    pub fn spawn_with_little_room(binary: &Path, config: &Path, kib: u64) -> eyre::Result<Self> {
        let mut command = Command::new("sh");
        // Half KiBs are what POSIX counts in. The signal would end the node, a full disk does not.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", 2 * kib);
        command.arg("-c").arg(script).arg(binary);
        Self::start(command, config, "")
    }

    fn start(mut command: Command, config: &Path, fail_at: &str) -> eyre::Result<Self> {
        let dir = config.parent().ok_or_else(|| eyre!("{} is in no directory", config.display()))?;
        let log = dir.join("node.log");
        command
            .args(["node", "--json", "--config"])
            .arg(config)
            .env("MAYFLY_FAIL_AT", fail_at)
            .env("MAYFLY_FAIL_SMALL", "1")
            .env_remove("MAYFLY_CONFIG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).wrap_err_with(|| log.display().to_string())?)
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().wrap_err("cannot run the node")?;
        let stdout = child.stdout.take().ok_or_else(|| eyre!("no output to read"))?;
        let token = dir.join("data/admin.token");
        let (spawned, lines) = (Instant::now(), BufReader::new(stdout).lines());
        Ok(Self { child, lines, log, token, spawned, rpc_url: String::new(), admin_url: String::new() })
    }

    /// Waits until it serves. `false`: it died before.
    pub async fn serves(&mut self) -> eyre::Result<bool> {
        let line = tokio::time::timeout(START_TIMEOUT, self.lines.next_line()).await;
        let line = line.map_err(|_| eyre!("the node said nothing within {START_TIMEOUT:?}\n{}", self.log_tail()))??;
        let Some(line) = line else { return Ok(false) };
        let said: Value = serde_json::from_str(&line).wrap_err_with(|| line.clone())?;
        let url = |key: &str| {
            Ok::<_, eyre::Report>(said[key].as_str().ok_or_else(|| eyre!("no {key} in {said}"))?.to_owned())
        };
        (self.rpc_url, self.admin_url) = (url("rpc_url")?, url("admin_url")?);
        Ok(true)
    }

    /// Since it was spawned.
    pub fn age(&self) -> Duration {
        self.spawned.elapsed()
    }

    /// Where a rollup answers.
    pub fn rollup_url(&self, name: &str) -> String {
        format!("{}/{name}", self.rpc_url.trim_end_matches('/'))
    }

    /// Asks the operator's API; with a body, posts it.
    pub async fn admin(&self, path: &str, body: Option<&Value>) -> eyre::Result<Value> {
        let token = fs::read_to_string(&self.token).wrap_err("the operator's token")?;
        let http = reqwest::Client::new();
        let url = format!("{}{path}", self.admin_url);
        let request = body.map_or_else(|| http.get(&url), |body| http.post(&url).json(body));
        let answer = request.bearer_auth(token.trim()).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// The sequencer's status of one rollup, if the node runs it.
    pub async fn status(&self, name: &str) -> eyre::Result<Option<Value>> {
        let mut all = self.admin("/admin/rollups", None).await?;
        let rollups = all["rollups"].as_array_mut().ok_or_else(|| eyre!("no rollups"))?;
        Ok(rollups.iter_mut().find(|rollup| rollup["name"] == name).map(|rollup| rollup["sequencer"].take()))
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> eyre::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// kill -9, if it is not dead already; says how it died.
    pub async fn kill(mut self) -> eyre::Result<Death> {
        self.start_kill()?;
        self.death().await
    }

    /// kill -9, without waiting.
    pub fn start_kill(&mut self) -> eyre::Result<()> {
        if self.is_alive()? { Ok(self.child.start_kill()?) } else { Ok(()) }
    }

    /// Asks it to stop in order, without waiting.
    pub fn ask_to_stop(&mut self) -> eyre::Result<()> {
        match self.child.id() {
            Some(pid) if self.is_alive()? => Ok(kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGTERM)?),
            _ => Ok(()),
        }
    }

    /// Asks it to stop in order, and waits.
    pub async fn stop(mut self) -> eyre::Result<Death> {
        self.ask_to_stop()?;
        self.death().await
    }

    /// Waits until it is dead by itself, at most so long. `None`: it lives.
    pub async fn dies_within(&mut self, limit: Duration) -> eyre::Result<Option<ExitStatus>> {
        match tokio::time::timeout(limit, self.child.wait()).await {
            Ok(status) => Ok(Some(status?)),
            Err(_) => Ok(None),
        }
    }

    /// Waits until it is dead, and says how it died.
    pub async fn death(mut self) -> eyre::Result<Death> {
        let ended = tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await;
        let status =
            ended.map_err(|_| eyre!("the node did not end within {STOP_TIMEOUT:?}\n{}", self.log_tail()))??;
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let point = text.lines().rev().find_map(|line| line.strip_prefix(LAST_WORDS));
        Ok(match (point, status.signal()) {
            (Some(point), Some(_)) => Death::Point(point.to_owned()),
            (None, Some(signal)) if signal == Signal::SIGKILL as i32 => Death::Killed,
            _ => Death::Ended(status),
        })
    }

    /// The end of what it logged.
    pub fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

/// Refuses a program without crash points: nothing would die.
pub(super) fn check_binary(binary: &Path) -> eyre::Result<()> {
    let bytes = fs::read(binary).wrap_err_with(|| binary.display().to_string())?;
    let has = bytes.windows(LAST_WORDS.len()).any(|window| window == LAST_WORDS.as_bytes());
    ensure!(has, "{} has no crash points: build it with the whole workspace", binary.display());
    Ok(())
}
