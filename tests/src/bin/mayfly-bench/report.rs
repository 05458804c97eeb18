//! The document, and the same as a table with what is asked of the figures.

use super::{
    measure::{Amounts, Backlog, Run, SyncTimes},
    memory::Memory,
    server::Target,
    workload::{Mode, Workload},
};
use serde::Serialize;
use std::fmt::Write;

/// What is asked of every load, beside anvil's blocks of a second in the same run.
const MIN_RATE_RATIO: f64 = 1.5;
const MAX_CPU_RATIO: f64 = 0.5;
const MAX_RECEIPT_P50_MS: f64 = 100.0;
/// Of what the cores could do if the server and its client took the time that they took, and nothing ever waited.
const MIN_SHARE_OF_CORES: f64 = 0.8;
/// `eth_sendRawTransactionSync` above what the disk takes in the same run.
const MAX_IDLE_P50_MS: f64 = 2.0;
const MAX_HALF_P50_MS: f64 = 10.0;
const MAX_HALF_P99_MS: f64 = 40.0;
const MAX_RSS_MIB: f64 = 500.0;
/// Resident memory is no higher later; a twentieth is noise.
const MAX_GROWTH: f64 = 1.05;

/// What is asked of ERC-20 transfers, above all else.
struct Asked {
    cpu_us: f64,
    /// Anvil's CPU over the node's, its blocks of a second.
    cpu_ratio: f64,
    /// The node's rate over anvil's.
    rate_ratio: f64,
    /// The same where anvil mines at once.
    instant_ratio: f64,
}

const fn asked(mode: Mode) -> Option<Asked> {
    match mode {
        Mode::Single => Some(Asked { cpu_us: 125.0, cpu_ratio: 3.2, rate_ratio: 2.7, instant_ratio: 20.0 }),
        Mode::Batch100 => Some(Asked { cpu_us: 105.0, cpu_ratio: 3.2, rate_ratio: 3.7, instant_ratio: 20.0 }),
        Mode::Ws => None,
    }
}

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
    pub(crate) backlogs: Vec<Backlog>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) criteria: Vec<Criterion>,
}

impl Report {
    /// Compares the node with anvil wherever both ran.
    pub(crate) fn new(
        machine: Machine,
        amounts: Amounts,
        runs: Vec<Run>,
        backlogs: Vec<Backlog>,
        memory: Vec<Memory>,
    ) -> Self {
        let mut criteria: Vec<Criterion> =
            runs.iter().filter(|run| is_ours(run.target)).flat_map(|run| of_run(run, &runs, &machine)).collect();
        let ours = backlogs.iter().filter(|backlog| is_ours(backlog.target));
        criteria.extend(ours.map(of_backlog));
        criteria.extend(memory.iter().filter(|memory| is_ours(memory.target)).flat_map(of_memory));
        Self { machine, amounts, runs, backlogs, memory, criteria }
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
        for backlog in &self.backlogs {
            writeln!(
                out,
                "\n{} at once on {}: all included after {:.2} s (p50 {:.0}, p99 {:.0} ms), at most {:.1} MiB",
                backlog.transactions,
                word(&backlog.target),
                backlog.included_seconds,
                backlog.receipt_p50_ms,
                backlog.receipt_p99_ms,
                backlog.peak_rss_mib
            )?;
        }
        for memory in &self.memory {
            write!(out, "\nmemory of {} in MiB:", word(&memory.target))?;
            for reading in &memory.readings {
                write!(out, " {:.1} after {},", reading.rss_mib, reading.transactions)?;
            }
            writeln!(out, " {:.1} at most", memory.peak_rss_mib)?;
        }
        writeln!(out)?;
        for Criterion { name, value, limit, holds } in &self.criteria {
            writeln!(out, "{} {name}: {value:.2}, limit {limit}", if *holds { "ok    " } else { "MISSED" })?;
        }
        Ok(())
    }
}

const fn is_ours(target: Target) -> bool {
    matches!(target, Target::Mayfly)
}

fn at_least(name: String, value: f64, limit: f64) -> Criterion {
    Criterion { name, value, limit, holds: value >= limit }
}

fn at_most(name: String, value: f64, limit: f64) -> Criterion {
    Criterion { name, value, limit, holds: value <= limit }
}

