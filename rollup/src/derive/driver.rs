//! The driver: pulls the stages, one piece of work at a time.

use super::ahead::Lookahead;
use super::checkpoint::{Checkpoint, L2Ref};
use super::close::{CloseState, queue_block_sizes};
use super::events::InboxEvent;
use super::l1::{L1Block, L1Origin, L1Ref, L1Stage};
use super::pace::Pace;
use super::queue::{Queue, QueueItem};
use super::work::{BatchWork, Plan};
use crate::error::DeriveError;
use crate::info::RollupInfo;
use alloy_primitives::B256;
use mayfly_contracts::types::BatchHeader;
use mayfly_evm::{Chain, SealedBlock};
use std::collections::VecDeque;
use std::sync::Arc;

/// L1 blocks that derivation can go back over; far more than L1 reorganises before it is final.
const MAX_CHECKPOINTS: usize = 1_024;

/// What one step did.
#[derive(Debug, Clone)]
pub enum Step {
    /// Everything pushed is derived: push the next L1 block.
    NeedL1,
    /// A block was derived. A later [`Step::Reverted`] may take it back.
    Block(Arc<SealedBlock>),
    /// The payload turned out invalid; these blocks of it are gone, oldest first.
    Reverted {
        /// What was wrong.
        reason: String,
        /// What was derived from it so far.
        blocks: Vec<Arc<SealedBlock>>,
    },
    /// A batch is derived.
    BatchDone(Box<BatchOutcome>),
    /// An L1 block is derived; [`Derivation::checkpoint`] stands at it.
    L1Done(L1Ref),
    /// The close block is derived: nothing follows.
    Closed {
        /// The L1 block that closed the rollup.
        l1: L1Ref,
        /// The close block.
        head: L2Ref,
        /// Rolling hash of the whole queue.
        queue_hash: B256,
    },
}

/// A derived batch, with what a claim about it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOutcome {
    /// Its header.
    pub header: BatchHeader,
    /// The header's hash.
    pub header_hash: B256,
    /// The last block derived from it.
    pub head: L2Ref,
    /// Rolling hash of the queue up to `queueUpTo`.
    pub queue_hash: B256,
    /// Why its payload was not used; none if it was, or if it is forced-only.
    pub invalid: Option<String>,
}

/// An L1 block in work.
#[derive(Debug)]
pub(super) struct L1Work {
    origin: L1Origin,
    pub(super) events: VecDeque<InboxEvent>,
    close: Option<Plan>,
}

/// Derives a rollup's chain from L1 blocks.
#[derive(Debug)]
pub struct Derivation {
    pub(super) info: Arc<RollupInfo>,
    pub(super) l1: L1Stage,
    pub(super) queue: Queue,
    /// Oldest first; the last is where derivation stands.
    checkpoints: VecDeque<Checkpoint>,
    /// Replayed after resuming up to here: only origins and items are read.
    replay_until: u64,
    replay_last: Option<L1Ref>,
    pub(super) work: Option<L1Work>,
    pub(super) batch: Option<BatchWork>,
    /// Where derivation stands inside the L1 block in work.
    pub(super) now: Checkpoint,
}

impl Derivation {
    /// Derivation from the creation on; `genesis` is the chain's block 0. The first L1 block to push is
    /// `info.l1_number`.
    pub fn new(info: Arc<RollupInfo>, genesis: L2Ref) -> Self {
        let before = L1Ref { number: info.l1_number.saturating_sub(1), hash: B256::ZERO, timestamp: 0 };
        let start = Checkpoint {
            l1: before,
            head: genesis,
            head_origin: info.l1_number,
            consumed: 0,
            queued: 0,
            consumed_hash: B256::ZERO,
            first_open_l1: None,
            batch_seq: 0,
            batch_hash: info.genesis_claim(),
            batch_origin: info.l1_number,
            pace: Pace::default(),
            owed_until: 0,
            close: CloseState { end_time: info.config.endTime, close_time: info.planned_close_time(), frozen: false },
            closed: false,
        };
        Self::at(info, start)
    }

    /// Derivation from a checkpoint on. The chain must stand at its head; L1 blocks have to be pushed from
    /// [`Checkpoint::replay_from`] on.
    pub fn resume(info: Arc<RollupInfo>, checkpoint: Checkpoint) -> Self {
        Self::at(info, checkpoint)
    }

