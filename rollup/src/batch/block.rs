//! What a payload says: blocks and their transactions.

use alloy_consensus::TxEnvelope;
use alloy_primitives::B256;

/// One block of a payload. Its queue items come from L1 and are only counted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchBlock {
    /// Number of the L1 block that the block refers to.
    pub origin: u64,
    /// Timestamp in seconds.
    pub timestamp: u64,
    /// Queue items the block consumes.
    pub queue_items: u32,
    /// The sequencer's transactions, in order, after the queue items.
    pub transactions: Vec<TxEnvelope>,
    /// Sponsor policy of each transaction; empty means none has one.
    pub sponsors: Vec<B256>,
}

/// A decoded payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Hash of the block that the first block builds on.
    pub parent_hash: B256,
    /// At least one block.
    pub blocks: Vec<BatchBlock>,
}

impl Payload {
    /// Transactions in all blocks.
    pub fn transaction_count(&self) -> usize {
        self.blocks.iter().map(|block| block.transactions.len()).sum()
    }
}
