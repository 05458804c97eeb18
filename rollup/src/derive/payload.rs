//! Stage 4: a batch's data becomes blocks of transactions with their senders, or is invalid.

use super::batches::{BatchData, PostedBatch};
use super::pace::SIGNATURE_COST;
use crate::batch::{Payload, decode, parent_of, unpack_blobs};
use alloy_primitives::B256;
use mayfly_evm::{RecoveredTx, Transaction};
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// A decoded payload, its senders known.
#[derive(Debug, Clone)]
pub(super) struct OpenPayload {
    pub(super) blocks: VecDeque<OpenBlock>,
    /// What reading it cost everybody.
    pub(super) cost: u64,
}

/// A block of a payload.
#[derive(Debug, Clone)]
pub(super) struct OpenBlock {
    pub(super) origin: u64,
    pub(super) timestamp: u64,
    pub(super) queue_items: u64,
    pub(super) transactions: Vec<Arc<RecoveredTx>>,
}

/// Why a payload is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) reason: String,
    /// What reading it cost everybody, in vain; `None` if it was not read.
    pub(super) cost: Option<u64>,
}

impl Refused {
    pub(super) fn unread(reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), cost: None }
    }

    fn read(reason: impl fmt::Display, cost: u64) -> Self {
        Self { reason: reason.to_string(), cost: Some(cost) }
    }
}

/// A payload read without knowing the chain that it has to build on, or what makes it invalid whatever it builds on.
pub(super) type Read = Result<ReadPayload, Refused>;

/// What was read.
#[derive(Debug, Clone)]
pub(super) struct ReadPayload {
    parent_hash: B256,
    opened: Result<OpenPayload, Refused>,
}

/// Bytes of payload that a transaction takes at least where it is read before its turn. An honest one, with a signature
/// that does not compress, takes more; what takes less could be made to cost everybody time for nothing.
const MIN_BYTES_AHEAD: usize = 60;

/// Reads a batch's data, which must be there. `None`: not before its turn.
pub(super) fn read(data: &BatchData) -> Option<Read> {
    let (bytes, parent_hash) = match begin(data) {
        Ok(begun) => begun,
        Err(refused) => return Some(Err(refused)),
    };
    let opened = match decoded(&bytes) {
        Ok(payload) if payload.transaction_count().saturating_mul(MIN_BYTES_AHEAD) > data.len() => return None,
        Ok(payload) => recovered(payload),
        Err(refused) => Err(refused),
    };
    Some(Ok(ReadPayload { parent_hash, opened }))
}

/// Opens a batch on top of `parent_hash`; `Ok(None)` for a forced-only one.
///
/// # Errors
/// What makes the payload invalid, and what it cost to find out.
pub(super) fn open(batch: &PostedBatch, parent_hash: B256) -> Result<Option<OpenPayload>, Refused> {
    let fits = |on: B256| match on == parent_hash {
        true => Ok(()),
        false => Err(Refused::unread(format!("payload builds on {on}, the chain stands at {parent_hash}"))),
    };
    if batch.data == BatchData::None {
        return Ok(None);
    }
    if let Some(read) = batch.ahead.take(&batch.data) {
        let read = read?;
        fits(read.parent_hash)?;
        return read.opened.map(Some);
    }
    // What builds on another block is neither decompressed nor are its signatures looked at.
    let (bytes, on) = begin(&batch.data)?;
    fits(on)?;
    recovered(decoded(&bytes)?).map(Some)
}

/// The payload's bytes and the block that they say they build on.
fn begin(data: &BatchData) -> Result<(Cow<'_, [u8]>, B256), Refused> {
    let bytes = match data {
        BatchData::None => return Err(Refused::unread("no payload")),
        BatchData::Blobs(blobs) => Cow::Owned(unpack_blobs(blobs).map_err(Refused::unread)?),
        BatchData::Calldata(data) => Cow::Borrowed(data.as_ref()),
    };
    let parent_hash = parent_of(&bytes).map_err(Refused::unread)?;
    Ok((bytes, parent_hash))
}

fn decoded(bytes: &[u8]) -> Result<Payload, Refused> {
    decode(bytes).map_err(|error| Refused::read(error, 0))
}

fn recovered(payload: Payload) -> Result<OpenPayload, Refused> {
    let cost = SIGNATURE_COST.saturating_mul(payload.transaction_count() as u64);
    let recover = |tx| Transaction::Signed(tx).recover().map(Arc::new);
    let mut shapes = Vec::with_capacity(payload.blocks.len());
    let mut transactions = Vec::with_capacity(payload.transaction_count());
    for block in payload.blocks {
        shapes.push((block.origin, block.timestamp, block.queue_items.into(), block.transactions.len()));
        transactions.extend(block.transactions);
    }
    let recovered: Result<Vec<Arc<RecoveredTx>>, _> = transactions.into_par_iter().map(recover).collect();
    let mut recovered = recovered.map_err(|error| Refused::read(error, cost))?.into_iter();
    let block = |(origin, timestamp, queue_items, count)| OpenBlock {
        origin,
        timestamp,
        queue_items,
        transactions: recovered.by_ref().take(count).collect(),
    };
    Ok(OpenPayload { blocks: shapes.into_iter().map(block).collect(), cost })
}
