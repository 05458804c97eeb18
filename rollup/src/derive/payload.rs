//! Stage 4: a batch's data becomes blocks of transactions with their senders, or is invalid.

use super::batches::{BatchData, PostedBatch};
use crate::batch::{decode, unpack_blobs};
use alloy_primitives::B256;
use mayfly_evm::{RecoveredTx, Transaction};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// A decoded payload, its senders known.
#[derive(Debug)]
pub(super) struct OpenPayload {
    pub(super) blocks: VecDeque<OpenBlock>,
}

/// A block of a payload.
#[derive(Debug)]
pub(super) struct OpenBlock {
    pub(super) origin: u64,
    pub(super) timestamp: u64,
    pub(super) queue_items: u64,
    pub(super) transactions: Vec<Arc<RecoveredTx>>,
}

/// Opens a batch on top of `parent_hash`; `Ok(None)` for a forced-only one.
///
/// # Errors
/// What makes the payload invalid, in words.
pub(super) fn open(batch: &PostedBatch, parent_hash: B256) -> Result<Option<OpenPayload>, String> {
    let payload = match &batch.data {
        BatchData::None => return Ok(None),
        BatchData::Blobs(blobs) => decode(&unpack_blobs(blobs).map_err(|error| error.to_string())?),
        BatchData::Calldata(data) => decode(data),
    };
    let payload = payload.map_err(|error| error.to_string())?;
    if payload.parent_hash != parent_hash {
        return Err(format!("payload builds on {}, the chain stands at {parent_hash}", payload.parent_hash));
    }
    let recover = |tx| Transaction::Signed(tx).recover().map(Arc::new);
    let mut shapes = Vec::with_capacity(payload.blocks.len());
    let mut transactions = Vec::with_capacity(payload.transaction_count());
    for block in payload.blocks {
        shapes.push((block.origin, block.timestamp, block.queue_items.into(), block.transactions.len()));
        transactions.extend(block.transactions);
    }
    let recovered: Vec<Arc<RecoveredTx>> =
        transactions.into_par_iter().map(recover).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let mut recovered = recovered.into_iter();
    let block = |(origin, timestamp, queue_items, count)| OpenBlock {
        origin,
        timestamp,
        queue_items,
        transactions: recovered.by_ref().take(count).collect(),
    };
    Ok(Some(OpenPayload { blocks: shapes.into_iter().map(block).collect() }))
}
