//! A child process, and what `/proc` says of it.

use eyre::{WrapErr, bail, eyre};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

/// How long a program may take until it prints its first line.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// How long it may take to stop when asked.
const STOP_TIMEOUT: Duration = Duration::from_secs(45);
const STOP_POLL: Duration = Duration::from_millis(20);
/// The unit of the times in `/proc/PID/stat`: `USER_HZ` is 100 on every architecture of ours.
const US_PER_TICK: u64 = 10_000;
/// Lines of a failed program's log that are shown.
const LOG_TAIL_LINES: usize = 15;

/// A child that is stopped, as Ctrl-C would, when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose stderr goes to a file. In a process group of its own: Ctrl-C reaches us, and we stop it.
    pub(crate) fn spawn(name: &'static str, command: &mut Command, log: &Path) -> eyre::Result<Self> {
        let file = fs::File::create(log).wrap_err_with(|| log.display().to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .process_group(0)
            .spawn()
            .wrap_err_with(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it prints is read and dropped: a full pipe would stop it.
    pub(crate) fn drain(&mut self) -> eyre::Result<()> {
        self.lines().map(drop)
    }

    /// The first line it prints. What follows is read and dropped.
    pub(crate) fn first_line(&mut self) -> eyre::Result<String> {
        let line = self.lines()?;
        line.recv_timeout(START_TIMEOUT)
            .map_err(|_| eyre!("{} ended, or said nothing within {START_TIMEOUT:?}\n{}", self.name, self.log_tail()))
    }

    fn lines(&mut self) -> eyre::Result<mpsc::Receiver<String>> {
        let stdout = self.child.stdout.take().ok_or_else(|| eyre!("{}: its output was taken", self.name))?;
        let (found, line) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Only the first one is awaited.
                let _ = found.send(line);
            }
        });
        Ok(line)
    }

    /// Fails if it has ended.
    pub(crate) fn check(&mut self) -> eyre::Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended: {status}\n{}", self.name, self.log_tail()),
            None => Ok(()),
        }
    }

    /// Stops it, if it still runs.
    pub(crate) fn stop(&mut self) -> eyre::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill(Pid::from_raw(i32::try_from(self.pid())?), Signal::SIGINT)?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!("{} did not stop within {STOP_TIMEOUT:?} and was killed", self.name);
            }
            std::thread::sleep(STOP_POLL);
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error:#}");
        }
    }
}

/// User and system time of one process since it started, all its threads.
pub(crate) fn cpu(pid: u32) -> eyre::Result<Duration> {
    Ok(Stat::read(pid)?.own_cpu)
}

/// User and system time of processes and all they started, those that have ended included.
pub(crate) fn tree_cpu(roots: &[u32]) -> eyre::Result<Duration> {
    let mut stats = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) {
            // A process may end between the two reads.
            stats.extend(Stat::read(pid).ok().map(|stat| (pid, stat)));
        }
    }
    let mut family = roots.to_vec();
    let mut total = Duration::ZERO;
    let mut at = 0;
    while let Some(&pid) = family.get(at) {
        at += 1;
        family.extend(stats.iter().filter(|(_, stat)| stat.parent == pid).map(|(child, _)| *child));
        total +=
            stats.iter().find(|(p, _)| *p == pid).map_or(Duration::ZERO, |(_, s)| s.own_cpu + s.ended_children_cpu);
    }
    Ok(total)
}

/// Resident memory of one process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> eyre::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).wrap_err(path)?;
    kib_of(&text, "VmRSS:").map(|kib| kib as f64 / 1024.0).ok_or_else(|| eyre!("no VmRSS of process {pid}"))
}

/// The most that it was, in MiB.
pub(crate) fn peak_mib(pid: u32) -> eyre::Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).wrap_err(path)?;
    kib_of(&text, "VmHWM:").map(|kib| kib as f64 / 1024.0).ok_or_else(|| eyre!("no VmHWM of process {pid}"))
}

fn kib_of(status: &str, field: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(field))?.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// What of `/proc/PID/stat` is used.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own_cpu: Duration,
    ended_children_cpu: Duration,
}

impl Stat {
    fn read(pid: u32) -> eyre::Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let text = fs::read_to_string(&path).wrap_err_with(|| path.clone())?;
        Self::parse(&text).ok_or_else(|| eyre!("{path} is not understood"))
    }

    /// The program's name stands in parentheses and may hold anything, so fields are counted from the last one: the
    /// parent is field 4, the times in ticks are fields 14 to 17.
    fn parse(text: &str) -> Option<Self> {
        let rest = text.get(text.rfind(')')? + 1..)?;
        let mut fields = rest.split_ascii_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let times: Vec<u64> = fields.skip(9).take(4).map_while(|field| field.parse().ok()).collect();
        let [user, system, child_user, child_system] = times[..] else { return None };
        let time = |ticks: u64| Duration::from_micros(ticks * US_PER_TICK);
        Some(Self { parent, own_cpu: time(user + system), ended_children_cpu: time(child_user + child_system) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_times_behind_a_hostile_name() {
        let line = "42 (a) b) (c)) S 7 2 3 4 5 6 7 8 9 10 150 50 30 10 15 16 17 18 777 20";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.parent, 7);
        assert_eq!((stat.own_cpu, stat.ended_children_cpu), (Duration::from_secs(2), Duration::from_millis(400)));
        assert_eq!(Stat::parse("42 (x) S 1 2 3"), None);
    }

    #[test]
    fn a_busy_process_uses_time_and_memory() {
        let own = std::process::id();
        let before = cpu(own).unwrap();
        let start = Instant::now();
        while cpu(own).unwrap() < before + Duration::from_millis(30) {
            assert!(start.elapsed() < Duration::from_secs(60), "no time passes");
        }
        assert!(tree_cpu(&[own]).unwrap() >= cpu(own).unwrap() - Duration::from_millis(20));
        assert!(resident_mib(own).unwrap() > 1.0);
        assert!(peak_mib(own).unwrap() >= resident_mib(own).unwrap());
        assert_eq!(kib_of("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS:"), Some(2048));
    }

    #[test]
    fn a_program_that_ends_at_once_is_no_server() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo went wrong >&2; exit 3"]);
        let mut process = Process::spawn("sh", &mut command, log.path()).unwrap();
        let error = process.first_line().unwrap_err();
        assert!(format!("{error:#}").contains("went wrong"), "{error:#}");
    }
}
