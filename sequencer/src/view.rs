//! What the executor shows to the rest: one value, replaced as a whole.

use std::sync::Arc;

use alloy_primitives::B256;
use serde::Serialize;

/// Where the rollup stands in its life, as far as the sequencer is concerned (`docs/protocol/lifecycle.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// No batch yet.
    #[default]
    Created,
    /// Batches arrive.
    Active,
    /// Past the end: deposits are refused, transactions still run.
    Draining,
    /// Frozen on L1: only forced transactions, in forced batches.
    Frozen,
    /// Past the close time; the close block is not derived yet.
    Closing,
    /// The close block is derived. Nothing follows.
    Closed,
}

impl Stage {
    /// Lower case, as everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Frozen => "frozen",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }
}

/// A block by number and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Head {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: B256,
}

/// A transaction that was answered and could not be put on the chain again after a rebase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostTransaction {
    /// Its hash.
    pub hash: B256,
    /// What the executor said, or what ended before it came to its turn.
    pub reason: String,
}

/// Why no blocks are built although there might be work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum PauseReason {
    /// The start: L1 is not read up to its head, or the chain is being rebuilt.
    #[error("syncing with l1")]
    Syncing,
    /// What was answered here is not: the chain's directory is lost, or an old copy.
    #[error("answered blocks are missing here: taking them back from l1 and from what was on its way there")]
    Restoring {
        /// The batch on its way to L1 that holds some of them.
        batch: Option<u64>,
    },
    /// The newest usable L1 block is too old for a new block's time.
    #[error("l1 origin {origin} is {behind_seconds} s old, at most {max_seconds} s allowed")]
    OriginTooOld {
        /// The L1 block.
        origin: u64,
        /// Its age.
        behind_seconds: u64,
        /// `maxDrift`.
        max_seconds: u64,
    },
    /// Posting to L1 stalls.
    #[error("blocks unposted for {seconds} s, at most {max_seconds} s allowed: {reason}")]
    PostingStalled {
        /// Age of the oldest unposted block.
        seconds: u64,
        /// The limit.
        max_seconds: u64,
        /// What the poster says.
        reason: String,
    },
    /// More is unposted than may be lost at once.
    #[error("{bytes} bytes unposted, at most {max_bytes} allowed")]
    UnpostedTooLarge {
        /// Encoded transactions.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// More is unposted than L1 would take before the rollup can close.
    #[error("{batches} batches unposted, at most {max_batches} fit into the {seconds} s before the rollup may close")]
    CloseNear {
        /// If nothing compresses.
        batches: u64,
        /// The limit.
        max_batches: u64,
        /// Until then.
        seconds: u64,
    },
    /// The state takes more memory than it may.
    #[error("the state takes about {bytes} bytes of memory, at most {max_bytes} allowed")]
    StateTooLarge {
        /// About so much.
        bytes: usize,
        /// The limit.
        max_bytes: usize,
    },
    /// The disk does not keep up.
    #[error("{blocks} blocks wait for the disk")]
    DiskBehind {
        /// Sealed, not durable.
        blocks: u64,
    },
}

/// What the batcher needs to know of L1 and the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PostView {
    /// Rises whenever blocks or batches were taken back.
    pub(crate) generation: u64,
    /// The next batch's number and parent.
    pub(crate) seq: u64,
    pub(crate) parent_hash: B256,
    /// No batch may have a lower origin.
    pub(crate) min_origin: u64,
    /// What the last batch consumed of the queue.
    pub(crate) queue_up_to: u64,
    /// What a forced batch could consume of it: all up to `origin`.
    pub(crate) queue_seen: u64,
    /// The last block that stands on L1.
    pub(crate) posted: Head,
    /// The newest L1 block deep enough to build on and below the head.
    pub(crate) origin: Option<(u64, B256)>,
    /// L1's head as followed, and its time.
    pub(crate) l1_number: u64,
    pub(crate) l1_time: u64,
    /// By how much our clock is ahead of L1's.
    pub(crate) lead_seconds: u64,
    /// When the oldest queue item outside of any batch becomes overdue.
    pub(crate) overdue_at: Option<u64>,
    pub(crate) close_time: u64,
    /// How many batches L1 would take before that.
    pub(crate) batches_left: u64,
    /// Whether transactions wait until it has taken more.
    pub(crate) crowded: bool,
    pub(crate) stage: Stage,
    pub(crate) synced: bool,
}

/// Everything the executor shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ChainView {
    pub(crate) latest: Head,
    pub(crate) safe: Head,
    pub(crate) finalized: Head,
    pub(crate) end_time: u64,
    pub(crate) pause: Option<PauseReason>,
    /// For how long blocks are unposted, and from when on that throttles, if it does.
    pub(crate) throttled: Option<(u64, u64)>,
    pub(crate) pool_transactions: usize,
    pub(crate) pool_bytes: usize,
    pub(crate) rescued: usize,
    pub(crate) lost_count: u64,
    pub(crate) lost: Arc<Vec<LostTransaction>>,
    pub(crate) post: PostView,
}
