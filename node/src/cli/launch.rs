//! Launching a rollup without a command line.

use std::path::{Path, PathBuf};

pub(crate) use super::rollup::Created;
use super::{
    rollup::{self, CreateArgs},
    session::Session,
    target::TargetArgs,
};
use crate::rpc::RollupName;

/// Creates a rollup on the development stack in a data directory, which its node then sequences.
pub(crate) async fn on_dev_stack(
    data_dir: &Path,
    name: RollupName,
    ends_in: String,
    config: Option<PathBuf>,
) -> eyre::Result<Created> {
    let session = Session::open(&TargetArgs::default(), data_dir).await?;
    rollup::create(&session, CreateArgs { name, ends_in: Some(ends_in), config, no_start: false }).await
}
