//! The document, and the same as a table with what is asked of the figures.

use super::{
    measure::{Amounts, Memory, Run, SyncTimes},
    server::Target,
};
use serde::Serialize;
use std::fmt::Write;

/// What is asked of the node beside anvil, in the same run.
const MIN_RATE_RATIO: f64 = 1.5;
const MAX_CPU_RATIO: f64 = 0.5;
const MAX_RECEIPT_P50_MS: f64 = 100.0;
const MAX_MEMORY_RATIO: f64 = 1.1;

/// Where it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    /// Load average over the last minute, before the first run: above 1, others took part.
    pub(crate) load_before: f64,
    /// Times of a 4 KiB append that waits for the disk.
    #[serde(flatten)]
    pub(crate) sync: SyncTimes,
    /// Seconds since 1970.
    pub(crate) unix_time: u64,
}

/// One condition and how it came out.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Criterion {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) limit: f64,
    pub(crate) holds: bool,
}

/// All that was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) amounts: Amounts,
    pub(crate) runs: Vec<Run>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) criteria: Vec<Criterion>,
}

impl Report {
    /// Compares the node with anvil wherever both ran.
    pub(crate) fn new(machine: Machine, amounts: Amounts, runs: Vec<Run>, memory: Vec<Memory>) -> Self {
        let criteria = criteria(&runs, &memory);
        Self { machine, amounts, runs, memory, criteria }
    }

    /// Whether everything that is asked holds.
    pub(crate) fn holds(&self) -> bool {
        self.criteria.iter().all(|criterion| criterion.holds)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Machine { cpu, cores, load_before, sync, .. } = &self.machine;
        let SyncTimes { sync_ms, sync_p50_ms, sync_p99_ms } = sync;
        writeln!(
            out,
            "{cpu}, {cores} cores, load {load_before:.1} before, a durable append {sync_ms:.1} ms (p50 {sync_p50_ms:.1}, p99 {sync_p99_ms:.1})"
        )?;
        writeln!(
            out,
            "{} transactions as fast as they go, then {} at {} a second\n",
            self.amounts.flood, self.amounts.steady, self.amounts.steady_per_s
        )?;
        let head = ["tx/s", "CPU µs/tx", "posted", "others", "client", "p50 ms", "p99 ms", "RSS MiB"];
        writeln!(out, "{:<24}{}", "", head.map(|word| format!("{word:>11}")).concat())?;
        for run in &self.runs {
            let cells = [
                run.included_tx_per_s,
                run.server_cpu_us_per_tx,
                run.posted_cpu_us_per_tx,
                run.others_cpu_us_per_tx,
                run.client_cpu_us_per_tx,
                run.receipt_p50_ms,
                run.receipt_p99_ms,
                run.server_rss_mib,
            ];
            let name = format!("{} {} {}", word(&run.workload), word(&run.mode), word(&run.target));
            writeln!(out, "{name:<24}{}", cells.map(|cell| format!("{cell:>11.1}")).concat())?;
        }
        for run in &self.runs {
            let Some(sync) = &run.sync else { continue };
            let name = format!("{} {} {}", word(&run.workload), word(&run.mode), word(&run.target));
            writeln!(
                out,
                "{name:<24} send → receipt: idle p50 {:.1} p99 {:.1} ms, at {:.0} a second p50 {:.1} p99 {:.1} ms",
                sync.idle_p50_ms, sync.idle_p99_ms, sync.half_per_s, sync.half_p50_ms, sync.half_p99_ms
            )?;
        }
        for memory in &self.memory {
            writeln!(
                out,
                "\nmemory of {}: {:.1} MiB after {} transactions, {:.1} after {}: {:.3} ×",
                word(&memory.target),
                memory.first_rss_mib,
                memory.first_transactions,
                memory.last_rss_mib,
                memory.last_transactions,
                memory.ratio
            )?;
        }
        writeln!(out)?;
        for Criterion { name, value, limit, holds } in &self.criteria {
            writeln!(out, "{} {name}: {value:.2}, limit {limit}", if *holds { "ok    " } else { "MISSED" })?;
        }
        Ok(())
    }
}

