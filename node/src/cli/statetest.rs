//! `mayfly statetest`.

use std::path::PathBuf;

use clap::Args;
use eyre::ensure;

use super::output::{self, Report};
use crate::statetest::{self, Summary};

/// Failures that the text form names.
const MAX_SHOWN: usize = 50;

/// `mayfly statetest`.
#[derive(Clone, Debug, Args)]
pub struct StateTestArgs {
    /// A test file, or a directory of them
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
}

impl Report for Summary {
    fn text(&self) -> String {
        let Summary { passed, total, through_batch, files, failures } = self;
        let mut lines: Vec<String> =
            failures.iter().take(MAX_SHOWN).map(|failure| format!("{}: {}", failure.case, failure.reason)).collect();
        if failures.len() > MAX_SHOWN {
            lines.push(format!("and {} more", failures.len() - MAX_SHOWN));
        }
        lines.push(format!("{passed} of {total} cases of {files} files pass, {through_batch} of them through a batch"));
        lines.join("\n")
    }
}

/// Runs `mayfly statetest`. Fails if a case does.
pub(crate) fn run(args: &StateTestArgs, json: bool) -> eyre::Result<()> {
    let summary = statetest::run(&args.path)?;
    output::print(&summary, json)?;
    let failed = summary.total - summary.passed;
    ensure!(failed == 0, "{failed} cases failed");
    Ok(())
}
