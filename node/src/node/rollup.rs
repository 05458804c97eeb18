//! One rollup that this node sequences: its chain, its sequencer, and what RPC is told.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::Address;
use eyre::{WrapErr, ensure};
use mayfly_evm::{Chain, ChainSpec, salvage, set_aside};
use mayfly_l1::{BeaconClient, L1Options};
use mayfly_ledger::{LedgerError, Rollup as StoredRollup};
use mayfly_rollup::{RollupInfo, genesis};
use mayfly_sequencer::{Sequencer, SequencerConfig, SequencerHandle, SequencerKeys, Status, leave_for_rescue};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    known::{self, Known},
    pulse::watch_rollup,
    start::Inner,
    watch::Watch,
};
use crate::rpc;

/// Small files beside the chain.
pub(super) const SEQUENCER_DIR: &str = "sequencer";

/// A rollup under way.
pub(super) struct Running {
    pub(super) info: Arc<RollupInfo>,
    pub(super) name: String,
    inner: Arc<Inner>,
    handle: SequencerHandle,
    served: Arc<rpc::Rollup>,
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
    posted: Posted,
}

/// What stands on L1, as the ledger has it.
#[derive(Default, Serialize)]
struct Posted {
    batches: u64,
    blobs: u64,
    payload_bytes: u64,
    transactions: u64,
}

impl Running {
    /// Opens the chain, starts the sequencer and lets RPC serve it.
    pub(super) async fn start(inner: &Arc<Inner>, stored: StoredRollup) -> eyre::Result<Running> {
        let info = Arc::new(RollupInfo::from_json(&stored.config).wrap_err("what the ledger remembers of it")?);
        ensure!(info.rollup == stored.address, "the ledger's {} describes {}", stored.address, info.rollup);
        let chain = open_chain(inner, &info).await?;
        let known = Known { name: stored.name.clone(), info: info.as_ref().clone(), log_index: stored.created.index };
        known::write(&inner.chain_dir(info.rollup), &known)?;
        let beacon_urls = [inner.config.beacon_url().to_owned()];
        let handle = Sequencer::spawn(SequencerConfig {
            info: Arc::clone(&info),
            settings: inner.config.sequencer.clone(),
            chain,
            data_dir: Some(inner.chain_dir(info.rollup).join(SEQUENCER_DIR)),
            l1: inner.l1.clone(),
            beacon: BeaconClient::new(&beacon_urls, L1Options::default())?,
            keys: SequencerKeys { poster: inner.sequencer_key.clone(), receipts: inner.receipt_key.clone() },
            ledger: inner.ledger.clone(),
            registry: prometheus::default_registry().clone(),
            meter: Some(Arc::clone(&inner.meter)),
            cancel: CancellationToken::new(),
        })
        .await
        .wrap_err("starting its sequencer")?;
        let limits = inner.config.rpc.limits.clone();
        let served = Arc::new(rpc::Rollup::sequenced(stored.name.clone(), handle.clone(), limits));
        if !inner.directory.insert(Arc::clone(&served)) {
            handle.shutdown().await;
            eyre::bail!("RPC has no room for it, or another rollup is named {}", stored.name);
        }
        let mut pumps = JoinSet::new();
        let follows = Arc::clone(&served);
        let forever = CancellationToken::new();
        pumps.spawn(async move { follows.follow(forever).await });
        let poll = inner.l1_poll();
        pumps.spawn(Watch::new(inner.l1.clone(), handle.clone(), Arc::clone(&served)).run(poll));
        pumps.spawn(watch_rollup(handle.clone(), Arc::clone(&inner.readiness), stored.name.clone()));
        tracing::info!(rollup = %info.rollup, name = %stored.name, chain_id = info.chain_id, "sequencing");
        Ok(Running { info, name: stored.name, inner: Arc::clone(inner), handle, served, pumps })
    }

    /// Whether its sequencer ended by itself.
    pub(super) fn has_failed(&self) -> bool {
        self.handle.status().failure.is_some()
    }

    /// Whether L1 was read up to its head.
    pub(super) fn is_synced(&self) -> bool {
        self.handle.status().synced
    }

    /// Whether it is over: it takes nothing any more but answers.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.served.stage(), rpc::Stage::Settled | rpc::Stage::Archived)
    }

    /// Waits until L1 was read up to its head and transactions are taken. False: not within `limit`, or the node stops.
    pub(super) async fn ready(&self, limit: Duration) -> bool {
        let mut changes = self.handle.changes();
        let ready = async {
            while !self.handle.status().synced || self.handle.status().pause.is_some() {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::select! {
            ready = ready => ready,
            () = tokio::time::sleep(limit) => false,
            () = self.inner.stopping.cancelled() => false,
        }
    }

    /// What the operator sees.
    pub(super) async fn status(&self) -> Result<RollupStatus, LedgerError> {
        Ok(RollupStatus {
            name: self.name.clone(),
            rollup: self.info.rollup,
            settlement: self.info.settlement,
            vault: self.info.vault,
            chain_id: self.info.chain_id,
            rpc_url: self.inner.rollup_url(&self.name),
            sequencer: self.handle.status(),
            posted: self.posted().await?,
        })
    }

    async fn posted(&self) -> Result<Posted, LedgerError> {
        let mut posted = Posted::default();
        let mut next = 1;
        loop {
            let batches = self.inner.ledger.batches(self.info.rollup, next).await?;
            let Some(last) = batches.last() else { return Ok(posted) };
            next = last.fields.seq + 1;
            for batch in batches.iter().filter(|b| b.inclusion.is_some()) {
                posted.batches += 1;
                posted.blobs += u64::from(batch.fields.blobs);
                if let Some(content) = &batch.content {
                    posted.payload_bytes += content.payload_bytes;
                    posted.transactions += content.transactions;
                }
            }
        }
    }

    /// No more transactions; what was sealed becomes durable and is answered.
    pub(super) async fn stop(mut self) {
        self.inner.directory.remove(self.info.chain_id);
        self.served.gone.cancel();
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
        let (chain_dir, genesis) = (dir.join("chain"), genesis(&info));
        let open = || Chain::open_or_create(&chain_dir, spec.clone(), &genesis);
        match open() {
            Err(error) if error.is_damage() => {
                let (kept, transactions) = put_aside(&chain_dir, &dir).wrap_err("putting a damaged chain aside")?;
                let kept = kept.display();
                tracing::error!(%error, %kept, transactions, "the chain is damaged: it is made from L1 again");
                open()
            }
            opened => opened,
        }
        .wrap_err("opening its chain")
    })
    .await?
}

/// Makes room for a new chain, which L1 fills with what was posted; what was only answered is left for the sequencer, as
/// far as it can be read. Returns where the old chain is now and how many transactions it left; where there is none, it
/// was put aside before.
pub(super) fn put_aside(chain_dir: &Path, dir: &Path) -> eyre::Result<(PathBuf, usize)> {
    if !chain_dir.exists() {
        return Ok((chain_dir.to_owned(), 0));
    }
    let saved = salvage(chain_dir)?;
    // First the copy: a crash in between does the same again.
    leave_for_rescue(&dir.join(SEQUENCER_DIR), &saved)?;
    Ok((set_aside(chain_dir)?, saved.len()))
}