/// One run of the node, beside those of others under the same load.
fn of_run(run: &Run, runs: &[Run], machine: &Machine) -> Vec<Criterion> {
    let what = format!("{} {}", word(&run.workload), word(&run.mode));
    let like = |other: &&Run| other.workload == run.workload && other.mode == run.mode;
    let beside = |target| runs.iter().find(|other| like(other) && other.target == target);
    let asked = asked(run.mode).filter(|_| run.workload == Workload::Erc20);
    let mut all = Vec::new();
    // Every receipt was read from it, as from the node: what is asked is asked beside that.
    let floor = (MIN_RATE_RATIO, MAX_CPU_RATIO);
    let limits = asked.as_ref().map_or(floor, |asked| (asked.rate_ratio, asked.cpu_ratio.recip()));
    for (target, whose, limits) in
        [(Target::AnvilBlocktime, "anvil's", limits), (Target::AnvilHashes, "anvil's without receipts", floor)]
    {
        let Some(anvil) = beside(target) else { continue };
        let rate = run.included_tx_per_s / anvil.included_tx_per_s;
        let cpu = run.server_cpu_us_per_tx / anvil.server_cpu_us_per_tx;
        all.push(at_least(format!("{what}: tx/s over {whose}"), rate, limits.0));
        all.push(at_most(format!("{what}: CPU per transaction over {whose}"), cpu, limits.1));
    }
    if let Some(asked) = &asked {
        if let Some(instant) = beside(Target::AnvilInstant) {
            let rate = run.included_tx_per_s / instant.included_tx_per_s;
            all.push(at_least(format!("{what}: tx/s over anvil's at once"), rate, asked.instant_ratio));
        }
        all.push(at_most(format!("{what}: CPU per transaction in us"), run.server_cpu_us_per_tx, asked.cpu_us));
        let parts_us = run.server_cpu_us_per_tx + run.client_cpu_us_per_tx;
        let share = run.included_tx_per_s * parts_us / (machine.cores as f64 * 1e6);
        all.push(at_least(format!("{what}: share of the cores"), share, MIN_SHARE_OF_CORES));
        if let Some(sync) = &run.sync {
            let SyncTimes { sync_p50_ms, sync_p99_ms, .. } = machine.sync;
            for (name, value, limit) in [
                ("idle p50 above the disk's", sync.idle_p50_ms - sync_p50_ms, MAX_IDLE_P50_MS),
                ("half load p50 above the disk's", sync.half_p50_ms - sync_p50_ms, MAX_HALF_P50_MS),
                ("half load p99 above twice the disk's", sync.half_p99_ms - 2.0 * sync_p99_ms, MAX_HALF_P99_MS),
            ] {
                all.push(at_most(format!("{what}: send to receipt, {name}, in ms"), value, limit));
            }
        }
    }
    all.push(at_most(format!("{what}: receipt p50 in ms"), run.receipt_p50_ms, MAX_RECEIPT_P50_MS));
    all.push(at_most(format!("{what}: resident memory in MiB"), run.server_rss_mib, MAX_RSS_MIB));
    all
}

fn of_backlog(backlog: &Backlog) -> Criterion {
    let name = format!("{} at once: peak of resident memory in MiB", backlog.transactions);
    at_most(name, backlog.peak_rss_mib, MAX_RSS_MIB)
}

fn of_memory(memory: &Memory) -> [Criterion; 2] {
    let sent = memory.readings.last().map_or(0, |reading| reading.transactions);
    [
        at_most(format!("{sent} in turn: peak of resident memory in MiB"), memory.peak_rss_mib, MAX_RSS_MIB),
        at_most(format!("{sent} in turn: resident memory, second half over first"), memory.growth(), MAX_GROWTH),
    ]
}

