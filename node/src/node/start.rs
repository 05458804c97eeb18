//! Starting and stopping a node.

use std::{fs::File, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alloy_primitives::Address;
use eyre::{WrapErr, eyre};
use mayfly_l1::{Key, L1Client, L1Options};
use mayfly_ledger::{L1Log, Role, Rollup};
use mayfly_proto::Meter;
use tokio::{
    net::TcpListener,
    sync::Mutex,
    task::{JoinHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    admin, files,
    heal::heal,
    known::{self, Known},
    ledger::{Database, bind_l1},
    pulse::{part, watch_services},
    rollup::Running,
    usage::{METER_PAYERS, UsageDrain},
};
use crate::{
    config::NodeConfig,
    http::{Admin, AdminToken, Public, Readiness, serve_admin, serve_public},
    keys::{KeyStore, PasswordSource},
    rpc::Directory,
};

/// What is shown moves with L1's blocks: looking more often finds nothing new.
const MIN_L1_POLL_MS: u64 = 500;

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
    /// Counts what RPC and the sequencers give away.
    pub(super) meter: Arc<Meter>,
    /// Where clients reach the node.
    pub(super) rpc_url: String,
    /// Cancelled when the node begins to stop: nothing is started from then on.
    pub(super) stopping: CancellationToken,
    /// Rollups that run, by address. Held while one is started, so that two requests for
    /// the same rollup cannot start it twice.
    pub(super) rollups: Mutex<Vec<Running>>,
}

impl Inner {
    /// Where a rollup answers.
    pub(super) fn rollup_url(&self, name: &str) -> String {
        format!("{}/{name}", self.rpc_url)
    }

    /// Between two looks at L1 that only show something.
    pub(super) fn l1_poll(&self) -> Duration {
        Duration::from_millis(self.config.sequencer.l1_poll_ms.max(MIN_L1_POLL_MS))
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
    pulse: JoinSet<()>,
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
    /// or a port is taken. A rollup that cannot be opened is left out.
    pub async fn start(config: NodeConfig) -> eyre::Result<Node> {
        Node::start_until(config, std::future::pending()).await
    }

    /// The same, given up in order once `stop` is done.
    ///
    /// # Errors
    /// As [`Node::start`], and if it was given up.
    pub async fn start_until(config: NodeConfig, stop: impl Future<Output = ()>) -> eyre::Result<Node> {
        let mut stop = std::pin::pin!(stop);
        let given_up = || eyre!("stopped while starting");
        config.validate().map_err(|e| eyre!(e))?;
        let data_dir = files::make_data_dir(&config.data_dir)?;
        let lock = files::lock(&data_dir.join("node.lock"))?;
        let database = tokio::select! {
            opened = Database::open(&config, &data_dir) => opened?,
            () = &mut stop => return Err(given_up()),
        };
        let started = async {
            let parts = tokio::select! {
                parts = Parts::prepare(config, data_dir, &database) => parts?,
                () = &mut stop => return Err(given_up()),
            };
            let resumed = tokio::select! {
                resumed = resume(&parts.inner) => resumed,
                () = &mut stop => Err(given_up()),
            };
            if let Err(e) = resumed {
                parts.inner.stopping.cancel();
                stop_rollups(&parts.inner).await;
                return Err(e);
            }
            Ok(parts)
        };
        match started.await {
            Ok(parts) => Ok(parts.serve(database, lock)),
            Err(e) => {
                if let Err(close) = database.close().await {
                    tracing::warn!(error = %close, "closing the database after a failed start");
                }
                Err(e)
            }
        }
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
    pub async fn stop(mut self) -> eyre::Result<()> {
        self.inner.stopping.cancel();
        let mut outcome = self.public.stop().await.wrap_err("stopping the public listener");
        let limit = Duration::from_secs(self.inner.config.limits.shutdown_seconds);
        if tokio::time::timeout(limit, stop_rollups(&self.inner)).await.is_err() {
            outcome = outcome.and(Err(eyre!("the rollups did not stop within {limit:?}")));
        }
        outcome = outcome.and(self.admin.stop().await.wrap_err("stopping the operator's listener"));
        mayfly_fail::fail_point("stop-ledger");
        self.pulse.shutdown().await;
        outcome.and(self.database.close().await)
    }
}

/// A node whose settings all work, before it serves.
struct Parts {
    inner: Arc<Inner>,
    public: Arc<Public>,
    usage: UsageDrain,
    token: AdminToken,
    rpc: (TcpListener, SocketAddr),
    admin: (TcpListener, SocketAddr),
}

impl Parts {
    async fn prepare(config: NodeConfig, data_dir: PathBuf, database: &Database) -> eyre::Result<Parts> {
        let l1 = L1Client::new(&config.l1.urls, L1Options::default())?;
        let l1_chain_id = bind_l1(&database.ledger, &l1, config.l1.chain_id).await?;
        let (sequencer_key, receipt_key) = open_keys(&config, &data_dir, l1_chain_id).await?;
        config.sequencer.validate(l1_chain_id)?;
        let rpc = bind(config.rpc.listen).await.wrap_err("rpc.listen")?;
        let admin = bind(config.admin.listen).await.wrap_err("admin.listen")?;
        let token = files::admin_token(&data_dir.join(&config.admin.token_file))?;
        let token = AdminToken::new(token).map_err(|e| eyre!("admin.token_file: {e}"))?;
        let meter = Arc::new(Meter::new(METER_PAYERS));
        let usage = UsageDrain::new(Arc::clone(&meter), database.ledger.clone())?;
        let (directory, readiness) = (Arc::<Directory>::default(), Arc::<Readiness>::default());
        let served = (Arc::clone(&directory), Arc::clone(&readiness), Arc::clone(&meter));
        let public = Public::new(config.rpc.clone(), served.0, served.1, served.2, CancellationToken::new())
            .map_err(|e| eyre!("rpc: {e}"))?;
        let inner = Arc::new(Inner {
            data_dir,
            l1,
            l1_chain_id,
            ledger: database.ledger.clone(),
            sequencer_key,
            receipt_key,
            directory,
            readiness,
            meter,
            rpc_url: config.rpc.url(rpc.1),
            stopping: CancellationToken::new(),
            rollups: Mutex::default(),
            config,
        });
        Ok(Parts { inner, public, usage, token, rpc, admin })
    }

    fn serve(self, database: Database, lock: File) -> Node {
        let Parts { inner, public, usage, token, rpc, admin } = self;
        let mut pulse = JoinSet::new();
        let (l1, ledger, readiness) = (inner.l1.clone(), inner.ledger.clone(), Arc::clone(&inner.readiness));
        pulse.spawn(watch_services(l1, ledger, readiness, inner.l1_poll()));
        pulse.spawn(heal(Arc::clone(&inner)));
        pulse.spawn(database.keep_running());
        let (shutdown, usage_stop) = (public.shutdown(), CancellationToken::new());
        let (serve, drain) = (serve_public(rpc.0, public), usage.run(usage_stop.clone()));
        let task = tokio::spawn(async move {
            // Usage is drained once more after the last request.
            let drain = tokio::spawn(drain);
            let served = serve.await;
            usage_stop.cancel();
            drain.await.map_err(std::io::Error::other)?;
            served
        });
        let public = Listener { shutdown, task };
        let (directory, readiness) = (Arc::clone(&inner.directory), Arc::clone(&inner.readiness));
        let guarded = Arc::new(Admin { directory, readiness, token });
        let shutdown = CancellationToken::new();
        let routes = admin::routes(Arc::clone(&inner));
        let task = tokio::spawn(serve_admin(admin.0, guarded, routes, shutdown.clone()));
        tracing::info!(rpc = %rpc.1, admin = %admin.1, l1_chain_id = inner.l1_chain_id, "the node serves");
        let admin_url = format!("http://{}", admin.1);
        Node { inner, database, admin_url, public, admin: Listener { shutdown, task }, pulse, _lock: lock }
    }
}

/// Every rollup the ledger says this node sequences. One that does not open stops no other, and is tried again later.
async fn resume(inner: &Arc<Inner>) -> eyre::Result<()> {
    remember(inner).await?;
    for stored in inner.ledger.rollups().await? {
        if stored.role == Role::Sequencer {
            let name = stored.name.clone();
            match Running::start(inner, stored).await {
                Ok(running) => inner.rollups.lock().await.push(running),
                Err(error) => {
                    tracing::error!(%name, error = format!("{error:#}"), "a rollup could not be opened");
                    inner.readiness.hold(part(&name), "it could not be opened; the log says why");
                }
            }
        }
    }
    let default = &inner.config.default_rollup;
    if !default.is_empty() && !inner.directory.set_default(default) {
        tracing::warn!(rollup = %default, "default_rollup is not known to this node");
    }
    Ok(())
}

/// Puts rollups whose chains are here into a ledger that does not know them: it is not the one from before.
async fn remember(inner: &Inner) -> eyre::Result<()> {
    let dir = inner.data_dir.join("rollups");
    let here = tokio::task::spawn_blocking(move || known::all(&dir)).await?;
    let recorded = inner.ledger.rollups().await?;
    let is_lost = |known: &&Known| {
        let ours = known.info.config.sequencer == inner.sequencer_key.address();
        ours && known.info.l1_chain_id == inner.l1_chain_id && !recorded.iter().any(|r| r.address == known.info.rollup)
    };
    for known in here.iter().filter(is_lost) {
        let Known { name, info, log_index } = known;
        let stored = Rollup {
            address: info.rollup,
            name: name.clone(),
            chain_id: info.chain_id,
            settlement: info.settlement,
            vault: info.vault,
            role: Role::Sequencer,
            config: info.to_json()?,
            created: L1Log { number: info.l1_number, hash: info.l1_hash, index: *log_index },
        };
        match inner.ledger.insert_rollup(&stored).await {
            Ok(()) => {
                tracing::warn!(%name, rollup = %info.rollup, "the ledger did not know a rollup whose chain is here")
            }
            Err(error) => {
                tracing::error!(%error, %name, rollup = %info.rollup, "a chain is here that the ledger refuses")
            }
        }
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
