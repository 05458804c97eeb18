//! Collecting blocks into batches: a synchronous state machine that the poster drives.

use super::block::BatchBlock;
use super::bound::{MOST_FRAME_BYTES, most_bytes};
use super::encode::encode;
use super::limits::{MAX_BLOCKS, MAX_PAYLOAD_BYTES, MAX_TRANSACTIONS, PREFIX_BYTES, SIGNATURE_BYTES};
use crate::error::BatchError;
use alloy_consensus::{Transaction, TxEnvelope};
use alloy_primitives::B256;
use std::collections::VecDeque;

/// A sealed block on its way to L1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its parent's hash.
    pub parent_hash: B256,
    /// Queue items consumed up to and including it.
    pub queue_end: u64,
    /// What the payload says about it.
    pub block: BatchBlock,
}

/// A payload and what its batch header needs to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedBatch {
    /// The bytes to post.
    pub payload: Vec<u8>,
    /// First block in it.
    pub first_block: u64,
    /// Last block in it.
    pub last_block: u64,
    /// Hash of the last block.
    pub last_hash: B256,
    /// Origin of the last block: the lowest that the batch may name.
    pub origin: u64,
    /// Where the queue must stand after it.
    pub queue_up_to: u64,
    /// Transactions in it, queue items not counted.
    pub transactions: usize,
}

/// Blocks waiting to be posted, in order. Nothing leaves it before [`Self::confirm`], so a batch
/// that failed to land is encoded again.
#[derive(Debug)]
pub struct BatchEncoder {
    pending: VecDeque<PendingBlock>,
    /// Estimated bytes of `pending`, without the prefix.
    estimate: usize,
    transactions: usize,
    limit_bytes: usize,
}

/// Estimated bytes of a block's row in the table.
const BLOCK_BYTES: usize = 2;
/// Estimated bytes of a transaction besides signature and call data.
const TX_BYTES: usize = 4;

impl BatchEncoder {
    /// An encoder whose payloads stay within `limit_bytes` and the protocol's cap.
    pub fn new(limit_bytes: usize) -> Self {
        let limit_bytes = limit_bytes.min(MAX_PAYLOAD_BYTES);
        Self { pending: VecDeque::new(), estimate: 0, transactions: 0, limit_bytes }
    }

    /// Takes the next block.
    ///
    /// # Errors
    /// If it does not follow the last one.
    pub fn add_block(&mut self, block: PendingBlock) -> Result<(), BatchError> {
        if let Some(last) = self.pending.back()
            && (block.parent_hash != last.hash || block.number != last.number + 1)
        {
            return Err(BatchError::NotCanonical { what: "pending blocks", why: "block does not follow the last one" });
        }
        self.estimate += estimate_block(&block.block);
        self.transactions += block.block.transactions.len();
        self.pending.push_back(block);
        Ok(())
    }

    /// Blocks waiting.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Transactions waiting.
    pub const fn transactions(&self) -> usize {
        self.transactions
    }

    /// Estimated size of one payload with everything that waits.
    pub const fn size_bytes(&self) -> usize {
        PREFIX_BYTES + self.estimate
    }

    /// Whether a batch should leave now for its size.
    pub fn is_full(&self) -> bool {
        self.size_bytes() >= self.limit_bytes || self.len() >= MAX_BLOCKS || self.transactions >= MAX_TRANSACTIONS
    }

    /// The oldest block that waits.
    pub fn first(&self) -> Option<&PendingBlock> {
        self.pending.front()
    }

    /// Encodes as many of the oldest blocks as fit in one payload, by estimate; no fewer than would fit if nothing
    /// compressed. The blocks stay until [`Self::confirm`].
    ///
    /// # Errors
    /// If a single block does not fit: the sequencer must build smaller ones.
    pub fn encode_next(&mut self) -> Result<Option<EncodedBatch>, BatchError> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        let sure = self.surely_fitting();
        let mut count = self.fitting().max(sure);
        loop {
            match self.encode_first(count) {
                Ok(batch) if batch.payload.len() <= self.limit_bytes => return Ok(Some(batch)),
                Ok(batch) if count == 1 => {
                    let size = batch.payload.len();
                    return Err(BatchError::TooLarge { what: "block", size, max: self.limit_bytes });
                }
                Err(error) if count == 1 || !is_size(&error) => return Err(error),
                Ok(_) | Err(_) if count > sure => count = count.div_ceil(2).max(sure),
                Ok(_) | Err(_) => count = count.div_ceil(2),
            }
        }
    }

    /// Forgets the blocks up to `number`: their batch is on L1.
    pub fn confirm(&mut self, number: u64) {
        while let Some(block) = self.pending.pop_front_if(|block| block.number <= number) {
            self.estimate -= estimate_block(&block.block);
            self.transactions -= block.block.transactions.len();
        }
    }

    /// Forgets everything, after the chain was reverted.
    pub fn clear(&mut self) {
        *self = Self::new(self.limit_bytes);
    }

    /// How many of the oldest blocks should fit, by estimate; at least one.
    fn fitting(&self) -> usize {
        let mut size = PREFIX_BYTES;
        let mut transactions = 0;
        let fits = self.pending.iter().take(MAX_BLOCKS).take_while(|pending| {
            size += estimate_block(&pending.block);
            transactions += pending.block.transactions.len();
            size <= self.limit_bytes && transactions <= MAX_TRANSACTIONS
        });
        fits.count().max(1)
    }

    /// How many of them fit, however little compresses.
    fn surely_fitting(&self) -> usize {
        let mut size = MOST_FRAME_BYTES;
        let fits = self.pending.iter().take_while(|pending| {
            size += most_bytes(&pending.block);
            size <= self.limit_bytes
        });
        fits.count()
    }

    fn encode_first(&self, count: usize) -> Result<EncodedBatch, BatchError> {
        let blocks: Vec<BatchBlock> = self.pending.iter().take(count).map(|pending| pending.block.clone()).collect();
        let (first, last) = (&self.pending[0], &self.pending[count - 1]);
        Ok(EncodedBatch {
            payload: encode(first.parent_hash, &blocks)?,
            first_block: first.number,
            last_block: last.number,
            last_hash: last.hash,
            origin: last.block.origin,
            queue_up_to: last.queue_end,
            transactions: blocks.iter().map(|block| block.transactions.len()).sum(),
        })
    }
}

const fn is_size(error: &BatchError) -> bool {
    matches!(error, BatchError::TooLarge { .. } | BatchError::TooMany { .. })
}

fn estimate_block(block: &BatchBlock) -> usize {
    BLOCK_BYTES + block.transactions.iter().map(estimate_transaction).sum::<usize>()
}

/// Signature, a few bytes of columns, and what does not compress in the call data: bytes that
/// are not 0, but at most eight of a word.
fn estimate_transaction(tx: &TxEnvelope) -> usize {
    let input = tx.input();
    let noise: usize = if input.len() % 32 == 4 {
        input[4..].chunks(32).map(|word| word.iter().filter(|byte| **byte != 0).count().min(8)).sum()
    } else {
        input.len() / 2
    };
    let lists = tx.authorization_list().map_or(0, |list| 100 * list.len())
        + tx.access_list().map_or(0, |list| 40 * list.storage_keys_count() + 20 * list.len());
    SIGNATURE_BYTES + TX_BYTES + noise + lists
}