/// The word that stands in the document.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{measure::SyncLatency, memory::Reading};

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

    fn memory(peak_rss_mib: f64, readings: [f64; 2]) -> Memory {
        let (target, workload, mode) = (Target::Mayfly, Workload::Erc20, Mode::Batch100);
        let readings = readings.map(|rss_mib| Reading { transactions: 1_000_000, rss_mib }).to_vec();
        Memory { target, workload, mode, peak_rss_mib, readings }
    }

    fn machine() -> Machine {
        let sync = SyncTimes { sync_ms: 1.0, sync_p50_ms: 1.0, sync_p99_ms: 2.0 };
        Machine { cpu: "a".into(), cores: 2, load_before: 0.0, sync, unix_time: 0 }
    }

    fn backlog(peak_rss_mib: f64) -> Backlog {
        let (target, workload) = (Target::Mayfly, Workload::Erc20);
        let times = (2.0, 800.0, 1_900.0);
        Backlog {
            target,
            workload,
            transactions: 20_000,
            included_seconds: times.0,
            receipt_p50_ms: times.1,
            receipt_p99_ms: times.2,
            peak_rss_mib,
        }
    }

    fn missed(runs: Vec<Run>, backlogs: Vec<Backlog>, memory: Vec<Memory>) -> Vec<String> {
        let amounts = Amounts { flood: 1, steady: 1, steady_per_s: 1, memory: 1, backlog: 1 };
        let report = Report::new(machine(), amounts, runs, backlogs, memory);
        assert_eq!(report.holds(), report.criteria.iter().all(|criterion| criterion.holds));
        report.criteria.into_iter().filter(|criterion| !criterion.holds).map(|criterion| criterion.name).collect()
    }

    /// The node at 11,000 a second and 100 µs, with a client and others that take the rest of two cores.
    fn good() -> Run {
        let sync = SyncLatency {
            idle_p50_ms: 3.0,
            idle_p99_ms: 9.0,
            half_per_s: 5_500.0,
            half_p50_ms: 11.0,
            half_p99_ms: 44.0,
        };
        let run = run(Target::Mayfly, 11_000.0, 100.0, 99.0);
        Run { client_cpu_us_per_tx: 50.0, others_cpu_us_per_tx: 10.0, sync: Some(sync), ..run }
    }

    fn others() -> [Run; 2] {
        [run(Target::AnvilBlocktime, 4_000.0, 400.0, 900.0), run(Target::AnvilInstant, 500.0, 5_000.0, 9.0)]
    }

    #[test]
    fn says_no_to_each_figure_that_misses() {
        let [anvil, instant] = others();
        let with = |ours: Run| vec![ours, anvil.clone(), instant.clone()];
        assert_eq!(
            missed(with(good()), vec![backlog(500.0)], vec![memory(500.0, [400.0, 420.0])]),
            Vec::<String>::new()
        );
        let sync = good().sync.unwrap();
        for (bad, word) in [
            (Run { included_tx_per_s: 10_700.0, client_cpu_us_per_tx: 60.0, ..good() }, "tx/s over anvil's"),
            (Run { server_cpu_us_per_tx: 125.5, ..good() }, "CPU per transaction in us"),
            (Run { client_cpu_us_per_tx: 20.0, ..good() }, "share of the cores"),
            (Run { receipt_p50_ms: 101.0, ..good() }, "receipt p50"),
            (Run { server_rss_mib: 501.0, ..good() }, "resident memory"),
            (Run { sync: Some(SyncLatency { idle_p50_ms: 3.1, ..sync.clone() }), ..good() }, "idle p50"),
            (Run { sync: Some(SyncLatency { half_p50_ms: 11.1, ..sync.clone() }), ..good() }, "half load p50"),
            (Run { sync: Some(SyncLatency { half_p99_ms: 44.1, ..sync.clone() }), ..good() }, "half load p99"),
        ] {
            let missed = missed(with(bad), vec![], vec![]);
            assert!(missed.iter().any(|one| one.contains(word)), "{word}: {missed:?}");
        }
        let quick = run(Target::AnvilInstant, 560.0, 5_000.0, 9.0);
        let missed_at_once = missed(vec![good(), anvil.clone(), quick], vec![], vec![]);
        assert!(matches!(&missed_at_once[..], [one] if one.contains("at once")), "{missed_at_once:?}");
        // Without receipts anvil has less to do, and less is asked.
        let hashes = run(Target::AnvilHashes, 7_300.0, 200.0, 900.0);
        assert_eq!(missed(vec![good(), anvil.clone(), hashes], vec![], vec![]), Vec::<String>::new());
        let hashes = run(Target::AnvilHashes, 7_400.0, 199.0, 900.0);
        let missed_hashes = missed(vec![good(), anvil.clone(), hashes], vec![], vec![]);
        assert_eq!(missed_hashes.len(), 2, "{missed_hashes:?}");
        assert!(missed_hashes.iter().all(|one| one.contains("without receipts")), "{missed_hashes:?}");
        let light = run(Target::AnvilBlocktime, 4_000.0, 319.0, 900.0);
        let missed_cpu = missed(vec![good(), light], vec![], vec![]);
        assert!(matches!(&missed_cpu[..], [one] if one.contains("CPU per transaction over")), "{missed_cpu:?}");
        assert_eq!(missed(vec![], vec![backlog(500.1)], vec![]).len(), 1);
        for (bad, word) in [(memory(450.0, [400.0, 421.0]), "second half"), (memory(501.0, [400.0, 400.0]), "peak")] {
            let missed = missed(vec![], vec![], vec![bad]);
            assert!(matches!(&missed[..], [one] if one.contains(word)), "{missed:?}");
        }
    }
}
