//! The state that readers see: what every durable block left behind, and the last blocks themselves.

use crate::{
    EvmError, SealedBlock,
    state::{Changes, Flat, HashRing},
    trie::Direction,
};
use alloy_primitives::{B256, map::B256Map};
use std::{collections::VecDeque, sync::Arc};

/// Recent blocks kept in memory where older ones can be read from the log, at most.
pub(crate) const WINDOW_BLOCKS: usize = 512;
/// Bytes of recent blocks kept in memory where older ones can be read from the log, about.
pub(crate) const WINDOW_BYTES: usize = 8 << 20;
/// Recent blocks kept by a chain that lives in memory only, at most; it forgets older ones.
pub(crate) const MEMORY_BLOCKS: usize = 1 << 16;
/// Bytes of blocks that such a chain keeps, about.
pub(crate) const MEMORY_BYTES: usize = 256 << 20;

/// A recent block with what it changed.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    pub(crate) block: Arc<SealedBlock>,
    pub(crate) changes: Arc<Changes>,
    size_bytes: usize,
}

impl Recent {
    pub(crate) fn new(block: Arc<SealedBlock>, changes: Arc<Changes>) -> Self {
        let size_bytes = block.size_bytes() + changes.size_bytes();
        Self { block, changes, size_bytes }
    }
}

/// Flat state at the durable head, and the blocks up to it. Behind one lock, held for a look-up or a block.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) flat: Flat,
    pub(crate) hashes: HashRing,
    /// Consecutive blocks, the last of them the head; never empty.
    window: VecDeque<Recent>,
    window_bytes: usize,
    by_hash: B256Map<u64>,
    by_tx: B256Map<(u64, u32)>,
    /// Blocks up to here are found through the index on disk and may leave the window. `None` in memory only.
    indexed: Option<u64>,
    /// Grows with every revert: a view of an older epoch is gone.
    pub(crate) epoch: u64,
}

impl Durable {
    /// Starts at a head whose state is given.
    pub(crate) fn new(flat: Flat, hashes: HashRing, head: Recent, on_disk: bool) -> Self {
        let indexed = on_disk.then_some(head.block.number());
        let mut durable = Self {
            flat,
            hashes,
            window: VecDeque::new(),
            window_bytes: 0,
            by_hash: B256Map::default(),
            by_tx: B256Map::default(),
            indexed,
            epoch: 0,
        };
        durable.push(head);
        durable
    }

    /// The newest block.
    pub(crate) fn head(&self) -> &Arc<SealedBlock> {
        &self.window.back().expect("the window holds at least the head").block
    }

    /// Takes the next block in.
    pub(crate) fn append(&mut self, recent: Recent) {
        self.flat.apply(&recent.changes, Direction::Forward);
        self.hashes.push(recent.block.number(), recent.block.hash);
        self.push(recent);
        self.prune();
    }

    /// Takes the head off; `parent` is the head then. The hash ring must be set by the caller.
    pub(crate) fn pop(&mut self, changes: &Changes, parent: &Recent) {
        self.epoch += 1;
        self.indexed = self.indexed.map(|indexed| indexed.min(parent.block.number()));
        self.flat.apply(changes, Direction::Back);
        if let Some(gone) = self.window.pop_back() {
            self.forget(&gone);
        }
        if self.window.is_empty() {
            self.push(parent.clone());
        }
    }

    /// Blocks up to `number`, as they were in that epoch, are in the index on disk.
    pub(crate) fn set_indexed(&mut self, number: u64, epoch: u64) {
        if epoch == self.epoch {
            self.indexed = Some(number);
            self.prune();
        }
    }

    /// A block of the window.
    pub(crate) fn recent(&self, number: u64) -> Option<&Recent> {
        let index = number.checked_sub(self.first())?;
        self.window.get(usize::try_from(index).ok()?)
    }

    /// Number of the first block of the window.
    pub(crate) fn first(&self) -> u64 {
        self.window.front().map_or(0, |recent| recent.block.number())
    }

    /// Number of a block of the window.
    pub(crate) fn number_of(&self, hash: &B256) -> Option<u64> {
        self.by_hash.get(hash).copied()
    }

    /// Block and position of a transaction of the window.
    pub(crate) fn location_of(&self, tx: &B256) -> Option<(u64, usize)> {
        self.by_tx.get(tx).map(|(block, index)| (*block, *index as usize))
    }

    fn push(&mut self, recent: Recent) {
        let number = recent.block.number();
        self.by_hash.insert(recent.block.hash, number);
        for (index, tx) in recent.block.transactions.iter().enumerate() {
            self.by_tx.insert(tx.hash(), (number, index as u32));
        }
        self.window_bytes += recent.size_bytes;
        self.window.push_back(recent);
    }

    fn prune(&mut self) {
        loop {
            let (blocks, bytes, last) = match self.indexed {
                None => (MEMORY_BLOCKS, MEMORY_BYTES, u64::MAX),
                Some(indexed) => (WINDOW_BLOCKS, WINDOW_BYTES, indexed),
            };
            let full = self.window.len() > blocks || self.window_bytes > bytes;
            if !full || self.window.len() == 1 || self.first() > last {
                return;
            }
            if let Some(gone) = self.window.pop_front() {
                self.forget(&gone);
            }
        }
    }

    fn forget(&mut self, recent: &Recent) {
        self.window_bytes -= recent.size_bytes;
        let number = recent.block.number();
        self.by_hash.remove(&recent.block.hash);
        for tx in &recent.block.transactions {
            let hash = tx.hash();
            if self.by_tx.get(&hash).is_some_and(|(block, _)| *block == number) {
                self.by_tx.remove(&hash);
            }
        }
    }
}

/// Whether a block that was read back follows the head.
pub(crate) fn check_next(head: &SealedBlock, next: &SealedBlock) -> Result<(), EvmError> {
    if next.header.parent_hash == head.hash && next.number() == head.number() + 1 {
        return Ok(());
    }
    Err(EvmError::Corrupt { what: "block order", place: format!("block {}", next.number()) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{ChainSpec, Genesis};

    #[test]
    fn a_chain_in_memory_forgets_by_bytes() {
        let spec = ChainSpec::rollup(1, 1).unwrap();
        let genesis = Genesis::default().block(&spec, B256::ZERO);
        let recent = |number: u64, size_bytes: usize| {
            let mut block = genesis.clone();
            block.header.number = number;
            Recent { block: Arc::new(block), changes: Arc::default(), size_bytes }
        };
        let mut durable = Durable::new(Flat::default(), HashRing::default(), recent(0, 1), false);
        for number in 1..=10 {
            durable.append(recent(number, MEMORY_BYTES / 4));
        }
        assert_eq!((durable.first(), durable.window.len()), (7, 4));
        durable.append(recent(11, 2 * MEMORY_BYTES));
        assert_eq!((durable.first(), durable.head().number()), (11, 11), "the head stays, however large");
    }
}
