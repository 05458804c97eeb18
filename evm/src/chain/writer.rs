//! The one writer.

use super::{
    BlockBuilder, BlockPreview, Durable, Recent, Shared,
    disk::{self, DirLock},
    mend::mend_marker,
    shared::OnDurable,
    source::HeadSource,
};
use crate::{
    AccountInfo, BlockAttributes, ChainReader, ChainSpec, EvmError, Fold, Genesis, SealedBlock,
    block::{HeaderParts, seal_header},
    execute::{BlockRun, Finished, Parent},
    log::{LogHandle, LogMessage},
    receipt_tree::ReceiptTree,
    state::{Changes, Flat, HashRing, StateSize, StateSource},
    trie::{Direction, StateTrie},
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U256, map::AddressSet};
use std::{collections::VecDeque, path::Path, sync::Arc};

/// A chain, held by the one who extends it. [`ChainReader`]s see it through [`Chain::reader`].
pub struct Chain {
    /// None for a chain in memory.
    log: Option<LogHandle>,
    shared: Arc<Shared>,
    head: Arc<SealedBlock>,
    /// Sealed blocks that may not be durable yet, oldest first.
    pending: VecDeque<Recent>,
    hashes: Arc<HashRing>,
    fold: Fold,
    receipts: ReceiptTree,
    /// Dropped last.
    _lock: Option<DirLock>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain").field("head", &self.head.number()).field("hash", &self.head.hash).finish()
    }
}

impl Drop for Chain {
    /// Writes what is left and lets go of the directory. Readers keep what is in memory.
    fn drop(&mut self) {
        self.log = None;
        self.shared.close();
    }
}

impl Chain {
    /// A new chain from its genesis; without a directory it lives in memory only.
    ///
    /// # Errors
    /// If the genesis is invalid, or the directory already holds a chain, is in use or cannot be written.
    pub fn create(dir: Option<&Path>, spec: ChainSpec, genesis: &Genesis) -> Result<Self, EvmError> {
        let changes = genesis.changes()?;
        let mut trie = StateTrie::default();
        trie.apply(&changes, Direction::Forward);
        let block = Arc::new(genesis.block(&spec, trie.root()));
        let changes = Arc::new(changes);
        if let Some(dir) = dir {
            return Ok(Self::on_disk(disk::create(dir, spec, &block, &changes)?));
        }
        let mut flat = Flat::default();
        flat.apply(&changes, Direction::Forward);
        let mut hashes = HashRing::default();
        hashes.push(0, block.hash);
        let durable = Durable::new(flat, hashes.clone(), Recent::new(block.clone(), changes), false);
        Ok(Self {
            log: None,
            shared: Arc::new(Shared::new(spec, durable, trie, None)),
            head: block,
            pending: VecDeque::new(),
            hashes: Arc::new(hashes),
            fold: Fold::default(),
            receipts: ReceiptTree::default(),
            _lock: None,
        })
    }

    /// Opens the chain of a directory at its last durable block.
    ///
    /// # Errors
    /// If there is none, it is another chain, in use, damaged, or written by a newer version. A torn end of the log is
    /// no error: it is cut off.
    pub fn open(dir: &Path, spec: ChainSpec) -> Result<Self, EvmError> {
        Ok(Self::on_disk(disk::open(dir, spec)?))
    }

    /// Opens the chain of a directory, creating it if there is none.
    ///
    /// # Errors
    /// As [`Self::open`] and [`Self::create`], and [`EvmError::OtherChain`] if the genesis is another.
    pub fn open_or_create(dir: &Path, spec: ChainSpec, genesis: &Genesis) -> Result<Self, EvmError> {
        let mut trie = StateTrie::default();
        trie.apply(&genesis.changes()?, Direction::Forward);
        let wanted = genesis.block(&spec, trie.root()).hash;
        mend_marker(dir, &spec, wanted)?;
        if !disk::exists(dir) {
            return Self::create(Some(dir), spec, genesis);
        }
        let chain = Self::open(dir, spec)?;
        let found = chain.shared.hash(0)?;
        if found != wanted {
            return Err(EvmError::OtherChain(format!("genesis {found} instead of {wanted}")));
        }
        Ok(chain)
    }

    fn on_disk(opened: disk::Opened) -> Self {
        let disk::Opened { shared, fold, receipts, log, lock } = opened;
        let (head, hashes) = {
            let durable = shared.durable.read();
            (durable.head().clone(), Arc::new(durable.hashes.clone()))
        };
        Self { log: Some(log), shared, head, pending: VecDeque::new(), hashes, fold, receipts, _lock: Some(lock) }
    }

