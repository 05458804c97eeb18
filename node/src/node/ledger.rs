//! The node's database: the one it was given, or a private server of its own.

use std::{path::Path, sync::Arc, time::Duration};

use eyre::{WrapErr, eyre};
use mayfly_l1::{BlockTag, L1Client};
use mayfly_ledger::{Ledger, Server, ServerOptions};
use tokio::sync::Mutex;

use crate::config::NodeConfig;

/// The name of the node's database on a private server.
const DATABASE: &str = "mayfly";
/// Between two looks at the private server; doubled after each start in vain, up to
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// this.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How long L1 may take to answer at start: it may be starting too.
const L1_START_TIMEOUT: Duration = Duration::from_secs(60);
const L1_START_POLL: Duration = Duration::from_millis(500);

/// A connected ledger and, if it is private, the server below it.
pub(super) struct Database {
    pub(super) ledger: Ledger,
    pub(super) url: String,
    server: Option<Arc<Mutex<Server>>>,
    /// The server's process at the start.
    pid: Option<u32>,
}

impl Database {
    /// Connects; refuses a schema of a newer version, migrates an older one.
    pub(super) async fn open(config: &NodeConfig, data_dir: &Path) -> eyre::Result<Database> {
        if !config.database.url.is_empty() {
            let ledger = Ledger::connect(&config.database.url).await.wrap_err("connecting to database.url")?;
            return Ok(Database { ledger, url: String::new(), server: None, pid: None });
        }
        let options = ServerOptions { fsync: config.database.fsync, ..ServerOptions::default() };
        let server = Server::start(&data_dir.join("postgres"), &options).await.wrap_err("starting PostgreSQL")?;
        let url = server.create_database(DATABASE).await?;
        let ledger = Ledger::connect(&url).await.wrap_err("connecting to the private PostgreSQL")?;
        let pid = Some(server.pid());
        Ok(Database { ledger, url, server: Some(Arc::new(Mutex::new(server))), pid })
    }

    /// The private server's process at the start.
    pub(super) fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Starts the private server again whenever it is gone, for as long as it is let. Connections come back by themselves.
    pub(super) fn keep_running(&self) -> impl Future<Output = ()> + use<> {
        let server = self.server.clone();
        async move {
            let Some(server) = server else { return };
            let mut pause = LOOK_EVERY;
            loop {
                tokio::time::sleep(pause).await;
                pause = match server.lock().await.revive().await {
                    Ok(false) => LOOK_EVERY,
                    Ok(true) => {
                        tracing::warn!("PostgreSQL was gone and was started again");
                        LOOK_EVERY
                    }
                    Err(error) => {
                        tracing::error!(%error, "PostgreSQL is gone and does not start");
                        (pause * 2).min(MAX_PAUSE)
                    }
                };
            }
        }
    }

    /// Closes the connections, then stops the server.
    pub(super) async fn close(self) -> eyre::Result<()> {
        self.ledger.close().await;
        if let Some(server) = self.server {
            let server = Arc::into_inner(server).ok_or_else(|| eyre!("PostgreSQL is being started"))?;
            server.into_inner().stop().await.wrap_err("stopping PostgreSQL")?;
        }
        Ok(())
    }
}

/// Checks that L1 is the chain it should be, and the one the ledger has always had.
pub(super) async fn bind_l1(ledger: &Ledger, l1: &L1Client, expected_chain_id: u64) -> eyre::Result<u64> {
    let deadline = tokio::time::Instant::now() + L1_START_TIMEOUT;
    let chain_id = loop {
        match l1.chain_id().await {
            Ok(id) => break id,
            Err(error) if error.is_temporary() && tokio::time::Instant::now() < deadline => {
                tracing::warn!(%error, "L1 does not answer yet");
                tokio::time::sleep(L1_START_POLL).await;
            }
            Err(error) => return Err(error).wrap_err("asking L1 for its chain id"),
        }
    };
    if expected_chain_id != 0 {
        l1.check_chain_id(expected_chain_id).await?;
    }
    let genesis = l1.head(BlockTag::Number(0)).await.wrap_err("reading L1's genesis")?;
    ledger.bind_l1(chain_id, genesis.hash()).await?;
    Ok(chain_id)
}
