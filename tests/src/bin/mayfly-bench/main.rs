//! The node, anvil and hardhat under the same load on the same machine, one after the other: `scripts/bench.sh`.
//!
//! What is measured and how stands in docs/benchmarks.md. Results go to stdout, progress to stderr. A refused or
//! failed transaction ends the run: figures of a server that does not do the work are worth nothing.

mod client;
mod drive;
mod flame;
mod measure;
mod memory;
mod process;
mod report;
mod server;
mod sync;
mod workload;

use clap::Parser;
use eyre::WrapErr;
use measure::Amounts;
use report::{Machine, Report};
use server::{Programs, Target};
use std::{
    path::PathBuf,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::signal::unix::{SignalKind, signal};
use workload::{Mode, Workload};

/// Transactions unless told otherwise: flood, steady part, memory run.
const DEFAULT: (usize, usize, usize) = (40_000, 8_000, 2_000_000);
/// Transactions that come at once.
const BACKLOG: usize = 20_000;
/// The same with --quick; so few would fill nothing that has a bound, and memory would tell nothing.
const QUICK: (usize, usize, usize) = (8_000, 3_000, 0);

/// Measures the node beside anvil.
#[derive(Debug, Parser)]
#[command(name = "mayfly-bench", after_help = "Example:\n  scripts/bench.sh --quick --json >bench.json")]
struct Args {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Fewer transactions, figures of less weight
    #[arg(long)]
    quick: bool,
    /// Exit with 1 if a figure misses what is asked of it
    #[arg(long)]
    check: bool,
    /// Transactions of each run, sent as fast as they go
    #[arg(long, value_name = "N")]
    transactions: Option<usize>,
    /// Transactions of each run's latency part
    #[arg(long, value_name = "N")]
    steady_transactions: Option<usize>,
    /// Their rate
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    steady_per_s: u32,
    /// Transactions of the memory run; 0 leaves it out
    #[arg(long, value_name = "N")]
    memory_transactions: Option<usize>,
    /// Transactions that come at once; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = BACKLOG)]
    backlog_transactions: usize,
    /// Which servers; hardhat needs scripts/setup.sh --interop
    #[arg(long, value_delimiter = ',', default_values = ["mayfly", "anvil-blocktime", "anvil-hashes", "anvil-instant"], value_name = "LIST")]
    targets: Vec<Target>,
    /// Which transactions
    #[arg(long, value_delimiter = ',', default_values = ["erc20", "mint"], value_name = "LIST")]
    workloads: Vec<Workload>,
    /// How many to a request
    #[arg(long, value_delimiter = ',', default_values = ["single", "batch100"], value_name = "LIST")]
    modes: Vec<Mode>,
    /// Draw a flame graph of the node during each flood, as FILE-WORKLOAD-MODE.svg; needs perf, and costs some time
    #[arg(long, value_name = "FILE")]
    flame: Option<PathBuf>,
    /// Transactions sent and not yet seen in a block, at most [default: what each server does best with]
    #[arg(long, value_name = "N")]
    most_open: Option<usize>,
    /// The node's binary [default: mayfly beside this program]
    #[arg(long, value_name = "FILE")]
    mayfly: Option<PathBuf>,
    /// Where the servers keep their data: a real disk, or durability costs nothing
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    dir: PathBuf,
}

impl Args {
    fn amounts(&self) -> Amounts {
        let (flood, steady, memory) = if self.quick { QUICK } else { DEFAULT };
        Amounts {
            flood: self.transactions.unwrap_or(flood).max(1),
            steady: self.steady_transactions.unwrap_or(steady).max(1),
            steady_per_s: self.steady_per_s.max(1),
            memory: self.memory_transactions.unwrap_or(memory),
            backlog: self.backlog_transactions,
        }
    }
}

fn main() -> eyre::Result<ExitCode> {
    let args = Args::parse();
    tokio::runtime::Runtime::new()?.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // What runs is stopped when the future that started it is dropped.
        let report = tokio::select! {
            report = bench(&args) => report?,
            _ = interrupt.recv() => eyre::bail!("interrupted"),
            _ = terminate.recv() => eyre::bail!("terminated"),
        };
        if args.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            print!("{}", report.text());
        }
        Ok(if args.check && !report.holds() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

async fn bench(args: &Args) -> eyre::Result<Report> {
    let programs = Programs { most_open: args.most_open, ..Programs::find(args.mayfly.clone(), args.dir.clone())? };
    let amounts = args.amounts();
    let machine = machine(&programs)?;
    let fewest = args.modes.iter().map(|mode| mode.per_request()).max().unwrap_or(1);
    eyre::ensure!(args.most_open.is_none_or(|open| open >= fewest), "--most-open has to hold a request, {fewest}");
    let mut runs = Vec::new();
    for &workload in &args.workloads {
        for &mode in &args.modes {
            for &target in &args.targets {
                let name = format!("{workload:?} {mode:?} on {target:?}");
                eprintln!("{name}");
                let flame = args.flame.as_deref().filter(|_| target == Target::Mayfly);
                let run = measure::run(target, workload, mode, &amounts, &programs, flame).await.wrap_err(name)?;
                eprintln!("  {:.0} tx/s, {:.0} µs", run.included_tx_per_s, run.server_cpu_us_per_tx);
                runs.push(run);
            }
        }
    }
    let mut backlogs = Vec::new();
    if amounts.backlog > 0 {
        for &target in args.targets.iter().filter(|target| target.takes_backlogs()) {
            let name = format!("backlog of {target:?}");
            eprintln!("{name}");
            let count = amounts.of(target).backlog;
            backlogs.push(measure::backlog(target, count, &programs).await.wrap_err(name)?);
        }
    }
    let mut memories = Vec::new();
    if amounts.memory > 0 {
        for &target in args.targets.iter().filter(|target| **target == Target::Mayfly) {
            let name = format!("memory of {target:?}");
            eprintln!("{name}");
            memories.push(memory::run(target, &amounts, &programs).await.wrap_err(name)?);
        }
    }
    Ok(Report::new(machine, amounts, runs, backlogs, memories))
}

fn machine(programs: &Programs) -> eyre::Result<Machine> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |line: &str| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned());
    Ok(Machine {
        cpu: read("/proc/cpuinfo").lines().find_map(field).unwrap_or_else(|| "unknown CPU".into()),
        cores: std::thread::available_parallelism()?.get(),
        load_before: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        sync: measure::sync_times(programs)?,
        unix_time: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    })
}
