//! Deriving one batch: from its payload, or from the queue alone.

use super::attributes::{Bounds, block_attributes};
use super::batches::{CODEC_FORCED, PostedBatch};
use super::checkpoint::L2Ref;
use super::close::queue_block_sizes;
use super::driver::{BatchOutcome, Derivation, Step};
use super::events::InboxEvent;
use super::execute::{BlockFailure, run_block};
use super::l1::L1Origin;
use super::pace::{Pace, cost_of, seconds_wasted};
use super::payload::{OpenBlock, OpenPayload, Refused, open};
use super::position::Position;
use crate::error::DeriveError;
use alloy_consensus::Header;
use alloy_primitives::B256;
use mayfly_contracts::types::BatchHeader;
use mayfly_evm::{Chain, SealedBlock};
use std::collections::VecDeque;
use std::sync::Arc;

/// A batch in work.
#[derive(Debug)]
pub(super) struct BatchWork {
    batch: PostedBatch,
    parent: L2Ref,
    parent_pace: Pace,
    plan: Plan,
    invalid: Option<String>,
}

/// Blocks still to derive.
#[derive(Debug)]
pub(super) enum Plan {
    /// From a payload.
    Payload(OpenPayload),
    /// Queue blocks with these numbers of items.
    Queue { origin: L1Origin, sizes: VecDeque<usize> },
}

impl Derivation {
    pub(super) fn open_batch(&mut self, chain: &Chain, l1: &L1Origin, batch: PostedBatch) -> Result<(), DeriveError> {
        if let Err(error) = self.check_batch(l1, &batch) {
            // The block is taken again once its data is there.
            self.put_back(InboxEvent::Batch(Box::new(batch)));
            return Err(error);
        }
        let parent = L2Ref { number: chain.head().number(), hash: chain.head().hash };
        let opened = match self.check_debt(&batch) {
            Ok(()) => open(&batch, parent.hash),
            Err(reason) => Err(Refused::unread(reason)),
        };
        let (plan, invalid) = match opened {
            Ok(Some(payload)) => (Plan::Payload(payload), None),
            Ok(None) => (self.queue_plan(&batch)?, None),
            Err(refused) => {
                let plan = self.queue_plan(&batch)?;
                if let Some(cost) = refused.cost {
                    self.owe(&batch.header, cost);
                }
                (plan, Some(refused.reason))
            }
        };
        self.batch = Some(BatchWork { batch, parent, parent_pace: self.now.pace, plan, invalid });
        Ok(())
    }

    /// What earlier payloads made everybody do in vain is waited for before another is read.
    fn check_debt(&self, batch: &PostedBatch) -> Result<(), String> {
        let (time, until) = (batch.header.includedTime, self.now.owed_until);
        if batch.header.codec == CODEC_FORCED || time >= until {
            return Ok(());
        }
        Err(format!("included at {time}, and no payload is read before {until}"))
    }

    /// A payload cost this in vain.
    fn owe(&mut self, batch: &BatchHeader, cost: u64) {
        self.now.owed_until = self.now.owed_until.max(batch.includedTime).saturating_add(seconds_wasted(cost));
    }

    fn check_batch(&self, l1: &L1Origin, batch: &PostedBatch) -> Result<(), DeriveError> {
        batch.check(self.now.link(), l1.number, l1.timestamp)?;
        let header = &batch.header;
        let wrong = |why: &str| Err(DeriveError::Inconsistent(format!("batch {}: {why}", header.seq)));
        match self.l1.origin(header.originNumber) {
            Some(origin) if origin.hash == header.originHash => {}
            _ => return wrong("its origin is not in the L1 blocks pushed"),
        }
        if header.originNumber < self.now.batch_origin || header.originNumber >= l1.number {
            return wrong("its origin is out of order");
        }
        let last = header.queueUpTo.checked_sub(1).and_then(|last| self.queue.get(last));
        let past = last.is_some_and(|item| item.l1_number > header.originNumber);
        if header.queueUpTo < self.now.consumed || header.queueUpTo > self.queue.len() || past {
            return wrong("its queue position is out of order");
        }
        Ok(())
    }

    fn put_back(&mut self, event: InboxEvent) {
        if let Some(work) = &mut self.work {
            work.events.push_front(event);
        }
    }

    /// Queue blocks for a batch whose payload is not used.
    fn queue_plan(&self, batch: &PostedBatch) -> Result<Plan, DeriveError> {
        let header = &batch.header;
        let missing = || DeriveError::Broken(format!("batch {}: its origin or items are gone", header.seq));
        let origin = *self.l1.origin(header.originNumber).ok_or_else(missing)?;
        let items = self.queue.range(self.now.consumed, header.queueUpTo).ok_or_else(missing)?;
        Ok(Plan::Queue { origin, sizes: queue_block_sizes(&items, self.info.config.blockGasLimit).into() })
    }

