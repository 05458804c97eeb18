//! Runs simulated lives: a seed again, or new seeds for a given time. See `mayfly_e2e::sim`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use mayfly_e2e::sim::{Outcome, live};
use serde::Serialize;

/// The node's, so that many lives fit into an hour.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates whole lives of rollups with everything that can go wrong.
#[derive(Debug, Parser)]
#[command(after_help = "Examples:\n  mayfly-sim --seconds 60 --json\n  mayfly-sim --seed 17 --loud")]
struct Args {
    /// One life, again.
    #[arg(long)]
    seed: Option<u64>,
    /// Tell what happens in every block of L1.
    #[arg(long)]
    loud: bool,
    /// The first of many seeds.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many.
    #[arg(long, default_value_t = u64::MAX)]
    seeds: u64,
    /// Stop after so many seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Lives at the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// One JSON document on stdout.
    #[arg(long)]
    json: bool,
}

/// What came of all of them.
#[derive(Debug, Default, Serialize)]
struct Summary {
    seeds: u64,
    steps: u64,
    l1_blocks: u64,
    blocks: u64,
    answered: u64,
    disturbances: u64,
    leaves: u64,
    seconds: f64,
    violations: Vec<Violation>,
}

#[derive(Debug, Serialize)]
struct Violation {
    seed: u64,
    what: Vec<String>,
    replay: String,
}

impl Summary {
    fn add(&mut self, life: Outcome) {
        self.seeds += 1;
        self.steps += life.steps;
        self.l1_blocks += life.l1_blocks;
        self.blocks += life.blocks;
        self.answered += life.answered;
        self.disturbances += life.disturbances;
        self.leaves += life.leaves;
        if !life.violations.is_empty() {
            let replay = format!("mayfly-sim --seed {} --loud", life.seed);
            eprintln!("seed {}: {:#?}", life.seed, life.violations);
            self.violations.push(Violation { seed: life.seed, what: life.violations, replay });
        }
    }
}

fn main() -> eyre::Result<()> {
    let args = Args::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(false)
        .init();
    let started = Instant::now();
    let summary = Mutex::new(Summary::default());
    if let Some(seed) = args.seed {
        let life = live(seed, args.loud);
        eprintln!("{life:#?}");
        summary.lock().unwrap_or_else(PoisonError::into_inner).add(life);
    } else {
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let deadline = started + Duration::from_secs(args.seconds);
        std::thread::scope(|scope| {
            for _ in 0..args.jobs.max(1) {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) && Instant::now() < deadline {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= args.seeds {
                            return;
                        }
                        let seed = args.from.wrapping_add(at);
                        let life = std::panic::catch_unwind(|| live(seed, false)).unwrap_or_else(|_| Outcome {
                            seed,
                            violations: vec!["a panic".to_owned()],
                            ..Outcome::default()
                        });
                        summary.lock().unwrap_or_else(PoisonError::into_inner).add(life);
                    }
                });
            }
        });
    }
    let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.seconds = started.elapsed().as_secs_f64();
    summary.violations.sort_by_key(|violation| violation.seed);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!(
            "{} seeds, {} steps, {} L1 blocks, {} answers, {} violations in {:.0} s",
            summary.seeds,
            summary.steps,
            summary.l1_blocks,
            summary.answered,
            summary.violations.len(),
            summary.seconds
        );
    }
    std::process::exit(i32::from(!summary.violations.is_empty()));
}
