//! What the kernel says about the servers' processes.

use std::{collections::HashMap, fs, time::Duration};

use eyre::{Result, WrapErr, eyre};

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
    let own = processes.get(&pid).ok_or_else(|| eyre!("process {pid} is gone"))?;
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
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.unwrap_or(100);
    let cpu = Duration::from_secs_f64(ticks as f64 / per_second as f64);
    Ok(Usage { cpu, rss_bytes: own.rss_bytes })
}

struct Process {
    name: String,
    parent: u32,
    ticks: u64,
    rss_bytes: u64,
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

/// proc(5): after the name come state, ppid (4), …, utime (14), stime (15), …, rss (24).
/// A finished child's time is added to cutime/cstime (16, 17) once it was waited for.
fn parse(stat: &str) -> Result<Process> {
    let unreadable = || eyre!("not understood: {stat:?}");
    let (head, tail) = stat.rsplit_once(')').ok_or_else(unreadable)?;
    let name = head.split_once('(').map(|(_, name)| name.to_owned()).ok_or_else(unreadable)?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|f| f.parse::<u64>().ok()).ok_or_else(unreadable);
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.unwrap_or(4096);
    Ok(Process {
        name,
        parent: u32::try_from(number(4)?)?,
        ticks: number(14)? + number(15)?,
        rss_bytes: number(24)? * u64::try_from(page)?,
    })
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
