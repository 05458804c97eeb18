//! What the RPC serves: a rollup.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::B256;
use mayfly_evm::{ChainReader, RecoveredTx, SealedBlock, StateView};
use mayfly_rollup::settlement::Leaf;
use mayfly_rollup::{RollupInfo, SettlementError};
use mayfly_sequencer::{Arrival, SequencerHandle};
use parking_lot::RwLock;
use serde::Serialize;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::errors::{self, RpcError};
use super::filters::Filters;
use super::heads::Heads;
use super::limits::RpcLimits;
use super::messages::Messages;
use super::settled::Settled;
use crate::archive::Archive;

/// How long a look into the pool may take.
const POOL_PATIENCE: Duration = Duration::from_millis(100);

/// One rollup as the RPC sees it.
#[derive(Debug)]
pub struct Rollup {
    /// Its name in paths: `/{name}`.
    pub name: String,
    /// Its chain id; `/{chain id}` names it too.
    pub chain_id: u64,
    /// What creation fixed. `/{address of the rollup}` names it too.
    pub info: Arc<RollupInfo>,
    /// The durable chain.
    pub reader: ChainReader,
    /// Takes transactions; `None` where the node only follows.
    pub sequencer: Option<SequencerHandle>,
    /// The chain behind `reader`, where it is a foreign one that nobody extends.
    pub archive: Option<Archive>,
    /// Limits on calls.
    pub limits: RpcLimits,
    /// Tells subscribers of new blocks. Whoever owns the chain publishes to it.
    pub heads: Heads,
    /// How far each finality tier reaches. Whoever follows L1 moves them.
    pub marks: Marks,
    /// Installed polling filters.
    pub(crate) filters: Filters,
    /// Messages to L1.
    pub(crate) messages: Messages,
    /// Cancelled when this is served no more: another may be, under the same name.
    pub(crate) gone: CancellationToken,
    settled: RwLock<Option<(B256, Arc<Settled>)>>,
    stage: RwLock<Stage>,
}

/// Where a rollup stands in its life, as nodes show it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// No batch yet.
    #[default]
    Created,
    /// Batches arrive.
    Active,
    /// Past the end: deposits are refused, transactions still run.
    Draining,
    /// Frozen on L1.
    Frozen,
    /// Past the close time, no closing claim yet.
    Closing,
    /// A closing claim is proposed.
    Settling,
    /// The closing claim is final.
    Settled,
    /// The operator dropped the chain but its leaf file.
    Archived,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Created => "created",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Frozen => "frozen",
            Self::Closing => "closing",
            Self::Settling => "settling",
            Self::Settled => "settled",
            Self::Archived => "archived",
        })
    }
}

/// The last block of each finality tier (docs/protocol/rpc.md, "Finality").
#[derive(Debug, Default)]
pub struct Marks {
    safe: AtomicU64,
    finalized: AtomicU64,
    attested: AtomicU64,
    settled: AtomicU64,
}

impl Marks {
    /// Up to here a batch is on L1.
    pub fn safe(&self) -> u64 {
        self.safe.load(Ordering::Relaxed)
    }

    /// Up to here the batch's L1 block is final.
    pub fn finalized(&self) -> u64 {
        self.finalized.load(Ordering::Relaxed)
    }

    /// Up to here a final claim covers the chain.
    pub fn attested(&self) -> u64 {
        self.attested.load(Ordering::Relaxed)
    }

    /// The close block once its claim is final; 0 before.
    pub fn settled(&self) -> u64 {
        self.settled.load(Ordering::Relaxed)
    }

    /// Batches reach up to `safe`, of which L1 finalised `finalized`. Both may fall when L1 reorganises.
    pub fn posted(&self, safe: u64, finalized: u64) {
        self.safe.store(safe, Ordering::Relaxed);
        self.finalized.store(finalized, Ordering::Relaxed);
    }

    /// A claim about `block` became final; a closing claim settles.
    pub fn claimed(&self, block: u64, closing: bool) {
        self.attested.fetch_max(block, Ordering::Relaxed);
        if closing {
            self.settled.store(block, Ordering::Relaxed);
        }
    }
}

impl Rollup {
    /// A rollup without a sequencer: it serves reads. Whoever owns the chain publishes to `heads`.
    pub fn following(name: impl Into<String>, info: Arc<RollupInfo>, reader: ChainReader, limits: RpcLimits) -> Self {
        Self {
            name: name.into(),
            chain_id: info.chain_id,
            info,
            reader,
            sequencer: None,
            archive: None,
            limits,
            heads: Heads::default(),
            marks: Marks::default(),
            filters: Filters::default(),
            messages: Messages::default(),
            gone: CancellationToken::new(),
            settled: RwLock::default(),
            stage: RwLock::default(),
        }
    }