    fn at(info: Arc<RollupInfo>, start: Checkpoint) -> Self {
        Self {
            info,
            l1: L1Stage::default(),
            queue: Queue::resume(start.consumed, start.consumed_hash),
            checkpoints: VecDeque::from([start]),
            replay_until: start.l1.number,
            replay_last: None,
            work: None,
            batch: None,
            now: start,
        }
    }

    /// Where derivation stands: after the last L1 block that is wholly derived.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.checkpoints.back().unwrap_or(&self.now)
    }

    /// The rollup.
    pub const fn info(&self) -> &Arc<RollupInfo> {
        &self.info
    }

    /// The queue as far as it is read.
    pub const fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Number of the L1 block to push next.
    pub fn next_l1(&self) -> u64 {
        let newest = self.l1.newest().or_else(|| self.newest_taken());
        newest.map_or_else(|| self.checkpoint().replay_from(), |newest| newest.number + 1)
    }

    /// Which payloads may be read while what was pushed is derived.
    pub const fn lookahead(&self) -> Lookahead {
        Lookahead { owed_until: self.now.owed_until }
    }

    /// Takes the next L1 block, with the data of its batches.
    ///
    /// # Errors
    /// [`DeriveError::Reorganised`] if it does not fit on the one before; [`DeriveError::Full`] if steps are due.
    pub fn push(&mut self, block: L1Block) -> Result<(), DeriveError> {
        let expected = self.next_l1();
        if block.number != expected {
            return Err(DeriveError::Gap { expected, number: block.number });
        }
        if block.number == self.info.l1_number && block.hash != self.info.l1_hash {
            return Err(DeriveError::Reorganised { number: block.number, hash: self.info.l1_hash });
        }
        let known = self.checkpoints.iter().rev().find(|known| known.l1.number == block.number);
        if let Some(known) = known.filter(|known| known.l1.hash != block.hash && !known.l1.hash.is_zero()) {
            return Err(DeriveError::Reorganised { number: known.l1.number, hash: known.l1.hash });
        }
        let last = self.newest_taken();
        self.l1.push(block, last)
    }

    /// Does one piece of work on `chain`, which nobody else may extend.
    ///
    /// # Errors
    /// See [`DeriveError::severity`].
    pub fn step(&mut self, chain: &mut Chain) -> Result<Step, DeriveError> {
        if chain.head().hash != self.now.head.hash {
            let (at, hash) = (self.now.head.number, chain.head().hash);
            return Err(DeriveError::Broken(format!("the chain stands at {hash}, derivation at block {at}")));
        }
        loop {
            if self.batch.is_some() {
                return self.step_batch(chain);
            }
            if self.work.as_ref().is_some_and(|work| work.close.is_some()) {
                return self.step_close(chain);
            }
            match self.work.as_mut().map(|work| (work.origin, work.events.pop_front())) {
                Some((origin, Some(event))) => self.take_event(chain, &origin, event)?,
                Some((origin, None)) => {
                    self.work = None;
                    return Ok(self.finish_l1(&origin));
                }
                None => match self.l1.take() {
                    Some(block) => self.take_l1(block)?,
                    None => return Ok(Step::NeedL1),
                },
            }
        }
    }

    /// Goes back to the state after L1 block `number`, or after the last one before it that is wholly derived;
    /// returns the blocks removed from the chain, oldest first. Go on pushing from [`Self::next_l1`].
    ///
    /// # Errors
    /// [`DeriveError::TooFar`] if that state is no longer kept: start anew.
    pub fn reset_to(&mut self, number: u64, chain: &mut Chain) -> Result<Vec<Arc<SealedBlock>>, DeriveError> {
        let oldest = self.checkpoints.front().map_or(self.now.l1.number, |oldest| oldest.l1.number);
        if number < oldest || self.replay_last.is_some_and(|last| last.number < self.replay_until) {
            return Err(DeriveError::TooFar { number, oldest });
        }
        while self.checkpoints.pop_back_if(|checkpoint| checkpoint.l1.number > number).is_some() {}
        let target = *self.checkpoint();
        let removed = if chain.head().hash == target.head.hash {
            Vec::new()
        } else {
            chain.revert_to(target.head.number).map_err(DeriveError::Evm)?
        };
        if chain.head().hash != target.head.hash {
            let head = chain.head().hash;
            return Err(DeriveError::Broken(format!("block {} is {head} after a reset", target.head.number)));
        }
        // A block in work is derived again from its start, which needs it pushed again.
        self.l1.truncate(target.l1.number);
        self.work = None;
        self.batch = None;
        self.queue.truncate(target.queued);
        self.replay_last = (!target.l1.hash.is_zero()).then_some(target.l1);
        self.now = target;
        Ok(removed)
    }

    fn newest_taken(&self) -> Option<L1Ref> {
        self.work.as_ref().map(|work| work.origin.as_ref()).or(self.replay_last)
    }

    fn take_l1(&mut self, block: L1Block) -> Result<(), DeriveError> {
        let origin = block.origin();
        if block.number <= self.replay_until {
            self.replay_last = Some(origin.as_ref());
            return self.replay(block);
        }
        let closes = !self.now.closed && block.timestamp >= self.now.close.close_time;
        let close = if closes { Some(self.close_plan(origin)?) } else { None };
        let events = if self.now.closed || close.is_some() { VecDeque::new() } else { block.events.into() };
        self.work = Some(L1Work { origin, events, close });
        Ok(())
    }

    /// Reads a block again after resuming: its origin is known now, its open items join the queue.
    fn replay(&mut self, block: L1Block) -> Result<(), DeriveError> {
        for event in block.events {
            if let InboxEvent::QueueItem(item) = event
                && item.index >= self.queue.len()
                && item.index < self.now.queued
            {
                self.enqueue(item)?;
            }
        }
        if block.number == self.replay_until && self.queue.len() != self.now.queued {
            let (have, want) = (self.queue.len(), self.now.queued);
            return Err(DeriveError::Inconsistent(format!("L1 has {have} queue items, the checkpoint knew {want}")));
        }
        Ok(())
    }

    fn enqueue(&mut self, item: QueueItem) -> Result<(), DeriveError> {
        let (index, expected) = (item.index, self.queue.len());
        if self.queue.push(item) {
            return Ok(());
        }
        Err(DeriveError::Inconsistent(format!("queue item {index} follows {expected} items")))
    }

    fn take_event(&mut self, chain: &Chain, origin: &L1Origin, event: InboxEvent) -> Result<(), DeriveError> {
        self.now.close.apply(&event);
        match event {
            InboxEvent::QueueItem(item) => self.enqueue(item),
            InboxEvent::Batch(batch) => self.open_batch(chain, origin, *batch),
            InboxEvent::Ended { .. }
            | InboxEvent::Frozen { .. }
            | InboxEvent::FreezeRequested { .. }
            | InboxEvent::FreezeCancelled => Ok(()),
        }
    }

    fn close_plan(&self, origin: L1Origin) -> Result<Plan, DeriveError> {
        let gone = || DeriveError::Broken("open queue items are gone".to_owned());
        let items = self.queue.range(self.now.consumed, self.queue.len()).ok_or_else(gone)?;
        Ok(Plan::Queue { origin, sizes: queue_block_sizes(&items, self.info.config.blockGasLimit).into() })
    }

    fn step_close(&mut self, chain: &mut Chain) -> Result<Step, DeriveError> {
        let next = self.work.as_mut().and_then(|work| match &mut work.close {
            Some(Plan::Queue { origin, sizes }) => sizes.pop_front().map(|count| (*origin, count)),
            Some(Plan::Payload(_)) | None => None,
        });
        if let Some((origin, count)) = next {
            return self.queue_block(chain, &origin, count).map(Step::Block);
        }
        self.now.closed = true;
        let l1 = self.work.as_mut().map(|work| {
            work.close = None;
            work.origin.as_ref()
        });
        Ok(Step::Closed {
            l1: l1.unwrap_or(self.now.l1),
            head: self.now.head,
            queue_hash: self.queue.hash_at(self.now.consumed).unwrap_or_default(),
        })
    }

    fn finish_l1(&mut self, origin: &L1Origin) -> Step {
        let l1 = origin.as_ref();
        self.now.l1 = l1;
        self.now.queued = self.queue.len();
        self.now.consumed_hash = self.queue.hash_at(self.now.consumed).unwrap_or_default();
        self.now.first_open_l1 = self.queue.get(self.now.consumed).map(|item| item.l1_number);
        self.checkpoints.push_back(self.now);
        self.replay_last = Some(l1);
        if self.checkpoints.len() > MAX_CHECKPOINTS {
            self.checkpoints.pop_front();
        }
        if let Some(oldest) = self.checkpoints.front() {
            self.queue.prune(oldest.consumed);
            self.l1.prune(oldest.head_origin.min(oldest.batch_origin));
        }
        Step::L1Done(l1)
    }
}
