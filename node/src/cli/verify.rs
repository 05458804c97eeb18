//! `mayfly verify`.

use std::path::PathBuf;

use alloy_primitives::Address;
use clap::Args;

use super::target::TargetArgs;
use crate::keys::KeySource;

/// `mayfly verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Address of the rollup
    #[arg(long, env = "MAYFLY_ROLLUP", value_name = "ADDRESS")]
    pub rollup: Address,
    /// Where L1 is.
    #[command(flatten)]
    pub target: TargetArgs,
    /// Attest claims that agree with this key; may be given several times
    #[arg(long, env = "MAYFLY_ATTEST", value_delimiter = ',', value_name = "KEY")]
    pub attest: Vec<KeySource>,
    /// Propose claims with this key, and rivals against claims that do not agree
    #[arg(long, env = "MAYFLY_PROPOSE", value_name = "KEY")]
    pub propose: Option<KeySource>,
    /// Stop at L1's head instead of following it
    #[arg(long)]
    pub once: bool,
    /// Write the leaf file here once the rollup is closed
    #[arg(long, value_name = "FILE")]
    pub save_leaves: Option<PathBuf>,
}
