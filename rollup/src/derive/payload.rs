//! Stage 4: a batch's data becomes blocks of transactions with their senders, or is invalid.

use super::batches::{BatchData, PostedBatch};
use crate::batch::{Payload, decode, unpack_blobs};
use alloy_primitives::B256;
use mayfly_evm::{RecoveredTx, Transaction};
use rayon::prelude::*;
use std::collections::VecDeque;
use std::sync::Arc;

/// A decoded payload, its senders known.
#[derive(Debug, Clone)]
pub(super) struct OpenPayload {
    pub(super) blocks: VecDeque<OpenBlock>,
}

/// A block of a payload.
#[derive(Debug, Clone)]
pub(super) struct OpenBlock {
    pub(super) origin: u64,
    pub(super) timestamp: u64,
    pub(super) queue_items: u64,
    pub(super) transactions: Vec<Arc<RecoveredTx>>,
}

/// A payload read without knowing the chain that it has to build on, or what makes it invalid whatever it builds on.
pub(super) type Read = Result<ReadPayload, String>;

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct ReadPayload {
    parent_hash: B256,
    opened: Result<OpenPayload, String>,
}

/// Bytes of payload that a transaction takes at least where it is read before its turn. An honest one, with a signature
/// that does not compress, takes more; what takes less could be made to cost everybody time for nothing.
const MIN_BYTES_AHEAD: usize = 60;

/// Reads a batch's data, which must be there. `None`: not before its turn.
pub(super) fn read(data: &BatchData) -> Option<Read> {
    let payload = match decoded(data) {
        Ok(payload) => payload,
        Err(why) => return Some(Err(why)),
    };
    let fits = payload.transaction_count().saturating_mul(MIN_BYTES_AHEAD) <= data.len();
    fits.then(|| Ok(ReadPayload { parent_hash: payload.parent_hash, opened: recovered(payload) }))
}

/// Opens a batch on top of `parent_hash`; `Ok(None)` for a forced-only one.
///
/// # Errors
/// What makes the payload invalid, in words.
pub(super) fn open(batch: &PostedBatch, parent_hash: B256) -> Result<Option<OpenPayload>, String> {
    let fits = |on: B256| match on == parent_hash {
        true => Ok(()),
        false => Err(format!("payload builds on {on}, the chain stands at {parent_hash}")),
    };
    if batch.data == BatchData::None {
        return Ok(None);
    }
    if let Some(read) = batch.ahead.take(&batch.data) {
        let read = read?;
        fits(read.parent_hash)?;
        return read.opened.map(Some);
    }
    let payload = decoded(&batch.data)?;
    // Signatures of what cannot be executed are not looked at.
    fits(payload.parent_hash)?;
    recovered(payload).map(Some)
}

fn decoded(data: &BatchData) -> Result<Payload, String> {
    match data {
        BatchData::None => Err("no payload".into()),
        BatchData::Blobs(blobs) => {
            let packed = unpack_blobs(blobs).map_err(|error| error.to_string())?;
            decode(&packed).map_err(|error| error.to_string())
        }
        BatchData::Calldata(data) => decode(data).map_err(|error| error.to_string()),
    }
}

fn recovered(payload: Payload) -> Result<OpenPayload, String> {
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
    Ok(OpenPayload { blocks: shapes.into_iter().map(block).collect() })
}
