//! `mayfly node`.

use super::args::{GlobalArgs, NodeArgs};
use crate::config::NodeConfig;

/// The configuration: the file, then flags and environment over it.
pub(crate) fn config(args: &NodeArgs, global: &GlobalArgs) -> eyre::Result<NodeConfig> {
    let mut config = match &args.config {
        Some(path) => NodeConfig::read(path)?,
        None => NodeConfig::default(),
    };
    if let Some(dir) = &global.data_dir {
        config.data_dir.clone_from(dir);
    }
    if !args.l1_url.is_empty() {
        config.l1.urls.clone_from(&args.l1_url);
    }
    if let Some(url) = &args.database_url {
        config.database.url.clone_from(url);
    }
    config.validate().map_err(|e| eyre::eyre!(e))?;
    Ok(config)
}