    /// A foreign chain. It is no rollup, and all of it is final.
    pub fn imported(name: impl Into<String>, archive: Archive, limits: RpcLimits) -> Self {
        let reader = archive.reader().clone();
        let info = RollupInfo { chain_id: reader.spec().chain_id, ..RollupInfo::default() };
        let head = reader.head().number();
        let chain = Self { archive: Some(archive), ..Self::following(name, Arc::new(info), reader, limits) };
        chain.marks.posted(head, head);
        chain
    }

    /// A rollup sequenced by this node. [`Rollup::follow`] keeps it up to date.
    pub fn sequenced(name: impl Into<String>, sequencer: SequencerHandle, limits: RpcLimits) -> Self {
        let (info, reader) = (Arc::clone(sequencer.info()), sequencer.reader().clone());
        Self { sequencer: Some(sequencer), ..Self::following(name, info, reader, limits) }
    }

    /// Forwards the sequencer's blocks and finality to clients, until cancelled.
    pub async fn follow(&self, cancel: CancellationToken) {
        let Some(sequencer) = &self.sequencer else { return };
        let mut blocks = sequencer.subscribe();
        let mut changes = sequencer.changes();
        let mut told = self.reader.head().header.number;
        loop {
            let (safe, finalized) = sequencer.safe_and_finalized();
            self.marks.posted(safe.number, finalized.number);
            tokio::select! {
                () = cancel.cancelled() => return,
                block = blocks.recv() => match block {
                    Ok(block) => told = self.publish(told, &block),
                    // The next block shows how many are missing; they are read from the chain.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                changed = changes.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    /// Transactions as they come to wait for a block.
    pub(crate) fn subscribe_waiting(&self) -> Result<broadcast::Receiver<Arrival>, RpcError> {
        match (&self.sequencer, &self.archive) {
            (Some(sequencer), _) => Ok(sequencer.subscribe_waiting()),
            (None, Some(archive)) => Ok(archive.subscribe_waiting()),
            (None, None) => Err(RpcError::unsupported("this node takes no transactions: it only follows")),
        }
    }

    /// A transaction that waits for a block.
    pub(crate) async fn pooled(&self, hash: B256) -> Option<Arc<RecoveredTx>> {
        match &self.sequencer {
            // With a sequencer that has ended nothing waits, and one that is busy for long is not waited for.
            Some(sequencer) => {
                let pooled = tokio::time::timeout(POOL_PATIENCE, sequencer.pooled(hash)).await;
                pooled.ok().and_then(Result::ok).flatten()
            }
            None => self.archive.as_ref().and_then(|archive| archive.pooled(&hash)),
        }
    }

    /// Tells of `block`, and first of what lies between it and the last block told.
    fn publish(&self, told: u64, block: &Arc<SealedBlock>) -> u64 {
        let number = block.header.number;
        for missed in told + 1..number {
            if let Ok(Some(missed)) = self.reader.block_by_number(missed) {
                self.heads.publish(&missed);
            }
        }
        self.heads.publish(block);
        number
    }

    /// Where the rollup stands (docs/protocol/lifecycle.md).
    pub fn stage(&self) -> Stage {
        *self.stage.read()
    }

    /// Whoever follows L1 says where the rollup stands.
    pub fn set_stage(&self, stage: Stage) {
        *self.stage.write() = stage;
    }

    /// The chain is closed with this block, and these are its leaves.
    pub fn close(&self, close_block: B256, leaves: Vec<Leaf>) -> Result<(), SettlementError> {
        let settled = Arc::new(Settled::new(self.info.rollup, leaves)?);
        *self.settled.write() = Some((close_block, settled));
        Ok(())
    }

    /// An L1 reorganisation took the close back.
    pub fn reopen(&self) {
        *self.settled.write() = None;
    }

    /// The close block whose leaves are served.
    pub fn closed_with(&self) -> Option<B256> {
        self.settled.read().as_ref().map(|(close_block, _)| *close_block)
    }

    /// The leaves, once the chain is closed.
    pub(crate) fn settlement(&self) -> Result<Arc<Settled>, RpcError> {
        let settled = self.settled.read().as_ref().map(|(_, settled)| Arc::clone(settled));
        settled.ok_or_else(|| {
            let stage = self.stage();
            RpcError::new(errors::UNAVAILABLE, format!("leaves exist once the rollup is closed; it is {stage}"))
        })
    }

    /// How the chain is doing; also what the operator sees.
    pub fn status(&self) -> serde_json::Value {
        let head = self.reader.head();
        let mut status = serde_json::json!({
            "name": self.name,
            "rollup": self.info.rollup,
            "chainId": self.chain_id,
            "stage": self.stage(),
            "latest": { "number": head.header.number, "hash": head.hash, "time": head.header.timestamp },
            "safe": self.marks.safe(),
            "finalized": self.marks.finalized(),
            "attested": self.marks.attested(),
            "settled": self.marks.settled(),
        });
        if let Some(sequencer) = &self.sequencer {
            let now = sequencer.status();
            status["sequencer"] = serde_json::json!({
                "synced": now.synced,
                "posted": now.posted.number,
                "batches": now.batches,
                "unpostedBlocks": now.unposted_blocks,
                "unpostedSeconds": now.unposted_seconds,
                "poolTransactions": now.pool_transactions,
                "l1Head": now.l1_head,
                "l1Time": now.l1_time,
                "endTime": now.end_time,
                "closeTime": now.close_time,
                "paused": now.pause_reason,
            });
        }
        status
    }

    /// The number a tag stands for. `pending` is `latest`: blocks are sealed at once.
    pub(crate) fn number(&self, tag: BlockNumberOrTag) -> Result<u64, RpcError> {
        let head = || self.reader.head().header.number;
        Ok(match tag {
            BlockNumberOrTag::Number(number) => number,
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => head(),
            BlockNumberOrTag::Safe => self.marks.safe().min(head()),
            BlockNumberOrTag::Finalized => self.marks.finalized().min(head()),
        })
    }

    /// Whether what `id` names (a block, or by its hash also a transaction) is found without the disk.
    pub(crate) fn holds(&self, id: BlockId) -> bool {
        match id {
            BlockId::Number(tag) => self.number(tag).is_ok_and(|number| self.reader.holds(number)),
            BlockId::Hash(hash) => self.reader.holds_hash(&hash.block_hash),
        }
    }

    /// A block; `None` if the chain has none such.
    pub(crate) fn block(&self, id: BlockId) -> Result<Option<Arc<SealedBlock>>, RpcError> {
        match id {
            BlockId::Number(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => Ok(Some(self.reader.head())),
            BlockId::Number(tag) => self.reader.block_by_number(self.number(tag)?).map_err(errors::reading),
            BlockId::Hash(hash) => self.reader.block_by_hash(&hash.block_hash).map_err(errors::reading),
        }
    }

    /// The state after a block, which must exist.
    pub(crate) fn state(&self, id: BlockId) -> Result<StateView, RpcError> {
        match id {
            BlockId::Number(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => Ok(self.reader.latest()),
            BlockId::Number(tag) => self.reader.at(self.number(tag)?).map_err(errors::reading),
            BlockId::Hash(hash) => {
                let hash = hash.block_hash;
                let block = self.reader.block_by_hash(&hash).map_err(errors::reading)?;
                let block = block.ok_or_else(|| RpcError::unknown_block(hash))?;
                self.reader.at(block.header.number).map_err(errors::reading)
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_primitives::{Address, Bytes};
    use mayfly_evm::{BlockAttributes, Chain};

    /// Genesis and `count` blocks on it.
    pub(crate) fn rollup(name: &str, address: u8, chain_id: u64, count: u64) -> (Chain, Arc<Rollup>) {
        let mut info =
            RollupInfo { rollup: Address::repeat_byte(address), chain_id, l1_time: 1_000, ..RollupInfo::default() };
        info.config.protocolVersion = 1;
        info.config.blockGasLimit = 30_000_000;
        let genesis = mayfly_rollup::genesis(&info);
        let mut chain = Chain::create(None, mayfly_rollup::chain_spec(&info).unwrap(), &genesis).unwrap();
        for number in 1..=count {
            let attributes = BlockAttributes {
                timestamp: 1_000 + number,
                prev_randao: B256::ZERO,
                parent_beacon_block_root: B256::ZERO,
                extra_data: Bytes::from_static(&[1; 17]),
                gas_limit: 30_000_000,
                beneficiary: Address::ZERO,
                consensus: Default::default(),
            };
            chain.begin(attributes).unwrap().seal().unwrap();
        }
        chain.flush().unwrap();
        let rollup = Rollup::following(name, Arc::new(info), chain.reader(), RpcLimits::default());
        (chain, Arc::new(rollup))
    }

    #[test]
    fn blocks_a_subscriber_missed_are_told_in_order() {
        let (chain, rollup) = rollup("a", 1, 7, 5);
        let mut events = rollup.heads.subscribe();
        assert_eq!(rollup.publish(1, chain.head()), 5);
        let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.block.number()).collect();
        assert_eq!(told, [2, 3, 4, 5]);
    }
}
