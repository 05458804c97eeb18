//! Runs Ethereum's public suites against this build: the cases of execution-apis over HTTP against an imported chain,
//! and the state tests. `scripts/conformance.sh` gives it the data.

mod case;
mod compare;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use mayfly_node::statetest;
use serde::Serialize;

use case::Case;
use server::Server;

/// Public suites against this build.
#[derive(Debug, Parser)]
struct Args {
    /// Directory of execution-apis: genesis.json, chain.rlp and directories of .io files
    #[arg(long)]
    execution_apis: Option<PathBuf>,
    /// Only the cases whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// Show what was answered where a case fails
    #[arg(long)]
    verbose: bool,
    /// A state test, or a directory of them
    #[arg(long)]
    state_tests: Option<PathBuf>,
    /// A suite that is not run counts as failed
    #[arg(long)]
    require: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What a suite gave.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Suite {
    NotRun(&'static str),
    Run { passed: usize, total: usize, failures: Vec<String> },
}

#[derive(Debug, Serialize)]
struct Results {
    execution_apis: Suite,
    state_tests: Suite,
}

const NO_DATA: Suite = Suite::NotRun("not run: no data");

impl Suite {
    fn text(&self) -> String {
        match self {
            Self::NotRun(why) => (*why).to_owned(),
            Self::Run { passed, total, failures } => {
                let failures = failures.iter().map(|failure| format!("\n  {failure}")).collect::<String>();
                format!("{passed} of {total} passed{failures}")
            }
        }
    }

    fn failed(&self, require: bool) -> bool {
        match self {
            Self::NotRun(_) => require,
            Self::Run { passed, total, .. } => passed != total || *total == 0,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> eyre::Result<bool> {
    let execution_apis = match &args.execution_apis {
        Some(dir) => replay(dir, &args).await?,
        None => NO_DATA,
    };
    let state_tests = match args.state_tests.clone() {
        Some(path) => tokio::task::spawn_blocking(move || state_tests(&path)).await??,
        None => NO_DATA,
    };
    let results = Results { execution_apis, state_tests };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        println!("execution_apis: {}", results.execution_apis.text());
        println!("state_tests: {}", results.state_tests.text());
    }
    let failed = |suite: &Suite| suite.failed(args.require);
    Ok(!failed(&results.execution_apis) && !failed(&results.state_tests))
}

fn state_tests(path: &Path) -> eyre::Result<Suite> {
    let summary = statetest::run(path)?;
    let failures = summary.failures.iter().map(|failure| format!("{}: {}", failure.case, failure.reason)).collect();
    Ok(Suite::Run { passed: summary.passed, total: summary.total, failures })
}

/// Every case against one server, in the order of their names: some leave transactions in its pool.
async fn replay(dir: &Path, args: &Args) -> eyre::Result<Suite> {
    let cases = case::all(dir)?;
    let server = Server::start(&dir.join("genesis.json"), &dir.join("chain.rlp")).await?;
    let (mut passed, mut total, mut failures) = (0, 0, Vec::new());
    for case in cases.iter().filter(|case| case.name.contains(&args.only)) {
        total += 1;
        match check(&server, case).await {
            Ok(()) => passed += 1,
            Err(why) if args.verbose => failures.push(format!("{}: {why}", case.name)),
            Err(why) => failures.push(format!("{}: {}", case.name, why.chars().take(300).collect::<String>())),
        }
    }
    server.stop().await?;
    Ok(Suite::Run { passed, total, failures })
}

async fn check(server: &Server, case: &Case) -> Result<(), String> {
    for (index, (request, expected)) in case.exchanges.iter().enumerate() {
        let answer = server.call(request).await.map_err(|error| error.to_string())?;
        let same =
            if case.shape_only { compare::same_shape(expected, &answer) } else { compare::same(expected, &answer) };
        same.map_err(|why| format!("exchange {index}: {why}"))?;
    }
    Ok(())
}
