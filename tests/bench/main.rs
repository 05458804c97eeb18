//! Mayfly and anvil side by side, on one machine in one run: the same transactions, sent by
//! the same client in the same way. `scripts/bench.sh` starts it.
#![allow(clippy::unwrap_used, clippy::panic)] // a measuring program: a broken premise ends it

mod load;
mod process;
mod report;
mod rpc;
mod target;

use eyre::{Result, ensure};

use load::{Mode, Workload};
use report::Report;
use target::Target;

/// Transactions of one run, unless `MAYFLY_BENCH_TRANSACTIONS` says otherwise: four runs
/// make the 200,000 after which memory is compared with that after the first 50,000.
const TRANSACTIONS: usize = 50_000;

fn main() -> Result<()> {
    let json = std::env::args().any(|arg| arg == "--json");
    let transactions = match std::env::var("MAYFLY_BENCH_TRANSACTIONS") {
        Ok(text) => text.parse()?,
        Err(_) => TRANSACTIONS,
    };
    ensure!(transactions >= 1_000, "at least 1000 transactions make a run, not {transactions}");
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(transactions, json))
}

async fn run(transactions: usize, json: bool) -> Result<()> {
    let mut report = Report::new(transactions);
    for start in [Target::mayfly, Target::anvil] {
        let dir = tempfile::Builder::new().prefix("mayfly-bench").tempdir()?;
        let mut target = start(dir.path())?;
        let outcome = measure(&mut target, transactions, &mut report).await;
        target.stop()?;
        outcome?;
    }
    report.print(json)
}

async fn measure(target: &mut Target, transactions: usize, report: &mut Report) -> Result<()> {
    target.ready().await?;
    for workload in [Workload::Erc20, Workload::Mint] {
        let mut fleet = load::Fleet::prepare(target, workload).await?;
        for mode in [Mode::Single, Mode::Batch100] {
            eprintln!("bench: {} {} {}: {transactions} transactions", target.name(), workload.name(), mode.name());
            let run = fleet.run(target, mode, transactions).await?;
            eprintln!("bench:   {run}");
            report.push(run);
        }
    }
    Ok(())
}
