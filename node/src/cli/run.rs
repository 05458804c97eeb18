//! From arguments to an exit code.

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use super::{Cli, Command, output};
use crate::{config::default_data_dir, logging};

/// Runs the program. Exit codes: 0 done, 1 failed, 2 not understood (clap's own).
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            output::progress(format!("error: {e:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> eyre::Result<()> {
    let Cli { global, command } = cli;
    let data_dir: PathBuf = global.data_dir.clone().unwrap_or_else(default_data_dir);
    // A node reads its log settings from its configuration too; all others log little.
    let node = match &command {
        Command::Node(args) | Command::Doctor(args) => Some(super::node::config(args, &global)?),
        _ => None,
    };
    let quiet = if matches!(command, Command::Dev(_) | Command::Verify(_)) { "info" } else { "warn" };
    let filter = node.as_ref().map_or(quiet, |c| &c.log);
    let filter = global.log.as_deref().unwrap_or(filter);
    let format = global.log_format.or(node.as_ref().map(|c| c.log_format)).unwrap_or_default();
    logging::init(filter, format).map_err(|e| eyre::eyre!(e))?;

    let json = global.json;
    match (command, node) {
        (Command::Config(args), _) => super::config::run(args.command, data_dir, json),
        (Command::StateTest(args), _) => super::statetest::run(&args, json),
        (Command::Keys(args), _) => super::keys::run(args, &data_dir, json),
        (Command::Dev(args), _) => block_on(super::dev::run(args, data_dir, json)),
        (Command::Rollup(args), _) => block_on(super::rollup::run(args, data_dir, json)),
        (Command::Import(args), _) => block_on(super::import::run(args, data_dir, json)),
        (Command::Verify(args), _) => block_on(super::verify::run(args, data_dir, json)),
        (Command::Node(_), Some(config)) => block_on(super::node::run(config, json)),
        (Command::Doctor(_), Some(config)) => block_on(super::doctor::run(config, json)),
        (Command::Node(_) | Command::Doctor(_), None) => eyre::bail!("no configuration"),
    }
}

fn block_on(future: impl Future<Output = eyre::Result<()>>) -> eyre::Result<()> {
    // Shells begin with a limit that a thousand subscribers reach. What the system refuses, `mayfly doctor` tells.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(future)
}
