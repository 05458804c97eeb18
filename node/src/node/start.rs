//! Starting and stopping a node.

use std::{fs::File, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alloy_primitives::Address;
use eyre::{WrapErr, eyre};
use mayfly_l1::{Key, L1Client, L1Options};
use mayfly_ledger::Role;
use mayfly_proto::Meter;
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    admin, files,
    ledger::{Database, bind_l1},
    rollup::Running,
    usage::{METER_PAYERS, UsageDrain},
};
use crate::{
    config::NodeConfig,
    http::{Admin, AdminToken, Public, Readiness, serve_admin, serve_public},
    keys::{KeyStore, PasswordSource},
    rpc::Directory,
};

/// What every part of the node needs.
pub(super) struct Inner {
    pub(super) config: NodeConfig,
    pub(super) data_dir: PathBuf,
    pub(super) l1: L1Client,
    pub(super) l1_chain_id: u64,
    pub(super) ledger: mayfly_ledger::Ledger,
    pub(super) sequencer_key: Key,
    pub(super) receipt_key: Key,
    pub(super) directory: Arc<Directory>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) rpc_url: String,
    /// Rollups that run, by address. Held while one is started, so that two requests for
    /// the same rollup cannot start it twice.
    pub(super) rollups: Mutex<Vec<Running>>,
}

impl Inner {
    /// Where a rollup answers.
    pub(super) fn rollup_url(&self, name: &str) -> String {
        format!("{}/{name}", self.rpc_url)
    }

    /// The chain's directory of a rollup.
    pub(super) fn chain_dir(&self, rollup: Address) -> PathBuf {
        self.data_dir.join("rollups").join(format!("{rollup:?}"))
    }
}

/// A running node.
pub struct Node {
    inner: Arc<Inner>,
    database: Database,
    admin_url: String,
    public: Listener,
    admin: Listener,
    _lock: File,
}

/// A listener's task and the token that ends it.
struct Listener {
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Listener {
    async fn stop(self) -> eyre::Result<()> {
        self.shutdown.cancel();
        Ok(self.task.await??)
    }
}

impl Node {
    /// Starts a node; it serves when this returns. What was started before an error is
    /// stopped again.
    ///
    /// # Errors
    /// If the data directory is in use, the database, L1 or a key is not what it should be,
    /// a port is taken, or a rollup's chain cannot be opened.
    pub async fn start(config: NodeConfig) -> eyre::Result<Node> {
        let data_dir = files::make_data_dir(&config.data_dir)?;
        let lock = files::lock(&data_dir.join("node.lock"))?;
        let database = Database::open(&config, &data_dir).await?;
        match Node::start_on(config, data_dir, &database).await {
            Ok((inner, admin_url, public, admin)) => {
                Ok(Node { inner, database, admin_url, public, admin, _lock: lock })
            }
            Err(e) => {
                if let Err(close) = database.close().await {
                    tracing::warn!(error = %close, "closing the database after a failed start");
                }
                Err(e)
            }
        }
    }

