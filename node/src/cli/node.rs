//! `mayfly node`.

use std::path::Path;

use serde::Serialize;

use super::{
    args::{GlobalArgs, NodeArgs},
    output::{self, Report, progress},
    signal::StopSignal,
};
use crate::{config::NodeConfig, node::Node};

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

#[derive(Serialize)]
struct Serving<'a> {
    rpc_url: &'a str,
    admin_url: &'a str,
    data_dir: &'a Path,
}

impl Report for Serving<'_> {
    fn text(&self) -> String {
        format!("RPC {}, operator's API {}", self.rpc_url, self.admin_url)
    }
}

/// Runs a node until it is told to stop.
pub(crate) async fn run(config: NodeConfig, json: bool) -> eyre::Result<()> {
    let stop = StopSignal::listen()?;
    let data_dir = config.data_dir.clone();
    let node = Node::start_until(config, stop.wait()).await?;
    let serving = Serving { rpc_url: node.rpc_url(), admin_url: node.admin_url(), data_dir: &data_dir };
    output::print_line(&serving, json)?;
    stop.wait().await;
    progress("stopping");
    node.stop().await
}