    pub(super) fn step_batch(&mut self, chain: &mut Chain) -> Result<Step, DeriveError> {
        let Some(mut work) = self.batch.take() else { return Ok(Step::NeedL1) };
        let header = &work.batch.header;
        let derived = match &mut work.plan {
            Plan::Queue { origin, sizes } => {
                sizes.pop_front().map(|count| self.queue_block(chain, origin, count).map_err(BlockFailure::Fatal))
            }
            Plan::Payload(payload) => match payload.blocks.pop_front() {
                Some(block) => Some(self.payload_block(chain, header, &block)),
                None if self.now.consumed == header.queueUpTo => None,
                None => Some(Err(BlockFailure::Invalid(format!(
                    "the queue stands at {}, the header says {}",
                    self.now.consumed, header.queueUpTo
                )))),
            },
        };
        match derived {
            None => self.finish_batch(work).map(|outcome| Step::BatchDone(Box::new(outcome))),
            Some(Ok(block)) => {
                self.batch = Some(work);
                Ok(Step::Block(block))
            }
            Some(Err(BlockFailure::Fatal(error))) => Err(error),
            Some(Err(BlockFailure::Invalid(reason))) => self.abandon(chain, work, reason),
        }
    }

    /// A rule of the payload is broken: back to the batch's parent, on with queue blocks.
    fn abandon(&mut self, chain: &mut Chain, mut work: BatchWork, reason: String) -> Result<Step, DeriveError> {
        let blocks = if chain.head().number() > work.parent.number {
            chain.revert_to(work.parent.number).map_err(DeriveError::Evm)?
        } else {
            Vec::new()
        };
        self.stand_at(&chain.head().header.clone(), chain.head().hash)?;
        self.now.pace = work.parent_pace;
        let plan = std::mem::replace(&mut work.plan, self.queue_plan(&work.batch)?);
        let read = if let Plan::Payload(payload) = plan { payload.cost } else { 0 };
        let executed = cost_of(blocks.iter().map(Arc::as_ref)).saturating_add(self.info.config.blockGasLimit);
        self.owe(&work.batch.header, executed.saturating_add(read));
        work.invalid = Some(reason.clone());
        self.batch = Some(work);
        Ok(Step::Reverted { reason, blocks })
    }

    fn payload_block(
        &mut self,
        chain: &mut Chain,
        batch: &BatchHeader,
        block: &OpenBlock,
    ) -> Result<Arc<SealedBlock>, BlockFailure> {
        let full = || BlockFailure::Invalid(format!("the window of timestamp {} has no room", block.timestamp));
        let allowed = self.now.pace.left(block.timestamp).ok_or_else(full)?.min(self.info.config.blockGasLimit);
        let bounds = Bounds {
            origin: batch.originNumber,
            included_time: batch.includedTime,
            max_drift: self.info.config.windows.maxDrift,
            gas_limit: allowed,
        };
        let parent = chain.head().header.clone();
        let known = self.l1.origin(block.origin);
        let origin = bounds
            .check(&parent, self.now.head_origin, block.origin, known, block.timestamp)
            .map_err(BlockFailure::Invalid)?;
        let end = self.now.consumed.saturating_add(block.queue_items);
        let items = (end <= batch.queueUpTo).then(|| self.queue.range(self.now.consumed, end)).flatten();
        let none = || BlockFailure::Invalid(format!("{} queue items are more than there are", block.queue_items));
        let items = items.ok_or_else(none)?;
        bounds.check_items(&items, origin.number).map_err(BlockFailure::Invalid)?;
        let attributes = block_attributes(&self.info, &parent, &origin, block.timestamp, end);
        let sealed = run_block(&self.info, chain, attributes, allowed, &items, &block.transactions)?;
        self.stand_at(&sealed.header, sealed.hash).map_err(BlockFailure::Fatal)?;
        self.now.pace = self.now.pace.with(&sealed);
        Ok(sealed)
    }

    pub(super) fn queue_block(
        &mut self,
        chain: &mut Chain,
        origin: &L1Origin,
        count: usize,
    ) -> Result<Arc<SealedBlock>, DeriveError> {
        let parent = chain.head().header.clone();
        let end = self.now.consumed + count as u64;
        let gone = || DeriveError::Broken(format!("queue items up to {end} are gone"));
        let items = self.queue.range(self.now.consumed, end).ok_or_else(gone)?;
        let attributes = block_attributes(&self.info, &parent, origin, origin.timestamp, end);
        let limit = attributes.gas_limit;
        let sealed = run_block(&self.info, chain, attributes, limit, &items, &[]).map_err(|failure| match failure {
            BlockFailure::Fatal(error) => error,
            BlockFailure::Invalid(why) => DeriveError::Broken(why),
        })?;
        self.stand_at(&sealed.header, sealed.hash)?;
        self.now.pace = self.now.pace.with(&sealed);
        Ok(sealed)
    }

    fn finish_batch(&mut self, work: BatchWork) -> Result<BatchOutcome, DeriveError> {
        let PostedBatch { header, header_hash, .. } = work.batch;
        let gone = || DeriveError::Broken(format!("queue hash at {} is gone", header.queueUpTo));
        let queue_hash = self.queue.hash_at(header.queueUpTo).ok_or_else(gone)?;
        self.now.batch_seq = header.seq;
        self.now.batch_hash = header_hash;
        self.now.batch_origin = header.originNumber;
        Ok(BatchOutcome { header, header_hash, head: self.now.head, queue_hash, invalid: work.invalid })
    }

    /// Derivation stands where this header says.
    fn stand_at(&mut self, header: &Header, hash: B256) -> Result<(), DeriveError> {
        let missing = || DeriveError::Broken(format!("block {} carries no position", header.number));
        let position = Position::of(header).ok_or_else(missing)?;
        self.now.head = L2Ref { number: header.number, hash };
        self.now.head_origin = position.origin;
        self.now.consumed = position.queue_end;
        Ok(())
    }
}
