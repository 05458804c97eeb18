//! What the Inbox logs, as derivation reads it.

use super::ahead::Ahead;
use super::batches::{BatchData, PostedBatch};
use super::queue::QueueItem;
use alloy_primitives::{Address, B256, LogData};
use alloy_sol_types::SolEvent;
use mayfly_contracts::inbox::Inbox;

/// One log of the Inbox that derivation cares about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InboxEvent {
    /// An item joined the queue.
    QueueItem(QueueItem),
    /// A batch joined the chain of batches.
    Batch(Box<PostedBatch>),
    /// The organiser ended the rollup early.
    Ended {
        /// When deposits ended.
        end_time: u64,
        /// When it closes.
        close_time: u64,
    },
    /// The sequencer is gone.
    Frozen {
        /// When it closes.
        close_time: u64,
    },
    /// Somebody says that the sequencer is gone.
    FreezeRequested {
        /// Who.
        by: Address,
        /// L1 time of the request.
        at: u64,
    },
    /// The sequencer answered.
    FreezeCancelled,
}

impl InboxEvent {
    /// Reads a log of the Inbox; `None` for logs that say nothing to derivation. A batch comes without its data:
    /// fill in [`PostedBatch::data`] before pushing the block.
    pub fn decode(log: &LogData, l1_number: u64, l1_time: u64) -> Option<Self> {
        match *log.topics().first()? {
            Inbox::QueueItem::SIGNATURE_HASH => {
                let item = Inbox::QueueItem::decode_log_data(log).ok()?;
                Some(Self::QueueItem(QueueItem {
                    index: item.index,
                    kind: item.kind,
                    sender: item.sender,
                    gas_limit: item.gasLimit,
                    payload: item.payload,
                    l1_number,
                    l1_time,
                }))
            }
            Inbox::BatchPosted::SIGNATURE_HASH => {
                let posted = Inbox::BatchPosted::decode_log_data(log).ok()?;
                Some(Self::Batch(Box::new(PostedBatch {
                    header: posted.header,
                    header_hash: posted.headerHash,
                    blob_hashes: posted.blobHashes,
                    data: BatchData::None,
                    ahead: Ahead::default(),
                })))
            }
            Inbox::Ended::SIGNATURE_HASH => {
                let ended = Inbox::Ended::decode_log_data(log).ok()?;
                Some(Self::Ended { end_time: ended.endTime, close_time: ended.closeTime })
            }
            Inbox::Frozen::SIGNATURE_HASH => {
                let frozen = Inbox::Frozen::decode_log_data(log).ok()?;
                Some(Self::Frozen { close_time: frozen.closeTime })
            }
            Inbox::FreezeRequested::SIGNATURE_HASH => {
                let asked = Inbox::FreezeRequested::decode_log_data(log).ok()?;
                Some(Self::FreezeRequested { by: asked.by, at: asked.requestedAt })
            }
            Inbox::FreezeCancelled::SIGNATURE_HASH => Some(Self::FreezeCancelled),
            _ => None,
        }
    }

    /// First topics of the logs that [`Self::decode`] reads.
    pub const fn topics() -> [B256; 6] {
        [
            Inbox::QueueItem::SIGNATURE_HASH,
            Inbox::BatchPosted::SIGNATURE_HASH,
            Inbox::Ended::SIGNATURE_HASH,
            Inbox::Frozen::SIGNATURE_HASH,
            Inbox::FreezeRequested::SIGNATURE_HASH,
            Inbox::FreezeCancelled::SIGNATURE_HASH,
        ]
    }
}
