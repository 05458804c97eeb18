//! Blocks that no batch on L1 holds yet, shared between the executor that makes them and the batcher that posts them.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::B256;
use mayfly_evm::SealedBlock;
use mayfly_rollup::batch::BatchBlock;

/// A block with what the batch's block table says about it.
#[derive(Debug, Clone)]
pub(crate) struct UnpostedBlock {
    pub(crate) block: Arc<SealedBlock>,
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
    pub(crate) fn new(block: Arc<SealedBlock>, origin: u64, queue: (u64, u32), queue_transactions: usize) -> Self {
        let bytes = block.transactions.iter().skip(queue_transactions).map(|tx| tx.tx.encoded_len()).sum();
        Self { block, origin, queue_end: queue.0, queue_items: queue.1, queue_transactions, bytes }
    }

    /// The block as a payload says it.
    pub(crate) fn to_batch_block(&self) -> BatchBlock {
        let sequenced = self.block.transactions.iter().skip(self.queue_transactions);
        BatchBlock {
            origin: self.origin,
            timestamp: self.block.header.timestamp,
            queue_items: self.queue_items,
            transactions: sequenced.filter_map(|tx| tx.tx.as_signed().cloned()).collect(),
            sponsors: Vec::new(),
        }
    }
}

/// The blocks in order. Bounded by `max_unposted_bytes`: beyond that no blocks are built.
#[derive(Debug, Default)]
pub(crate) struct Unposted {
    blocks: VecDeque<UnpostedBlock>,
    bytes: usize,
}

/// Counted beside the transactions' bytes, for the block table and the headers that stay in memory.
const BLOCK_OVERHEAD_BYTES: usize = 600;

impl Unposted {
    pub(crate) fn push(&mut self, block: UnpostedBlock) {
        self.bytes += block.bytes + BLOCK_OVERHEAD_BYTES;
        self.blocks.push_back(block);
    }

    /// Blocks up to `number` stand on L1.
    pub(crate) fn drop_through(&mut self, number: u64) {
        while self.blocks.front().is_some_and(|b| b.block.header.number <= number) {
            if let Some(block) = self.blocks.pop_front() {
                self.bytes -= block.bytes + BLOCK_OVERHEAD_BYTES;
            }
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Timestamp of the oldest block.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.blocks.front().map(|b| b.block.header.timestamp)
    }

    /// The blocks up to `number`.
    pub(crate) fn through(&self, number: u64) -> impl Iterator<Item = &UnpostedBlock> {
        self.blocks.iter().take_while(move |b| b.block.header.number <= number)
    }

    /// The blocks after `number`.
    pub(crate) fn after(&self, number: u64) -> impl Iterator<Item = &UnpostedBlock> {
        self.blocks.iter().skip_while(move |b| b.block.header.number <= number)
    }

    /// The hash of block `number`, if it is here.
    pub(crate) fn hash_of(&self, number: u64) -> Option<B256> {
        let first = self.blocks.front()?.block.header.number;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        self.blocks.get(at).map(|b| b.block.hash)
    }

    /// The first blocks, up to `durable`, as many as stay within both limits, but at least one.
    pub(crate) fn first(&self, durable: u64, max_bytes: usize, max_blocks: usize) -> Vec<UnpostedBlock> {
        let mut bytes = 0;
        let mut taken = Vec::new();
        for block in self.blocks.iter().take_while(|b| b.block.header.number <= durable).take(max_blocks) {
            bytes += block.bytes;
            if bytes > max_bytes && !taken.is_empty() {
                break;
            }
            taken.push(block.clone());
        }
        taken
    }
}