    /// The chain's rules.
    pub fn spec(&self) -> &ChainSpec {
        &self.shared.spec
    }

    /// The executed head; it may not be durable yet.
    pub const fn head(&self) -> &Arc<SealedBlock> {
        &self.head
    }

    /// State root at the executed head.
    pub fn state_root(&self) -> B256 {
        self.head.header.state_root
    }

    /// Root of the tree of all receipts up to the executed head.
    pub fn receipt_root(&self) -> B256 {
        self.receipts.root()
    }

    /// The tree of all receipts up to the executed head.
    pub const fn receipt_tree(&self) -> &ReceiptTree {
        &self.receipts
    }

    /// Token balances at the executed head.
    pub const fn fold(&self) -> &Fold {
        &self.fold
    }

    /// How much state there is at the durable head; balances at the executed one.
    pub fn state_size(&self) -> StateSize {
        StateSize { balances: self.fold.len(), ..self.shared.durable.read().flat.size() }
    }

    /// An account at the executed head.
    pub fn account(&self, address: &Address) -> Option<AccountInfo> {
        let sealed = self.pending.iter().rev().find_map(|recent| recent.changes.account(address));
        match sealed {
            Some(change) => change.new,
            None => self.shared.durable.read().flat.accounts.get(address).copied(),
        }
    }

    /// A storage slot at the executed head.
    pub fn storage(&self, address: &Address, slot: &U256) -> U256 {
        self.source().slot(address, slot).expect("the executed head is in memory")
    }

    /// Code at the executed head; empty where there is none.
    pub fn code(&self, address: &Address) -> alloy_primitives::Bytes {
        let hash = self.account(address).filter(AccountInfo::has_code).map(|info| info.code_hash);
        hash.and_then(|hash| self.source().code(&hash).ok()).map(|code| code.original_bytes()).unwrap_or_default()
    }

    /// Every account at the executed head, in no order. The visitor may read the chain.
    pub fn for_each_account(&self, mut visit: impl FnMut(Address, &AccountInfo)) {
        let source = self.source();
        let mut seen = AddressSet::default();
        for change in source.layers.iter().rev().flat_map(|layer| &layer.accounts) {
            if seen.insert(change.address)
                && let Some(info) = &change.new
            {
                visit(change.address, info);
            }
        }
        self.shared.accounts().iter().filter(|(address, _)| !seen.contains(address)).for_each(|(address, info)| {
            visit(*address, info);
        });
    }

