//! Resident memory of this process.

use eyre::{OptionExt, WrapErr};

/// Memory now and at most, in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now_mib: u64,
    pub(crate) peak_mib: u64,
}

impl Memory {
    pub(crate) fn read() -> eyre::Result<Self> {
        let text = std::fs::read_to_string("/proc/self/status").wrap_err("/proc/self/status")?;
        let mib = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field));
            let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
            kib.map(|kib| kib / 1024).ok_or_eyre(format!("no {field} in /proc/self/status"))
        };
        Ok(Self { now_mib: mib("VmRSS:")?, peak_mib: mib("VmHWM:")? })
    }

    /// Forgets the peak until now.
    pub(crate) fn forget_peak() -> eyre::Result<()> {
        std::fs::write("/proc/self/clear_refs", "5").wrap_err("/proc/self/clear_refs")
    }
}
