//! What the RPC serves: rollups, and which path names which.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::Address;
use mayfly_evm::{ChainReader, SealedBlock, StateView};
use parking_lot::RwLock;

use super::errors::{self, RpcError};
use super::filters::Filters;
use super::heads::Heads;
use super::limits::RpcLimits;

/// Rollups one node serves at once.
pub const MAX_ROLLUPS: usize = 1_024;

/// One rollup as the RPC sees it.
#[derive(Debug)]
pub struct Rollup {
    /// Its name in paths: `/{name}`.
    pub name: String,
    /// Its chain id; `/{chain id}` names it too.
    pub chain_id: u64,
    /// Its address on L1; `/{address}` names it too.
    pub address: Address,
    /// The durable chain.
    pub reader: ChainReader,
    /// Limits on calls.
    pub limits: RpcLimits,
    /// Tells subscribers of new blocks. Whoever owns the chain publishes to it.
    pub heads: Heads,
    /// How far each finality tier reaches. Whoever follows L1 moves them.
    pub marks: Marks,
    /// Installed polling filters.
    pub(crate) filters: Filters,
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
    /// A rollup without a sequencer: it serves reads.
    pub fn new(name: impl Into<String>, address: Address, reader: ChainReader, limits: RpcLimits) -> Self {
        Self {
            name: name.into(),
            chain_id: reader.spec().chain_id,
            address,
            reader,
            limits,
            heads: Heads::default(),
            marks: Marks::default(),
            filters: Filters::default(),
        }
    }

    /// What the operator sees of it.
    pub fn status(&self) -> serde_json::Value {
        let head = self.reader.head();
        serde_json::json!({
            "name": self.name,
            "chainId": self.chain_id,
            "address": self.address,
            "latest": head.header.number,
            "latestHash": head.hash,
            "safe": self.marks.safe(),
            "finalized": self.marks.finalized(),
            "attested": self.marks.attested(),
            "settled": self.marks.settled(),
        })
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

/// The rollups of a node, by name, chain id and address; one of them answers at `/`.
#[derive(Debug, Default)]
pub struct Directory(RwLock<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<String, Arc<Rollup>>,
    default: Option<Arc<Rollup>>,
}

impl Directory {
    /// Adds a rollup, replacing one of the same chain id. The first is the default.
    /// False if there is no room, or another rollup has the name.
    pub fn insert(&self, rollup: Arc<Rollup>) -> bool {
        let mut entries = self.0.write();
        let id = rollup.chain_id;
        let keys = [rollup.name.to_ascii_lowercase(), id.to_string(), format!("{:?}", rollup.address)];
        let taken = keys.iter().any(|key| entries.by_key.get(key).is_some_and(|other| other.chain_id != id));
        let known = entries.by_key.contains_key(&keys[1]);
        if taken || (!known && entries.by_key.len() / keys.len() >= MAX_ROLLUPS) {
            return false;
        }
        entries.by_key.retain(|_, other| other.chain_id != id);
        for key in keys {
            entries.by_key.insert(key, Arc::clone(&rollup));
        }
        if entries.default.as_ref().is_none_or(|default| default.chain_id == id) {
            entries.default = Some(rollup);
        }
        true
    }

    /// Makes a served rollup the default. False if it is unknown.
    pub fn set_default(&self, key: &str) -> bool {
        let mut entries = self.0.write();
        let found = entries.by_key.get(&key.to_ascii_lowercase()).cloned();
        let known = found.is_some();
        entries.default = found.or(entries.default.take());
        known
    }

    /// Stops serving a rollup.
    pub fn remove(&self, chain_id: u64) {
        let mut entries = self.0.write();
        entries.by_key.retain(|_, rollup| rollup.chain_id != chain_id);
        if entries.default.as_ref().is_some_and(|rollup| rollup.chain_id == chain_id) {
            entries.default = entries.by_key.values().next().cloned();
        }
    }

    /// The rollup that a path segment names; `None` asks for the default.
    pub fn get(&self, key: Option<&str>) -> Option<Arc<Rollup>> {
        let entries = self.0.read();
        match key {
            Some(key) => match entries.by_key.get(key) {
                Some(rollup) => Some(Arc::clone(rollup)),
                None => entries.by_key.get(&key.to_ascii_lowercase()).cloned(),
            },
            None => entries.default.clone(),
        }
    }

    /// All of them, by chain id.
    pub fn all(&self) -> Vec<Arc<Rollup>> {
        let entries = self.0.read();
        let by_id = entries.by_key.iter().filter(|(key, rollup)| **key == rollup.chain_id.to_string());
        let mut all: Vec<_> = by_id.map(|(_, rollup)| Arc::clone(rollup)).collect();
        all.sort_by_key(|rollup| rollup.chain_id);
        all
    }
}