    /// Starts the next block: checks its attributes and runs the system calls.
    ///
    /// # Errors
    /// [`EvmError::Attributes`] if they break a header rule; [`EvmError::LogStopped`].
    pub fn begin(&mut self, attributes: BlockAttributes) -> Result<BlockBuilder<'_>, EvmError> {
        self.shared.check()?;
        self.drop_durable_layers();
        let head = self.head.clone();
        let parent = Parent { header: &head.header, hash: head.hash, next_index: head.next_index() };
        let tree = self.receipts.clone();
        let run = BlockRun::begin(&self.shared.spec, parent, attributes, self.source(), tree)?;
        Ok(BlockBuilder::new(self, run))
    }

    /// Undoes every block above `number`, durably; returns them oldest first. Blocks until done.
    ///
    /// # Errors
    /// [`EvmError::NoSuchBlock`] above the head, or below what a chain in memory remembers.
    pub fn revert_to(&mut self, number: u64) -> Result<Vec<Arc<SealedBlock>>, EvmError> {
        if number > self.head.number() {
            return Err(EvmError::NoSuchBlock(number));
        }
        self.flush()?;
        self.pending.clear();
        if self.reader().first_block() > number {
            return Err(EvmError::NoSuchBlock(number));
        }
        let mut removed = Vec::new();
        while self.head.number() > number {
            removed.push(self.pop().inspect_err(|err| self.shared.stop(err.to_string()))?);
        }
        removed.reverse();
        if removed.is_empty() {
            return Ok(removed);
        }
        let reverts = self.shared.reverts();
        match &self.log {
            Some(log) => {
                log.send(LogMessage::Revert(number))?;
                self.shared.wait_reverted(reverts)?;
            }
            None => {
                self.shared.take_back(number, |_| ())?;
                self.shared.reverted(number);
            }
        }
        self.hashes = Arc::new(self.shared.durable.read().hashes.clone());
        Ok(removed)
    }

    /// Blocks until everything sealed is durable and [`Self::on_durable`] was told. Never call it from there.
    ///
    /// # Errors
    /// [`EvmError::LogStopped`] if it never will be.
    pub fn flush(&self) -> Result<(), EvmError> {
        self.shared.wait_durable(self.head.number())
    }

    /// A handle for readers; they see durable blocks only.
    pub fn reader(&self) -> ChainReader {
        ChainReader::new(self.shared.clone())
    }

    /// Asks to be told of every block that becomes durable, in order. Called on the thread that made it so: send it
    /// elsewhere, do not work or wait.
    pub fn on_durable(&self, told: OnDurable) {
        self.shared.tell(told);
    }

    /// State root after the changes that a block has made so far.
    pub(super) fn root_with(&self, changes: &Changes) -> B256 {
        let mut tries = self.shared.trie.lock();
        tries.state.apply(changes, Direction::Forward);
        let root = tries.state.root();
        tries.state.apply(changes, Direction::Back);
        root
    }

    /// Makes an executed block the head, if its header is acceptable; else the chain is as before.
    pub(super) fn seal(
        &mut self,
        finished: Finished,
        accept: impl FnOnce(&Header) -> Result<(), EvmError>,
    ) -> Result<Arc<SealedBlock>, EvmError> {
        self.shared.check()?;
        let mut tries = self.shared.trie.lock();
        tries.state.apply(&finished.changes, Direction::Forward);
        let (header, hash) = self.header(&finished, tries.state.root());
        if let Err(wrong) = accept(&header) {
            tries.state.apply(&finished.changes, Direction::Back);
            return Err(wrong);
        }
        let (block, changes) = finished.into_block(header, hash);
        let (number, block) = (block.number(), Arc::new(block));
        tries.block = block.clone();
        drop(tries);
        self.fold.apply(&changes.fold, &changes.inconsistent, Direction::Forward);
        self.receipts.apply(&changes.receipts, Direction::Forward);
        Arc::make_mut(&mut self.hashes).push(number, hash);
        self.head = block.clone();
        self.append(Recent::new(block.clone(), Arc::new(changes)))?;
        Ok(block)
    }

    /// What sealing would give, without doing it.
    pub(super) fn preview(&self, finished: Finished) -> BlockPreview {
        let (header, hash) = self.header(&finished, self.root_with(&finished.changes));
        let requests = finished.requests.clone();
        let (block, _) = finished.into_block(header, hash);
        BlockPreview { block, requests }
    }

    fn header(&self, finished: &Finished, state_root: B256) -> (Header, B256) {
        let parts = HeaderParts {
            spec: &self.shared.spec,
            number: finished.number,
            parent_hash: finished.parent_hash,
            base_fee: finished.base_fee,
            state_root,
            transactions: &finished.transactions,
            receipts: &finished.receipts,
            excess_blob_gas: finished.excess_blob_gas,
            blob_gas_used: finished.blob_gas_used,
            requests_hash: finished.requests.requests_hash(),
        };
        seal_header(&finished.attributes, parts)
    }

    fn append(&mut self, recent: Recent) -> Result<(), EvmError> {
        let Some(log) = &self.log else {
            self.shared.publish(recent);
            return Ok(());
        };
        self.pending.push_back(recent.clone());
        log.send(LogMessage::Block(recent)).or_else(|err| self.shared.check().and(Err(err)))
    }

    /// Takes the head off what only the writer holds.
    fn pop(&mut self) -> Result<Arc<SealedBlock>, EvmError> {
        let recent = self.shared.recent(self.head.number())?;
        let parent = self.shared.recent(self.head.number() - 1)?.block;
        let mut tries = self.shared.trie.lock();
        tries.state.apply(&recent.changes, Direction::Back);
        tries.block = parent.clone();
        let computed = tries.state.root();
        drop(tries);
        self.fold.apply(&recent.changes.fold, &recent.changes.inconsistent, Direction::Back);
        self.receipts.apply(&recent.changes.receipts, Direction::Back);
        let (number, header) = (parent.number(), parent.header.state_root);
        self.head = parent;
        if computed != header {
            return Err(EvmError::RootMismatch { number, computed, header });
        }
        Ok(recent.block)
    }

    fn source(&self) -> HeadSource {
        let layers: Vec<Arc<Changes>> = self.pending.iter().map(|recent| recent.changes.clone()).collect();
        HeadSource { shared: self.shared.clone(), layers, hashes: self.hashes.clone() }
    }

    fn drop_durable_layers(&mut self) {
        let durable = self.shared.head().number();
        while self.pending.front().is_some_and(|recent| recent.block.number() <= durable) {
            self.pending.pop_front();
        }
    }
}