    async fn start_on(
        config: NodeConfig,
        data_dir: PathBuf,
        database: &Database,
    ) -> eyre::Result<(Arc<Inner>, String, Listener, Listener)> {
        let l1 = L1Client::new(&config.l1.urls, L1Options::default())?;
        let l1_chain_id = bind_l1(&database.ledger, &l1, config.l1.chain_id).await?;
        let (sequencer_key, receipt_key) = open_keys(&config, &data_dir, l1_chain_id).await?;
        config.sequencer.validate(l1_chain_id)?;
        let (rpc_listener, rpc_addr) = bind(config.rpc.listen).await.wrap_err("rpc.listen")?;
        let (admin_listener, admin_addr) = bind(config.admin.listen).await.wrap_err("admin.listen")?;
        let token = files::admin_token(&data_dir.join(&config.admin.token_file))?;
        let token = AdminToken::new(token).map_err(|e| eyre!("admin.token_file: {e}"))?;
        let inner = Arc::new(Inner {
            data_dir,
            l1,
            l1_chain_id,
            ledger: database.ledger.clone(),
            sequencer_key,
            receipt_key,
            directory: Arc::default(),
            readiness: Arc::default(),
            rpc_url: format!("http://{rpc_addr}"),
            rollups: Mutex::default(),
            config,
        });
        if let Err(e) = resume(&inner).await {
            stop_rollups(&inner).await;
            return Err(e);
        }
        let shutdown = CancellationToken::new();
        let (directory, readiness) = (Arc::clone(&inner.directory), Arc::clone(&inner.readiness));
        let meter = Arc::new(Meter::new(METER_PAYERS));
        let usage = UsageDrain::new(Arc::clone(&meter), inner.ledger.clone())?;
        let public = Public::new(inner.config.rpc.clone(), directory, readiness, meter, shutdown.clone())
            .map_err(|e| eyre!("rpc: {e}"))?;
        let usage_stop = CancellationToken::new();
        let serve = serve_public(rpc_listener, public);
        let drain = usage.run(usage_stop.clone());
        let task = tokio::spawn(async move {
            // Usage is drained once more after the last request.
            let drain = tokio::spawn(drain);
            let served = serve.await;
            usage_stop.cancel();
            drain.await.map_err(std::io::Error::other)?;
            served
        });
        let public = Listener { shutdown, task };
        let admin =
            Arc::new(Admin { directory: Arc::clone(&inner.directory), readiness: Arc::clone(&inner.readiness), token });
        let shutdown = CancellationToken::new();
        let task =
            tokio::spawn(serve_admin(admin_listener, admin, admin::routes(Arc::clone(&inner)), shutdown.clone()));
        let admin = Listener { shutdown, task };
        tracing::info!(rpc = %rpc_addr, admin = %admin_addr, l1_chain_id, "the node serves");
        Ok((inner, format!("http://{admin_addr}"), public, admin))
    }

    /// The public JSON-RPC's URL; a rollup answers below it under its name.
    #[must_use]
    pub fn rpc_url(&self) -> &str {
        &self.inner.rpc_url
    }

    /// The operator's API.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// The private database's URL; empty if the node was given one.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.database.url
    }

    /// The private database server's process.
    #[must_use]
    pub fn database_pid(&self) -> Option<u32> {
        self.database.pid()
    }

    /// Stops: no new requests, then the rollups, then the operator's API, then the ledger.
    ///
    /// # Errors
    /// If a part does not stop; the others are stopped all the same.
    pub async fn stop(self) -> eyre::Result<()> {
        let mut outcome = self.public.stop().await.wrap_err("stopping the public listener");
        let limit = Duration::from_secs(self.inner.config.limits.shutdown_seconds);
        if tokio::time::timeout(limit, stop_rollups(&self.inner)).await.is_err() {
            outcome = outcome.and(Err(eyre!("the rollups did not stop within {limit:?}")));
        }
        outcome = outcome.and(self.admin.stop().await.wrap_err("stopping the operator's listener"));
        outcome.and(self.database.close().await)
    }
}

/// Every rollup the ledger says this node sequences.
async fn resume(inner: &Arc<Inner>) -> eyre::Result<()> {
    for stored in inner.ledger.rollups().await? {
        if stored.role == Role::Sequencer {
            let name = stored.name.clone();
            let running = Running::start(inner, stored).await.wrap_err_with(|| format!("rollup {name}"))?;
            inner.rollups.lock().await.push(running);
        }
    }
    let default = &inner.config.default_rollup;
    if !default.is_empty() && !inner.directory.set_default(default) {
        tracing::warn!(rollup = %default, "default_rollup is not known to this node");
    }
    Ok(())
}

async fn stop_rollups(inner: &Inner) {
    let running = std::mem::take(&mut *inner.rollups.lock().await);
    futures::future::join_all(running.into_iter().map(Running::stop)).await;
}

/// Opening a keystore file is slow on purpose: off the async threads.
async fn open_keys(config: &NodeConfig, data_dir: &std::path::Path, l1_chain_id: u64) -> eyre::Result<(Key, Key)> {
    let keys = config.keys.clone();
    let store = KeyStore::new(data_dir.join(&keys.dir));
    tokio::task::spawn_blocking(move || {
        let password = PasswordSource::current(keys.password_file);
        let dev_chain = l1_chain_id == crate::dev::CHAIN_ID;
        let sequencer = store.load(&keys.sequencer, &password, dev_chain)?;
        let receipts = store.load(&keys.receipts, &password, dev_chain)?;
        if sequencer.address() == receipts.address() {
            return Err(eyre!("keys.sequencer and keys.receipts are both {}", sequencer.address()));
        }
        Ok((sequencer, receipts))
    })
    .await?
}

async fn bind(address: SocketAddr) -> eyre::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await.wrap_err_with(|| address.to_string())?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}
