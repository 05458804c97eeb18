//! What a stored post says to the inbox.

use alloy_sol_types::SolCall;
use mayfly_contracts::inbox::Inbox::{postBatchCall, postForcedBatchCall};
use mayfly_ledger::{Post, Purpose};

use crate::error::SequencerError;
use crate::view::PostView;

/// See the module.
#[derive(Debug, Clone)]
pub(super) enum InboxCall {
    /// Blocks of ours.
    Batch(postBatchCall),
    /// Overdue queue items, which no batch of ours reaches.
    Forced(postForcedBatchCall),
}

impl InboxCall {
    /// None if the post is for something else.
    pub(super) fn of(post: &Post) -> Result<Option<Self>, SequencerError> {
        let call = match post.purpose {
            Purpose::Batch => postBatchCall::abi_decode(&post.input).map(Self::Batch),
            Purpose::ForcedBatch => postForcedBatchCall::abi_decode(&post.input).map(Self::Forced),
            _ => return Ok(None),
        };
        call.map(Some).map_err(|_| SequencerError::Ledger(format!("post {} is no batch", post.key)))
    }

    /// The number of the batch that it is, or would be now.
    pub(super) fn seq(&self, view: &PostView) -> u64 {
        match self {
            Self::Batch(call) => call.seq,
            Self::Forced(_) => view.seq,
        }
    }

    /// Whether what it does is yet to be seen on the followed L1.
    pub(super) fn is_unseen(&self, view: &PostView) -> bool {
        match self {
            Self::Batch(call) => call.seq >= view.seq,
            Self::Forced(call) => call.queueUpTo > view.queue_up_to,
        }
    }
}
