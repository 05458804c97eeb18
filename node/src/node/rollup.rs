//! One rollup that this node sequences: its chain, its sequencer, and what RPC is told.

use std::sync::Arc;

use alloy_primitives::Address;
use eyre::{WrapErr, ensure};
use mayfly_evm::{Chain, ChainSpec};
use mayfly_l1::{BeaconClient, L1Options};
use mayfly_ledger::Rollup as StoredRollup;
use mayfly_rollup::{RollupInfo, genesis};
use mayfly_sequencer::{Sequencer, SequencerConfig, SequencerHandle, SequencerKeys, Status};
use serde::Serialize;
use tokio::{sync::broadcast::error::RecvError, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::start::Inner;
use crate::rpc;

/// A rollup under way.
pub(super) struct Running {
    pub(super) info: Arc<RollupInfo>,
    pub(super) name: String,
    inner: Arc<Inner>,
    handle: SequencerHandle,
    pumps: JoinSet<()>,
}

/// A rollup as the operator's API shows it. Serialised as it is, never through
/// `serde_json::Value`, which has no room for amounts of wei.
#[derive(Serialize)]
pub(super) struct RollupStatus {
    name: String,
    rollup: Address,
    settlement: Address,
    vault: Address,
    chain_id: u64,
    rpc_url: String,
    sequencer: Status,
}

impl Running {
    /// Opens the chain, starts the sequencer and lets RPC serve it.
    pub(super) async fn start(inner: &Arc<Inner>, stored: StoredRollup) -> eyre::Result<Running> {
        let info = Arc::new(RollupInfo::from_json(&stored.config).wrap_err("what the ledger remembers of it")?);
        ensure!(info.rollup == stored.address, "the ledger's {} describes {}", stored.address, info.rollup);
        let chain = open_chain(inner, &info).await?;
        let beacon_urls = [inner.config.beacon_url().to_owned()];
        let handle = Sequencer::spawn(SequencerConfig {
            info: Arc::clone(&info),
            settings: inner.config.sequencer.clone(),
            chain,
            data_dir: Some(inner.chain_dir(info.rollup).join("sequencer")),
            l1: inner.l1.clone(),
            beacon: BeaconClient::new(&beacon_urls, L1Options::default())?,
            keys: SequencerKeys { poster: inner.sequencer_key.clone(), receipts: inner.receipt_key.clone() },
            ledger: inner.ledger.clone(),
            registry: prometheus::default_registry().clone(),
            cancel: CancellationToken::new(),
        })
        .await
        .wrap_err("starting its sequencer")?;
        let limits = inner.config.rpc.limits.clone();
        let served = rpc::Rollup::new(stored.name.clone(), info.rollup, handle.reader().clone(), limits);
        let served = Arc::new(served);
        if !inner.directory.insert(Arc::clone(&served)) {
            handle.shutdown().await;
            eyre::bail!("RPC has no room for it, or another rollup is named {}", stored.name);
        }
        let mut pumps = JoinSet::new();
        pumps.spawn(publish_heads(handle.clone(), Arc::clone(&served)));
        pumps.spawn(publish_marks(handle.clone(), served));
        tracing::info!(rollup = %info.rollup, name = %stored.name, chain_id = info.chain_id, "sequencing");
        Ok(Running { info, name: stored.name, inner: Arc::clone(inner), handle, pumps })
    }

    /// What the operator sees.
    pub(super) fn status(&self) -> RollupStatus {
        RollupStatus {
            name: self.name.clone(),
            rollup: self.info.rollup,
            settlement: self.info.settlement,
            vault: self.info.vault,
            chain_id: self.info.chain_id,
            rpc_url: self.inner.rollup_url(&self.name),
            sequencer: self.handle.status(),
        }
    }

    /// No more transactions; what was sealed becomes durable and is answered.
    pub(super) async fn stop(mut self) {
        self.inner.directory.remove(self.info.chain_id);
        self.handle.shutdown().await;
        self.pumps.shutdown().await;
    }
}

/// Reading a chain's files takes a while: off the async threads.
async fn open_chain(inner: &Inner, info: &Arc<RollupInfo>) -> eyre::Result<Chain> {
    let spec = ChainSpec::rollup(info.chain_id, info.config.protocolVersion)?;
    let dir = inner.chain_dir(info.rollup);
    let info = Arc::clone(info);
    tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&dir).wrap_err_with(|| dir.display().to_string())?;
        Chain::open_or_create(&dir.join("chain"), spec, &genesis(&info)).wrap_err("opening its chain")
    })
    .await?
}

/// Tells subscribers of every durable block.
async fn publish_heads(handle: SequencerHandle, served: Arc<rpc::Rollup>) {
    let mut blocks = handle.subscribe();
    loop {
        match blocks.recv().await {
            Ok(block) => served.heads.publish(&block),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "subscribers of new blocks miss some"),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Moves `safe` and `finalized`.
async fn publish_marks(handle: SequencerHandle, served: Arc<rpc::Rollup>) {
    let mut changes = handle.changes();
    loop {
        let (safe, finalized) = handle.safe_and_finalized();
        served.marks.posted(safe.number, finalized.number);
        if changes.changed().await.is_err() {
            return;
        }
    }
}
