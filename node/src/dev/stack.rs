//! Starting and stopping the stack.

use std::{fs::File, path::PathBuf, time::Duration};

use eyre::WrapErr;
use mayfly_l1::{Anvil, AnvilConfig};
use nix::sys::signal::Signal;

use super::{DevState, ProcessRecord, accounts::accounts, deploy, state::unix_now};
use crate::{
    config::NodeConfig,
    keys::KeySource,
    node::{Node, files},
};

/// How long an orphan may take to stop by itself.
const ORPHAN_GRACE: Duration = Duration::from_secs(15);
/// How often anvil saves its state: what a kill -9 of anvil itself may cost.
const L1_SAVE_INTERVAL: Duration = Duration::from_secs(5);

/// What `mayfly dev` was asked for. Port 0 picks a free one.
#[derive(Clone, Debug)]
pub struct StackOptions {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The node's settings, but for what the stack itself decides: places, ports, keys.
    pub base: NodeConfig,
    /// Port of the public JSON-RPC.
    pub rpc_port: u16,
    /// Port of the operator's API.
    pub admin_port: u16,
    /// Port of L1.
    pub l1_port: u16,
    /// Seconds between L1 blocks.
    pub l1_block_time: Duration,
    /// Whether to run a node.
    pub node: bool,
}

/// The running stack.
pub struct Stack {
    state: DevState,
    anvil: Option<Anvil>,
    node: Option<Node>,
    _lock: File,
}

impl Stack {
    /// Starts everything, continuing what the data directory holds.
    ///
    /// # Errors
    /// If the directory is in use, or a part does not start; what was started is stopped again.
    pub async fn start(options: StackOptions) -> eyre::Result<Stack> {
        let data_dir = files::make_data_dir(&options.data_dir)?;
        let lock = files::lock(&data_dir.join("dev.lock"))?;
        let mut state = DevState::read(&data_dir)?.unwrap_or_else(|| DevState::new(&data_dir));
        stop_orphans(&state)?;
        state.running = false;
        state.data_dir.clone_from(&data_dir);
        state.processes = vec![ProcessRecord::of("mayfly dev", std::process::id())?];
        state.write()?;
        let mut stack = Stack { state, anvil: None, node: None, _lock: lock };
        match stack.bring_up(&options).await {
            Ok(()) => Ok(stack),
            Err(e) => {
                stack.stop().await?;
                Err(e)
            }
        }
    }

    /// What runs, and where.
    #[must_use]
    pub fn state(&self) -> &DevState {
        &self.state
    }

    /// Stops the node, then its database, then L1, which saves its state.
    ///
    /// # Errors
    /// If a part does not stop.
    pub async fn stop(mut self) -> eyre::Result<()> {
        let mut first_error = None;
        if let Some(node) = self.node.take()
            && let Err(e) = node.stop().await
        {
            first_error = Some(e.wrap_err("stopping the node"));
        }
        if let Some(anvil) = self.anvil.take()
            && let Err(e) = tokio::task::spawn_blocking(move || anvil.stop()).await?
        {
            first_error.get_or_insert(eyre::Report::from(e).wrap_err("stopping anvil"));
        }
        self.state.running = false;
        self.state.processes.clear();
        self.state.write()?;
        first_error.map_or(Ok(()), Err)
    }

    async fn bring_up(&mut self, options: &StackOptions) -> eyre::Result<()> {
        let config = AnvilConfig {
            block_time: Some(options.l1_block_time),
            state: Some(self.state.data_dir.join("l1.json")),
            state_interval: Some(L1_SAVE_INTERVAL),
            genesis_time: Some(self.state.l1_genesis_time),
            slots_in_an_epoch: Some(1),
            port: (options.l1_port != 0).then_some(options.l1_port),
            ..AnvilConfig::default()
        };
        // Written down before it is waited for: a kill -9 meanwhile leaves an orphan that the next start knows. (The
        // private PostgreSQL has a record of its own.)
        let mut early = self.state.clone();
        let note = move |pid| {
            let noted = ProcessRecord::of("anvil", pid).map_err(eyre::Report::from).and_then(|record| {
                early.processes.push(record);
                Ok(early.write()?)
            });
            if let Err(error) = noted {
                tracing::warn!(error = format!("{error:#}"), "anvil could not be recorded early");
            }
        };
        let anvil = Anvil::start_noted(config, note).await.wrap_err("starting anvil")?;
        self.record("anvil", anvil.pid())?;
        anvil.catch_up(unix_now()).await.wrap_err("setting L1's clock")?;
        self.state.l1_url = anvil.url().to_owned();
        let client = anvil.client();
        self.anvil = Some(anvil);
        self.state.l1_chain_id = client.chain_id().await?;
        self.state.accounts = accounts()?;
        self.state.factory = deploy::contracts(&client, Anvil::key(super::accounts::ORGANISER))
            .await
            .wrap_err("deploying the contracts")?;
        self.state.rpc_url.clear();
        self.state.admin_url.clear();
        if options.node {
            self.start_node(options).await.wrap_err("starting the node")?;
        }
        self.state.running = true;
        self.state.write()?;
        Ok(())
    }

    async fn start_node(&mut self, options: &StackOptions) -> eyre::Result<()> {
        let mut config = NodeConfig { data_dir: self.state.data_dir.clone(), ..options.base.clone() };
        config.l1.urls = vec![self.state.l1_url.clone()];
        config.l1.chain_id = self.state.l1_chain_id;
        config.l1.factory = Some(self.state.factory);
        config.rpc.listen.set_port(options.rpc_port);
        config.rpc.cors_origins = vec!["*".into()];
        config.rpc.limits.js_tracers = true;
        config.admin.listen.set_port(options.admin_port);
        config.keys.sequencer = KeySource::Dev(super::accounts::SEQUENCER);
        config.keys.receipts = KeySource::Dev(super::accounts::RECEIPTS);
        config.database.url.clear();
        config.database.fsync = false;
        super::accounts::quicken(&mut config.sequencer);
        let node = Node::start(config).await?;
        if let Some(pid) = node.database_pid() {
            self.record("postgres", pid)?;
        }
        self.state.rpc_url = node.rpc_url().to_owned();
        self.state.admin_url = node.admin_url().to_owned();
        self.state.database_url = node.database_url().to_owned();
        self.node = Some(node);
        Ok(())
    }

    fn record(&mut self, name: &str, pid: u32) -> eyre::Result<()> {
        self.state.processes.push(ProcessRecord::of(name, pid)?);
        self.state.write()?;
        Ok(())
    }
}

/// Stops what an earlier stack left behind. Both PostgreSQL and anvil shut down in
/// order on SIGINT: the database needs no recovery, and L1 saves its state.
fn stop_orphans(state: &DevState) -> eyre::Result<()> {
    let own = std::process::id();
    for process in state.processes.iter().rev().filter(|p| p.pid != own) {
        if process.stop(Signal::SIGINT, ORPHAN_GRACE).wrap_err_with(|| format!("stopping {}", process.name))? {
            tracing::info!(name = %process.name, pid = process.pid, "stopped an orphan");
        }
    }
    Ok(())
}
