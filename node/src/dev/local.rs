//! A rollup inside a test: L1, PostgreSQL, the contracts, a node and one rollup, all real, started and stopped by the
//! program that uses them. `docs/guides/embed.md` shows a test of ten lines.
//!
//! Needs what `mayfly dev` needs: PostgreSQL's programs and anvil.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::Address;
use eyre::WrapErr;

use super::{DevAccount, Stack, StackOptions};
use crate::{cli::launch, config::NodeConfig, rpc::RollupName};

/// How the rollup is made; the default will do for a test.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// The rollup's name.
    pub name: RollupName,
    /// When deposits end, from now: `90s`, `45m`, `2h`.
    pub ends_in: String,
    /// The organiser's TOML file with everything else (`docs/guides/event-rollup.md`).
    pub rollup: Option<PathBuf>,
    /// The node's settings, but for places, ports and keys.
    pub node: NodeConfig,
    /// Between L1 blocks.
    pub l1_block_time: Duration,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            name: "local".parse().expect("letters make a name"),
            ends_in: "2h".to_owned(),
            rollup: None,
            node: NodeConfig::default(),
            l1_block_time: Duration::from_secs(1),
        }
    }
}

/// A rollup with everything it needs. Call [`Self::stop`]: dropping it kills L1 and the
/// database.
pub struct LocalRollup {
    stack: Stack,
    rollup: launch::Created,
    rpc_url: String,
    dir: Dir,
}

/// A directory that goes when this does.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, dir = %self.0.display(), "a directory could not be removed");
        }
    }
}

impl LocalRollup {
    /// Starts one in a directory of its own.
    ///
    /// # Errors
    /// If a part does not start; what was started is stopped again.
    pub async fn start() -> eyre::Result<Self> {
        Box::pin(Self::with(LocalOptions::default())).await
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// If a part does not start; what was started is stopped again.
    pub async fn with(options: LocalOptions) -> eyre::Result<Self> {
        let dir = make_dir()?;
        let stack = StackOptions {
            data_dir: dir.0.clone(),
            base: options.node,
            rpc_port: 0,
            admin_port: 0,
            l1_port: 0,
            l1_block_time: options.l1_block_time,
            node: true,
        };
        let stack = Box::pin(Stack::start(stack)).await?;
        let launched = launch::on_dev_stack(&dir.0, options.name, options.ends_in, options.rollup).await;
        let created = launched.and_then(|rollup| {
            let rpc_url = rollup.rpc_url.clone().ok_or_else(|| eyre::eyre!("the node does not serve the rollup"))?;
            Ok((rollup, rpc_url))
        });
        match created {
            Ok((rollup, rpc_url)) => Ok(Self { stack, rollup, rpc_url, dir }),
            Err(error) => {
                // Why it did not start says more than why it did not stop.
                if let Err(second) = stack.stop().await {
                    tracing::warn!(error = format!("{second:#}"), "stopping what was started");
                }
                Err(error)
            }
        }
    }

    /// JSON-RPC of the rollup; the same with `ws:` for WebSockets.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        &self.rpc_url
    }

    /// The rollup's chain id.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.rollup.chain_id
    }

    /// Its address on L1: that of the Inbox.
    #[must_use]
    pub fn address(&self) -> Address {
        self.rollup.rollup
    }

    /// JSON-RPC of L1.
    #[must_use]
    pub fn l1_url(&self) -> &str {
        &self.stack.state().l1_url
    }

    /// Accounts with 10,000 ether each on L1, known to everybody.
    #[must_use]
    pub fn l1_accounts(&self) -> &[DevAccount] {
        &self.stack.state().accounts
    }

    /// Where everything is kept: `mayfly --data-dir` acts on it.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.dir.0
    }

    /// Stops everything and removes the files.
    ///
    /// # Errors
    /// If a part does not stop.
    pub async fn stop(self) -> eyre::Result<()> {
        let Self { stack, dir, .. } = self;
        let stopped = stack.stop().await;
        drop(dir);
        stopped
    }
}

/// As root, PostgreSQL runs as another user, who must get to its data.
fn make_dir() -> eyre::Result<Dir> {
    let dir = std::env::temp_dir().join(format!("mayfly-{:016x}", rand::random::<u64>()));
    std::fs::create_dir(&dir).wrap_err_with(|| dir.display().to_string())?;
    let made = Dir(dir);
    std::fs::set_permissions(&made.0, std::fs::Permissions::from_mode(0o755))?;
    Ok(made)
}
