//! `mayfly dev`.

use std::{path::PathBuf, time::Duration};

use eyre::WrapErr;

use super::{
    args::DevArgs,
    output::{self, Report, progress},
    signal,
};
use crate::{
    config::NodeConfig,
    dev::{DevState, Stack, StackOptions},
};

impl Report for DevState {
    fn text(&self) -> String {
        let mut lines = vec![
            format!("L1         {} (chain {})", self.l1_url, self.l1_chain_id),
            format!("factory    {}", self.factory),
        ];
        if !self.rpc_url.is_empty() {
            lines.push(format!("RPC        {}", self.rpc_url));
            lines.push(format!(
                "operator   {} (token: {})",
                self.admin_url,
                self.data_dir.join("admin.token").display()
            ));
            lines.push(format!("database   {}", self.database_url));
        }
        lines.push(format!("data       {}", self.data_dir.display()));
        lines.push("accounts   10000 ETH each on L1; known to everybody, for this chain only".into());
        for account in &self.accounts {
            lines
                .push(format!("  {:<6} {:<10} {} {}", account.key, account.role, account.address, account.private_key));
        }
        lines.join("\n")
    }
}

/// Starts the stack, prints where everything is, and stops it on Ctrl-C.
pub(crate) async fn run(args: DevArgs, data_dir: PathBuf, json: bool) -> eyre::Result<()> {
    let stop = signal::StopSignal::listen()?;
    let base = match &args.config {
        Some(path) => NodeConfig::read(path)?,
        None => NodeConfig::default(),
    };
    let options = StackOptions {
        data_dir,
        base,
        rpc_port: args.rpc_port,
        admin_port: args.admin_port,
        l1_port: args.l1_port,
        l1_block_time: Duration::from_secs(args.l1_block_time.max(1)),
        node: !args.no_node,
    };
    progress("starting PostgreSQL, anvil, the contracts and a node");
    let stack = tokio::select! {
        stack = Stack::start(options) => stack?,
        // What had been started is recorded: the next start stops it.
        () = stop.wait() => eyre::bail!("stopped while starting"),
    };
    output::print_line(stack.state(), json)?;
    progress("Ctrl-C stops everything");
    stop.wait().await;
    progress("stopping");
    stack.stop().await.wrap_err("stopping the stack")
}
