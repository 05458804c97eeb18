//! Kills a node under load, again and again, and looks whether anything that was answered is lost: `scripts/torture.sh`.
//!
//! The result goes to stdout, progress to stderr; exit code 1 if something is wrong.

use clap::Parser;
use eyre::WrapErr;
use mayfly_e2e::kill::{Batches, Report, Torture, World};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Kills a node under load, at random and at every crash point in turn.
#[derive(Debug, Parser)]
#[command(name = "mayfly-kill", after_help = "Example:\n  mayfly-kill --cycles 1000 --seed 1 --json >kills.json")]
struct Args {
    /// Stop after so many kills
    #[arg(long, value_name = "N", default_value_t = 100)]
    cycles: u64,
    /// Stop after so many seconds, if that is earlier
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Decides when and where the node dies
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Only these crash points
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    points: Vec<String>,
    /// Random kills between two crash points
    #[arg(long, value_name = "N", default_value_t = 1)]
    between: u32,
    /// Post batches in blobs, not in calldata
    #[arg(long)]
    blobs: bool,
    /// Print the names of all crash points, and nothing else
    #[arg(long)]
    list: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// The node's binary [default: mayfly beside this program]
    #[arg(long, value_name = "FILE")]
    mayfly: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        mayfly_fail::POINTS.iter().for_each(|point| println!("{}", point.name));
        return ExitCode::SUCCESS;
    }
    let run = tokio::runtime::Builder::new_multi_thread().enable_all().build().wrap_err("tokio");
    match run.and_then(|runtime| runtime.block_on(run_all(&args))) {
        Ok(report) if report.violations.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_all(args: &Args) -> eyre::Result<Report> {
    let beside = || Ok::<_, eyre::Report>(std::env::current_exe()?.with_file_name("mayfly"));
    let binary = args.mayfly.clone().map_or_else(beside, Ok)?;
    let world = World::start(&binary, if args.blobs { Batches::Blobs } else { Batches::Calldata }).await?;
    let torture = Torture::new(world, args.seed, &args.points, args.between)?;
    let report = torture.run(args.cycles, args.seconds.map(Duration::from_secs)).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report:#?}");
    }
    Ok(report)
}
