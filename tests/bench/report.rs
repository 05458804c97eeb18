//! What is printed at the end.

use std::fmt;

use eyre::Result;
use serde::Serialize;

/// One run. The names are those that `scripts/bench.sh --json` promises.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    pub target: &'static str,
    pub workload: &'static str,
    pub mode: &'static str,
    pub included_tx_per_s: f64,
    pub server_cpu_us_per_tx: f64,
    pub receipt_p50_ms: f64,
    pub receipt_p99_ms: f64,
    pub server_rss_mib: f64,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} tx/s, {:.0} µs CPU/tx, receipt p50 {:.1} ms p99 {:.1} ms, {:.0} MiB",
            self.included_tx_per_s,
            self.server_cpu_us_per_tx,
            self.receipt_p50_ms,
            self.receipt_p99_ms,
            self.server_rss_mib
        )
    }
}

/// Every run, in order.
#[derive(Serialize)]
pub struct Report {
    #[serde(skip)]
    transactions: usize,
    runs: Vec<Run>,
}

impl Report {
    pub fn new(transactions: usize) -> Report {
        Report { transactions, runs: Vec::new() }
    }

    pub fn push(&mut self, run: Run) {
        self.runs.push(run);
    }

    pub fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        println!("{} transactions a run; memory is that of the server after the run", self.transactions);
        println!(
            "{:<8} {:<8} {:<9} {:>10} {:>12} {:>10} {:>10} {:>9}",
            "target", "workload", "mode", "tx/s", "CPU µs/tx", "p50 ms", "p99 ms", "RSS MiB"
        );
        for run in &self.runs {
            println!(
                "{:<8} {:<8} {:<9} {:>10.0} {:>12.1} {:>10.1} {:>10.1} {:>9.0}",
                run.target,
                run.workload,
                run.mode,
                run.included_tx_per_s,
                run.server_cpu_us_per_tx,
                run.receipt_p50_ms,
                run.receipt_p99_ms,
                run.server_rss_mib
            );
        }
        Ok(())
    }
}
