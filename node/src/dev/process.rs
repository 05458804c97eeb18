//! Processes by pid and start time: a pid alone may have been given to somebody else.

use std::{
    fs, io,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// How often a stopping process is looked at.
const POLL: Duration = Duration::from_millis(20);

/// One process, named so that it cannot be confused with a later one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessRecord {
    /// What it is.
    pub name: String,
    /// Its pid.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub started: u64,
    /// The boot in which it started.
    pub boot: String,
}

impl ProcessRecord {
    /// Records a running process.
    ///
    /// # Errors
    /// If it is not running.
    pub fn of(name: &str, pid: u32) -> io::Result<ProcessRecord> {
        let stat = Stat::read(pid)?;
        Ok(ProcessRecord { name: name.to_owned(), pid, started: stat.started, boot: boot_id() })
    }

    /// Whether exactly this process still runs; one that has ended but was not yet
    /// reaped does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.boot == boot_id() && Stat::read(self.pid).is_ok_and(|s| s.started == self.started && !s.ended)
    }

    /// Asks it to stop with `signal`, and kills it when `grace` has passed. Returns
    /// whether it was running at all.
    ///
    /// # Errors
    /// If it may not be signalled, or survives.
    pub fn stop(&self, signal: Signal, grace: Duration) -> io::Result<bool> {
        if !self.is_alive() {
            return Ok(false);
        }
        self.signal(signal)?;
        if !self.wait(grace) {
            tracing::warn!(name = %self.name, pid = self.pid, "does not stop; killing it");
            self.signal(Signal::SIGKILL)?;
            if !self.wait(grace) {
                return Err(io::Error::other(format!("{} (pid {}) survives SIGKILL", self.name, self.pid)));
            }
        }
        Ok(true)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.pid).map_err(io::Error::other)?;
        match kill(Pid::from_raw(pid), signal) {
            Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_alive() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(POLL);
        }
        true
    }
}

/// What `/proc/PID/stat` says.
struct Stat {
    started: u64,
    ended: bool,
}

impl Stat {
    fn read(pid: u32) -> io::Result<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Stat::parse(&text).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not understood")))
    }

    /// The program's name stands in parentheses and may hold anything, so fields are
    /// counted from the last one: state is field 3, the start time field 22.
    fn parse(text: &str) -> Option<Stat> {
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        Some(Stat { started, ended: matches!(state, "Z" | "X" | "x") })
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|s| s.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn counts_fields_after_the_last_parenthesis() {
        let line = "42 (a) b) (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.started, stat.ended), (777, false));
        assert!(Stat::parse("42 (x) Z").is_none());
        assert!(Stat::parse("").is_none());
    }

    #[test]
    fn stops_its_own_process_and_no_other() {
        let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        let record = ProcessRecord::of("sleep", child.id()).unwrap();
        assert!(record.is_alive());
        let other = ProcessRecord { started: record.started + 1, ..record.clone() };
        assert!(!other.is_alive());
        assert!(!other.stop(Signal::SIGKILL, Duration::from_secs(1)).unwrap());
        assert!(record.is_alive(), "a process with another start time was stopped");
        assert!(record.stop(Signal::SIGTERM, Duration::from_secs(5)).unwrap());
        assert!(!record.is_alive());
        child.wait().unwrap();
    }
}
