//! Blocks that no batch on L1 holds yet, shared between the executor that makes them and the batcher that posts them.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::B256;
use mayfly_evm::{RecoveredTx, SealedBlock};
use mayfly_rollup::batch::{BatchBlock, most_block_bytes};

use crate::packing::Packing;

/// What a batch needs of a block; its receipts and logs may leave memory.
#[derive(Debug, Clone)]
pub(crate) struct UnpostedBlock {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) parent_hash: B256,
    pub(crate) timestamp: u64,
    pub(crate) gas_used: u64,
    /// All its transactions.
    pub(crate) count: usize,
    /// Those that do not come from the queue.
    sequenced: Arc<[Arc<RecoveredTx>]>,
    /// Its L1 origin.
    pub(crate) origin: u64,
    /// Queue items consumed up to and including this block.
    pub(crate) queue_end: u64,
    /// Queue items the block consumed.
    pub(crate) queue_items: u32,
    /// How many of its transactions come from the queue; they stand first.
    pub(crate) queue_transactions: usize,
    /// Encoded size of the others.
    pub(crate) bytes: usize,
}

impl UnpostedBlock {
    pub(crate) fn new(block: &SealedBlock, origin: u64, queue: (u64, u32), queue_transactions: usize) -> Self {
        let sequenced: Arc<[_]> = block.transactions.iter().skip(queue_transactions).cloned().collect();
        Self {
            number: block.header.number,
            hash: block.hash,
            parent_hash: block.header.parent_hash,
            timestamp: block.header.timestamp,
            gas_used: block.header.gas_used,
            count: block.transactions.len(),
            bytes: sequenced.iter().map(|tx| tx.tx.encoded_len()).sum(),
            sequenced,
            origin,
            queue_end: queue.0,
            queue_items: queue.1,
            queue_transactions,
        }
    }

    /// What it takes in a payload at most.
    pub(crate) fn most_bytes(&self) -> usize {
        most_block_bytes(self.bytes, self.sequenced.len())
    }

    /// The block as a payload says it.
    pub(crate) fn to_batch_block(&self) -> BatchBlock {
        BatchBlock {
            origin: self.origin,
            timestamp: self.timestamp,
            queue_items: self.queue_items,
            transactions: self.sequenced.iter().filter_map(|tx| tx.tx.as_signed().cloned()).collect(),
            sponsors: Vec::new(),
        }
    }
}

/// The blocks in order. Bounded by `max_unposted_bytes`: beyond that no blocks are built.
#[derive(Debug, Default)]
pub(crate) struct Unposted {
    blocks: VecDeque<UnpostedBlock>,
    bytes: usize,
    packing: Packing,
}

/// Counted beside the transactions' bytes, for the block table and what is kept of the header.
const BLOCK_OVERHEAD_BYTES: usize = 300;
impl Unposted {
    pub(crate) fn push(&mut self, block: UnpostedBlock) {
        self.bytes += block.bytes + BLOCK_OVERHEAD_BYTES;
        self.packing.add(block.most_bytes());
        self.blocks.push_back(block);
    }

    /// Blocks up to `number` stand on L1.
    pub(crate) fn drop_through(&mut self, number: u64) {
        while self.blocks.front().is_some_and(|b| b.number <= number) {
            if let Some(block) = self.blocks.pop_front() {
                self.bytes -= block.bytes + BLOCK_OVERHEAD_BYTES;
            }
        }
        self.pack(self.packing.emptied());
    }

    /// Forgets the blocks.
    pub(crate) fn clear(&mut self) {
        *self = Self { packing: self.packing.emptied(), ..Self::default() };
    }

    /// Counts batches from here on as this one does.
    pub(crate) fn pack(&mut self, mut packing: Packing) {
        self.blocks.iter().for_each(|block| packing.add(block.most_bytes()));
        self.packing = packing;
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The batches they fill at most.
    pub(crate) fn packing(&self) -> Packing {
        self.packing
    }

    /// Timestamp of the oldest block.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.blocks.front().map(|b| b.timestamp)
    }

    /// The blocks up to `number`.
    pub(crate) fn through(&self, number: u64) -> impl Iterator<Item = &UnpostedBlock> {
        self.blocks.iter().take_while(move |b| b.number <= number)
    }

    /// The blocks after `number`.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &UnpostedBlock> {
        self.blocks.iter().skip_while(move |b| b.number <= number)
    }

    /// The hash of block `number`, if it is here.
    pub(crate) fn hash_of(&self, number: u64) -> Option<B256> {
        let first = self.blocks.front()?.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        self.blocks.get(at).map(|b| b.hash)
    }

    /// The first blocks, up to `durable`, as many as stay within both limits, but at least one.
    pub(crate) fn first(&self, durable: u64, max_bytes: usize, max_blocks: usize) -> Vec<UnpostedBlock> {
        let mut bytes = 0;
        let mut taken = Vec::new();
        for block in self.blocks.iter().take_while(|b| b.number <= durable).take(max_blocks) {
            bytes += block.bytes;
            if bytes > max_bytes && !taken.is_empty() {
                break;
            }
            taken.push(block.clone());
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mayfly_evm::{Chain, ChainSpec, Genesis};

    use super::*;

    #[test]
    fn a_block_that_waits_for_its_batch_does_not_hold_its_receipts() {
        let chain = Chain::create(None, ChainSpec::rollup(1, 1).unwrap(), &Genesis::default()).unwrap();
        let block = Arc::new(SealedBlock::clone(chain.head()));
        let mut unposted = Unposted::default();
        unposted.push(UnpostedBlock::new(&block, 7, (0, 0), 0));
        assert_eq!((unposted.len(), unposted.hash_of(0)), (1, Some(block.hash)));
        assert_eq!(Arc::strong_count(&block), 1);
    }
}
