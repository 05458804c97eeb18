//! What the kernel says about the servers' processes.

use std::{collections::HashMap, fs, time::Duration};

use eyre::{Result, WrapErr, ensure, eyre};

/// `USER_HZ`, in which the kernel tells times on every architecture we run on.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time and memory of a process and its descendants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident memory of the process itself, in bytes.
    pub rss_bytes: u64,
}

/// Reads the usage of `pid` and all below it, leaving out processes called `except`.
/// PostgreSQL's backends are ours to count; the L1 beside them is not.
pub fn usage(pid: u32, except: &str) -> Result<Usage> {
    let processes = snapshot()?;
    ensure!(processes.contains_key(&pid), "process {pid} is gone");
    let mut ticks = 0;
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        let Some(process) = processes.get(&parent) else { continue };
        if process.name == except {
            continue;
        }
        ticks += process.ticks;
        open.extend(processes.iter().filter(|(_, p)| p.parent == parent).map(|(pid, _)| *pid));
    }
    Ok(Usage { cpu: Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND), rss_bytes: resident(pid)? })
}

struct Process {
    name: String,
    parent: u32,
    ticks: u64,
}

fn snapshot() -> Result<HashMap<u32, Process>> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse().ok()) else { continue };
        // One that ended between the two looks is no error.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        processes.insert(pid, parse(&stat).wrap_err_with(|| format!("/proc/{pid}/stat"))?);
    }
    Ok(processes)
}

/// proc(5): after the name come state (3), ppid (4), …, utime (14), stime (15).
fn parse(stat: &str) -> Result<Process> {
    let unreadable = || eyre!("not understood: {stat:?}");
    let (head, tail) = stat.rsplit_once(')').ok_or_else(unreadable)?;
    let name = head.split_once('(').map(|(_, name)| name.to_owned()).ok_or_else(unreadable)?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|f| f.parse::<u64>().ok()).ok_or_else(unreadable);
    Ok(Process { name, parent: u32::try_from(number(4)?)?, ticks: number(14)? + number(15)? })
}

/// `VmRSS` of `/proc/PID/status`, which is in kB whatever the page size.
fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_ascii_whitespace().next()).ok_or_else(|| eyre!("no VmRSS of {pid}"))?;
    Ok(kib.parse::<u64>()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_this_process() {
        let usage = usage(std::process::id(), "").unwrap();
        assert!(usage.rss_bytes > 100_000);
        assert!(super::usage(u32::MAX - 1, "").is_err());
    }
}
