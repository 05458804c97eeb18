//! Whether a stored post would still do what it was made for.

use std::sync::atomic::Ordering;

use alloy_primitives::B256;
use mayfly_contracts::inbox::Inbox::postBatchCall;
use mayfly_ledger::{Post, PostState};
use mayfly_rollup::batch::{Payload, decode, unpack_blobs};

use super::batch::CODEC_BLOBS;
use super::call::InboxCall;
use super::drive::ledger_error;
use super::forced;
use super::run::Poster;
use crate::error::SequencerError;
use crate::view::{PostView, Stage};

/// The last block of a post's batch, to see whether the chain still has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) number: u64,
    pub(super) hash: B256,
    pub(super) timestamp: u64,
}

impl Poster {
    /// Whether the batch still follows L1's last one and holds the chain's own blocks.
    pub(super) async fn is_wanted(
        &mut self,
        post: &Post,
        call: &InboxCall,
        view: &PostView,
    ) -> Result<bool, SequencerError> {
        if matches!(post.state, PostState::Mined) {
            return Ok(true);
        }
        let call = match call {
            InboxCall::Batch(call) => call,
            InboxCall::Forced(call) => return Ok(forced::is_wanted(call, view, self.terms.max_origin_lag)),
        };
        let origin = self.shared.origin(call.originNumber);
        let open = !matches!(view.stage, Stage::Frozen | Stage::Closing | Stage::Closed);
        let fits = call.seq == view.seq
            && call.parentHash == view.parent_hash
            && origin == Some(call.originHash)
            && view.l1_number.saturating_sub(call.originNumber) < self.terms.max_origin_lag;
        if !open || !fits {
            return Ok(false);
        }
        if self.restores() == Some(call.seq) {
            // Its blocks were answered and are not here any more: L1 gives them back.
            return Ok(true);
        }
        let last = match self.lasts.get(&post.id) {
            Some(last) => *last,
            None => match self.find_last(post, call, view).await? {
                Some(last) => *self.lasts.entry(post.id).or_insert(last),
                None => return Ok(false),
            },
        };
        let ripe = last.timestamp <= view.l1_time;
        Ok(ripe && self.shared.unposted.lock().hash_of(last.number) == Some(last.hash))
    }

    /// The batch that holds blocks which were lost here, if one does.
    pub(super) fn restores(&self) -> Option<u64> {
        self.shared.missing.lock().as_ref().and_then(|missing| missing.batch)
    }

    /// After a round, in which `busy` was under way: whether such a batch is on L1, or will not be.
    pub(super) fn look_at_restored(&self, busy: Option<u64>, view: &PostView) {
        let Some(seq) = self.restores().filter(|seq| busy != Some(*seq) || view.seq > *seq) else { return };
        if let Some(missing) = &mut *self.shared.missing.lock() {
            missing.batch = None;
        }
        match view.seq > seq {
            true => tracing::info!(seq, "a batch with lost blocks is on l1"),
            false => tracing::error!(seq, "a batch with lost blocks cannot be posted any more"),
        }
    }

    /// After a restart: which of our blocks a stored post holds, if they are our blocks.
    async fn find_last(
        &self,
        post: &Post,
        call: &postBatchCall,
        view: &PostView,
    ) -> Result<Option<Last>, SequencerError> {
        let bytes = if call.codec == CODEC_BLOBS {
            let blobs = self.driver.ledger.post_blobs(post.id).await.map_err(ledger_error)?;
            let blobs: Vec<_> = blobs.into_iter().map(|b| b.data).collect();
            unpack_blobs(&blobs).map_err(|e| SequencerError::Batch(e.to_string()))?
        } else {
            call.data.to_vec()
        };
        let Payload { parent_hash, blocks } = decode(&bytes).map_err(|e| SequencerError::Batch(e.to_string()))?;
        let durable = self.shared.durable.load(Ordering::Acquire);
        let ours = self.shared.unposted.lock().first(durable, usize::MAX, blocks.len());
        let same = parent_hash == view.posted.hash
            && ours.len() == blocks.len()
            && ours.iter().zip(&blocks).all(|(ours, theirs)| ours.to_batch_block() == *theirs);
        let last = ours.last().filter(|_| same);
        Ok(last.map(|last| Last { number: last.number, hash: last.hash, timestamp: last.timestamp }))
    }
}
