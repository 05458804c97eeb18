//! Resident memory over one server's life.

use super::{
    drive::Pace,
    measure::{Amounts, Bench, work_dir},
    process,
    server::{Programs, Target},
    workload::{Mode, Workload},
};
use eyre::WrapErr;
use serde::Serialize;

/// A reading after each. As many transactions as the node takes before it must have posted some set a bound to a part.
const PARTS: usize = 8;

/// What the memory run found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) target: Target,
    pub(crate) workload: Workload,
    pub(crate) mode: Mode,
    /// The most that the server's process ever took.
    pub(crate) peak_rss_mib: f64,
    /// In order.
    pub(crate) readings: Vec<Reading>,
}

/// Whenever everything is posted and quiet.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Reading {
    /// Sent until then.
    pub(crate) transactions: usize,
    pub(crate) rss_mib: f64,
}

impl Memory {
    /// The upper median of the second half over the lower one of the first, in which all that has a bound fills up.
    pub(crate) fn growth(&self) -> f64 {
        let (first, second) = self.readings.split_at(self.readings.len() / 2);
        let (first, second) = (sorted(first), sorted(second));
        second[second.len() / 2] / first[(first.len() - 1) / 2]
    }
}

fn sorted(readings: &[Reading]) -> Vec<f64> {
    let mut sorted: Vec<f64> = readings.iter().map(|reading| reading.rss_mib).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Sends to one server, and reads its memory each time that it is quiet.
pub(crate) async fn run(target: Target, amounts: &Amounts, programs: &Programs) -> eyre::Result<Memory> {
    let (workload, mode) = (Workload::Erc20, Mode::Batch100);
    let (dir, amounts) = (work_dir(programs)?, amounts.of(target));
    let mut bench = Bench::start(target, workload, mode, programs, dir.path()).await?;
    let part = amounts.memory.div_ceil(PARTS);
    let (mut readings, mut transactions) = (Vec::new(), 0);
    for _ in 0..PARTS {
        transactions += bench.drive(part, Pace::Flood).await.wrap_err("the memory run")?.latencies.len();
        bench.server.rest().await?;
        let rss_mib = process::resident_mib(bench.server.pid())?;
        eprintln!("  {rss_mib:.1} MiB after {transactions}");
        readings.push(Reading { transactions, rss_mib });
    }
    let peak_rss_mib = process::peak_mib(bench.server.pid())?;
    bench.server.stop()?;
    Ok(Memory { target, workload, mode, peak_rss_mib, readings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_compares_the_halves() {
        let growth = |all: [f64; 8]| {
            let readings = all.map(|rss_mib| Reading { transactions: 1, rss_mib }).to_vec();
            let (target, workload, mode) = (Target::Mayfly, Workload::Erc20, Mode::Single);
            Memory { target, workload, mode, peak_rss_mib: 0.0, readings }.growth()
        };
        assert_eq!(growth([100.0, 200.0, 210.0, 200.0, 200.0, 200.0, 180.0, 210.0]), 1.0);
        assert_eq!(growth([100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0]), 3.5);
        // Neither hides a climb behind two peaks, nor takes a peak for one.
        assert_eq!(growth([100.0, 500.0, 500.0, 100.0, 200.0, 200.0, 300.0, 300.0]), 3.0);
        assert_eq!(growth([100.0, 100.0, 100.0, 100.0, 100.0, 100.0, 500.0, 100.0]), 1.0);
    }
}