fn criteria(runs: &[Run], memory: &[Memory]) -> Vec<Criterion> {
    let mut all = Vec::new();
    let at_least = |name, value: f64, limit| Criterion { name, value, limit, holds: value >= limit };
    let at_most = |name, value: f64, limit| Criterion { name, value, limit, holds: value <= limit };
    for run in runs.iter().filter(|run| run.target == Target::Mayfly) {
        let what = format!("{} {}", word(&run.workload), word(&run.mode));
        let same = |other: &&Run| {
            other.target == Target::AnvilBlocktime && other.workload == run.workload && other.mode == run.mode
        };
        if let Some(anvil) = runs.iter().find(same) {
            let rate = run.included_tx_per_s / anvil.included_tx_per_s;
            let cpu = run.server_cpu_us_per_tx / anvil.server_cpu_us_per_tx;
            all.push(at_least(format!("{what}: tx/s over anvil's"), rate, MIN_RATE_RATIO));
            all.push(at_most(format!("{what}: CPU per transaction over anvil's"), cpu, MAX_CPU_RATIO));
        }
        all.push(at_most(format!("{what}: receipt p50 in ms"), run.receipt_p50_ms, MAX_RECEIPT_P50_MS));
    }
    for memory in memory.iter().filter(|memory| memory.target == Target::Mayfly) {
        let name = format!("memory after {} over {}", memory.last_transactions, memory.first_transactions);
        all.push(at_most(name, memory.ratio, MAX_MEMORY_RATIO));
    }
    all
}

/// The word that stands in the document.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Mode, Workload};

    fn run(target: Target, rate: f64, cpu: f64, p50: f64) -> Run {
        Run {
            target,
            workload: Workload::Erc20,
            mode: Mode::Single,
            transactions: 1,
            included_tx_per_s: rate,
            server_cpu_us_per_tx: cpu,
            posted_cpu_us_per_tx: cpu,
            others_cpu_us_per_tx: 0.0,
            client_cpu_us_per_tx: 0.0,
            receipt_p50_ms: p50,
            receipt_p99_ms: p50,
            server_rss_mib: 1.0,
            sync: None,
        }
    }

    fn memory(ratio: f64) -> Memory {
        let (target, workload, mode) = (Target::Mayfly, Workload::Erc20, Mode::Batch100);
        let (first_transactions, last_transactions) = (50_000, 200_000);
        Memory {
            target,
            workload,
            mode,
            first_transactions,
            first_rss_mib: 1.0,
            last_transactions,
            last_rss_mib: ratio,
            ratio,
        }
    }

    fn missed(runs: &[Run], memory: &[Memory]) -> Vec<String> {
        criteria(runs, memory).into_iter().filter(|c| !c.holds).map(|c| c.name).collect()
    }

    #[test]
    fn says_no_to_each_figure_that_misses() {
        let anvil = run(Target::AnvilBlocktime, 4_000.0, 400.0, 900.0);
        let good = run(Target::Mayfly, 6_000.0, 200.0, 99.0);
        assert!(missed(&[good.clone(), anvil.clone()], &[memory(1.1)]).is_empty());
        for (bad, word) in [
            (run(Target::Mayfly, 5_900.0, 200.0, 99.0), "tx/s"),
            (run(Target::Mayfly, 6_000.0, 210.0, 99.0), "CPU"),
            (run(Target::Mayfly, 6_000.0, 200.0, 101.0), "p50"),
        ] {
            let missed = missed(&[bad, anvil.clone()], &[]);
            assert!(matches!(&missed[..], [one] if one.contains(word)), "{missed:?}");
        }
        assert_eq!(missed(&[], &[memory(1.11)]).len(), 1);
    }
}
