//! The server's process: remembered on disk, so that a later start can stop an orphan of ours and nobody else's process.

use crate::server::ServerError;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What PostgreSQL gets to write its buffers after SIGINT.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Which process runs a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) pid: i32,
    /// In ticks since boot: with the pid it names one process.
    pub(super) started: u64,
    /// Where its socket is, if outside of the server's directory.
    pub(super) socket_dir: Option<PathBuf>,
}

impl Record {
    pub(super) fn of(pid: i32, socket_dir: Option<PathBuf>) -> Option<Self> {
        Some(Self { pid, started: start_time(pid)?, socket_dir })
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), ServerError> {
        let json = serde_json::to_vec(self).expect("numbers and a path are JSON");
        fs::write(path, json).map_err(ServerError::io("write", path))
    }

    pub(super) fn is_alive(&self) -> bool {
        start_time(self.pid) == Some(self.started)
    }

    /// SIGINT (fast shutdown), then SIGQUIT (immediate) for a process that does not end. Waits until it is gone.
    pub(super) fn stop(&self) -> Result<(), ServerError> {
        for signal in [Signal::SIGINT, Signal::SIGQUIT] {
            if !self.is_alive() {
                return Ok(());
            }
            match kill(Pid::from_raw(self.pid), signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => return Err(ServerError::io("stop process of", self.pid.to_string())(errno.into())),
            }
            let deadline = Instant::now() + STOP_TIMEOUT;
            while self.is_alive() && Instant::now() < deadline {
                std::thread::sleep(POLL);
            }
        }
        if self.is_alive() {
            return Err(ServerError::TimedOut { what: "stop", after: STOP_TIMEOUT * 2, output: String::new() });
        }
        Ok(())
    }
}

/// Field 22 of /proc/PID/stat; none for a process that is gone, or a zombie.
fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, in parentheses, may hold anything: count from the last one.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if state == "Z" || state == "X" { None } else { fields.nth(18)?.parse().ok() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn stops_its_own_process_only() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let record = Record::of(pid, None).unwrap();
        let reused = Record { started: record.started + 1, ..record.clone() };
        assert!(!reused.is_alive());
        reused.stop().unwrap();
        assert!(child.try_wait().unwrap().is_none(), "another process with the same pid was stopped");
        record.stop().unwrap();
        assert!(!record.is_alive());
        assert!(!child.wait().unwrap().success());
    }
}
