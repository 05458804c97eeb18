//! Stage 6: blocks on the chain.

use super::queue::{QueueItem, queue_transaction};
use crate::batch::BatchBlock;
use crate::derive::Position;
use crate::error::DeriveError;
use crate::info::RollupInfo;
use mayfly_evm::{BlockAttributes, BlockBuilder, Chain, RecoveredTx, Refusal, SealedBlock};
use std::sync::Arc;

/// Why a block did not come to be.
#[derive(Debug)]
pub(super) enum BlockFailure {
    /// The payload is invalid, in words.
    Invalid(String),
    /// The executor itself failed.
    Fatal(DeriveError),
}

/// Consumes a queue item in the block being built. An item that becomes no transaction, or one that the executor
/// refuses, is consumed all the same.
///
/// # Errors
/// Only if the executor itself fails.
pub fn execute_queue_item(
    info: &RollupInfo,
    builder: &mut BlockBuilder<'_>,
    item: &QueueItem,
) -> Result<Option<Arc<RecoveredTx>>, mayfly_evm::EvmError> {
    let Some(tx) = queue_transaction(info, item).map(Arc::new) else { return Ok(None) };
    match builder.execute(&tx) {
        Ok(_) => Ok(Some(tx)),
        Err(Refusal::Fatal(error)) => Err(error),
        Err(refusal) => {
            tracing::debug!(index = item.index, %refusal, "queue item skipped");
            Ok(None)
        }
    }
}

/// Builds and seals one block, which may use no more gas than `allowed`.
pub(super) fn run_block(
    info: &RollupInfo,
    chain: &mut Chain,
    attributes: BlockAttributes,
    allowed: u64,
    items: &[QueueItem],
    transactions: &[Arc<RecoveredTx>],
) -> Result<Arc<SealedBlock>, BlockFailure> {
    let fatal = |error| BlockFailure::Fatal(DeriveError::Evm(error));
    let mut builder = chain.begin(attributes).map_err(fatal)?;
    builder.allow(allowed);
    for item in items {
        execute_queue_item(info, &mut builder, item).map_err(fatal)?;
    }
    for (index, tx) in transactions.iter().enumerate() {
        match builder.execute(tx) {
            Ok(_) => {}
            Err(Refusal::Fatal(error)) => return Err(fatal(error)),
            Err(refusal) => return Err(BlockFailure::Invalid(format!("transaction {index}: {refusal}"))),
        }
    }
    builder.seal().map_err(fatal)
}

/// The row of a sealed block in a payload. `items` are the queue items it consumed, `parent` the block before.
///
/// # Errors
/// If a header carries no position, or the items are not those the block consumed.
pub fn payload_blocks(
    info: &RollupInfo,
    parent: &SealedBlock,
    block: &SealedBlock,
    items: &[QueueItem],
) -> Result<BatchBlock, DeriveError> {
    let position = |block: &SealedBlock| {
        let missing = || DeriveError::Broken(format!("block {} carries no position", block.number()));
        Position::of(&block.header).ok_or_else(missing)
    };
    let (before, after) = (position(parent)?, position(block)?);
    let fits = after.queue_end.checked_sub(before.queue_end) == Some(items.len() as u64);
    if !fits || items.first().is_some_and(|item| item.index != before.queue_end) {
        let number = block.number();
        return Err(DeriveError::Broken(format!("block {number} did not consume the {} items given", items.len())));
    }
    let mut sequenced = block.transactions.as_slice();
    for item in items {
        let from_queue = queue_transaction(info, item).map(|tx| tx.hash());
        if from_queue.is_some() && from_queue == sequenced.first().map(|tx| tx.hash()) {
            sequenced = &sequenced[1..];
        }
    }
    let signed = sequenced.iter().map(|tx| tx.tx.as_signed().cloned());
    let transactions: Option<Vec<_>> = signed.collect();
    let stray = || DeriveError::Broken(format!("block {} holds a deposit out of place", block.number()));
    Ok(BatchBlock {
        origin: after.origin,
        timestamp: block.timestamp(),
        queue_items: items.len() as u32,
        transactions: transactions.ok_or_else(stray)?,
        sponsors: Vec::new(),
    })
}
