//! Blocks, transactions and accounts by key.

use super::StateView;
use crate::{AccountInfo, ChainSpec, EvmError, SealedBlock, chain::Shared};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, U256};
use std::sync::Arc;

/// A durable view of a chain; cheap to clone.
#[derive(Clone)]
pub struct ChainReader {
    pub(super) shared: Arc<Shared>,
}

impl std::fmt::Debug for ChainReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChainReader").field("head", &self.head().number()).finish()
    }
}

impl ChainReader {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The chain's rules.
    pub fn spec(&self) -> &ChainSpec {
        &self.shared.spec
    }

    /// The durable head.
    pub fn head(&self) -> Arc<SealedBlock> {
        self.shared.head()
    }

    /// A block; `None` above the head.
    ///
    /// # Errors
    /// If it is stored but cannot be read, or a chain in memory has forgotten it.
    pub fn block_by_number(&self, number: u64) -> Result<Option<Arc<SealedBlock>>, EvmError> {
        self.block_if(number, |_| true)
    }

    /// A block whose header passes; others are not decoded.
    pub(super) fn block_if(
        &self,
        number: u64,
        pass: impl FnOnce(&Header) -> bool,
    ) -> Result<Option<Arc<SealedBlock>>, EvmError> {
        let durable = self.shared.durable.read();
        if number > durable.head().number() {
            return Ok(None);
        }
        if let Some(recent) = durable.recent(number) {
            return Ok(pass(&recent.block.header).then(|| recent.block.clone()));
        }
        drop(durable);
        self.shared.old_blocks(number)?.block_if(number, pass)
    }

    /// A block of the chain; `None` for a hash that is not (or no longer) in it.
    ///
    /// # Errors
    /// If it is stored but cannot be read.
    pub fn block_by_hash(&self, hash: &B256) -> Result<Option<Arc<SealedBlock>>, EvmError> {
        let recent = self.shared.durable.read().number_of(hash);
        let number = match recent {
            Some(_) => recent,
            None => self.shared.history()?.map(|history| history.store.number_of(hash)).transpose()?.flatten(),
        };
        let block = number.map(|number| self.block_by_number(number)).transpose()?.flatten();
        Ok(block.filter(|block| block.hash == *hash))
    }

    /// Block and position of a transaction.
    ///
    /// # Errors
    /// If it is stored but cannot be read.
    pub fn tx_location(&self, hash: &B256) -> Result<Option<(u64, usize)>, EvmError> {
        Ok(self.tx_by_hash(hash)?.map(|(block, index)| (block.number(), index)))
    }

    /// The block that holds a transaction, and its position there.
    ///
    /// # Errors
    /// If it is stored but cannot be read.
    pub fn tx_by_hash(&self, hash: &B256) -> Result<Option<(Arc<SealedBlock>, usize)>, EvmError> {
        let recent = self.shared.durable.read().location_of(hash);
        let location = match recent {
            Some(_) => recent,
            None => self.shared.history()?.map(|history| history.store.location_of(hash)).transpose()?.flatten(),
        };
        let Some((number, index)) = location else { return Ok(None) };
        let block = self.block_by_number(number)?;
        let block = block.filter(|block| block.transactions.get(index).is_some_and(|tx| tx.hash() == *hash));
        Ok(block.map(|block| (block, index)))
    }

    /// The block that holds the transaction with a global index, and its position there.
    ///
    /// # Errors
    /// If a block cannot be read.
    pub fn tx_by_index(&self, global: u64) -> Result<Option<(Arc<SealedBlock>, usize)>, EvmError> {
        let head = self.head();
        if global >= head.next_index() {
            return Ok(None);
        }
        let (mut low, mut high) = (self.first_block(), head.number());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.next_index(middle)? > global {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let block = self.block_by_number(low)?.filter(|block| block.first_index <= global);
        Ok(block.map(|block| {
            let index = global - block.first_index;
            (block, index as usize)
        }))
    }

    /// The first block that can be read: 0 but for a chain in memory that forgot it.
    pub fn first_block(&self) -> u64 {
        if self.shared.is_on_disk() { 0 } else { self.shared.durable.read().first() }
    }

    /// How many recent blocks are held in memory, for metrics.
    pub fn blocks_in_memory(&self) -> usize {
        let durable = self.shared.durable.read();
        (durable.head().number() + 1 - durable.first()) as usize
    }

    /// Whether a block, its transactions and the state after it are found without the disk. True above the head, too.
    pub fn holds(&self, number: u64) -> bool {
        number >= self.shared.durable.read().first() || !self.shared.is_on_disk()
    }

    /// Whether a hash names a block or a transaction that is found without the disk.
    pub fn holds_hash(&self, hash: &B256) -> bool {
        let durable = self.shared.durable.read();
        let known = durable.number_of(hash).is_some() || durable.location_of(hash).is_some();
        known || !self.shared.is_on_disk()
    }

    /// Global index after a block's last transaction.
    fn next_index(&self, number: u64) -> Result<u64, EvmError> {
        if let Some(recent) = self.shared.durable.read().recent(number) {
            return Ok(recent.block.next_index());
        }
        let (_, first, count) = self.shared.old_blocks(number)?.header(number)?;
        Ok(first + u64::from(count))
    }

    /// An account at the durable head.
    pub fn account(&self, address: &Address) -> Option<AccountInfo> {
        self.shared.durable.read().flat.accounts.get(address).copied()
    }

    /// A storage slot at the durable head.
    pub fn storage(&self, address: &Address, slot: &U256) -> U256 {
        self.shared.durable.read().flat.slot(address, slot)
    }

    /// Code at the durable head; empty where there is none.
    pub fn code(&self, address: &Address) -> Bytes {
        let durable = self.shared.durable.read();
        let hash = durable.flat.accounts.get(address).filter(|info| info.has_code()).map(|info| info.code_hash);
        let code = hash.and_then(|hash| durable.flat.codes.get(&hash));
        code.map(|code| code.original_bytes()).unwrap_or_default()
    }

    /// The state after a block.
    ///
    /// # Errors
    /// [`EvmError::NoSuchBlock`] above the head, [`EvmError::StateUnavailable`] where a chain in memory forgot it.
    pub fn at(&self, number: u64) -> Result<StateView, EvmError> {
        StateView::new(self.shared.clone(), number)
    }

    /// The state at the durable head.
    pub fn latest(&self) -> StateView {
        StateView::latest(self.shared.clone())
    }

    /// Every account at the durable head, in no order. The visitor may read the chain.
    pub fn for_each_account(&self, mut visit: impl FnMut(Address, &AccountInfo)) {
        for (address, info) in self.shared.accounts() {
            visit(address, &info);
        }
    }
}
