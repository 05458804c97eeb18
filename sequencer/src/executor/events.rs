//! L1's blocks as they reach the chain: batches that stand, batches that move it, and the end.

use std::sync::atomic::Ordering;

use mayfly_fail::fail_point;
use mayfly_rollup::batch::{decode, unpack_blobs};
use mayfly_rollup::derive::{BatchData, Checkpoint, Derivation, InboxEvent, L1Block, L1Ref, L2Ref, PostedBatch, Step};
use mayfly_rollup::{DeriveError, Severity};
use tokio::sync::mpsc::error::TrySendError;

use super::run::{Executor, L1Message, Note};
use crate::error::SequencerError;
use crate::shared::Refused;
use crate::view::Stage;

impl Executor {
    pub(super) fn on_l1(&mut self, message: L1Message) -> Result<(), SequencerError> {
        let waits = self.shared.refused.lock().is_some();
        match message {
            // Built on a block that cannot be. The mirror goes back before that.
            L1Message::Block(_) | L1Message::CaughtUp | L1Message::Tags { .. } if waits => Ok(()),
            L1Message::Block(block) => {
                let at = L1Block::as_ref(&block);
                match self.on_block(*block) {
                    Err(SequencerError::L1(why)) => {
                        self.refuse(at, why);
                        Ok(())
                    }
                    done => done,
                }
            }
            L1Message::Stands(answer) => {
                let _ = answer.send(self.stands.l1_blocks());
                Ok(())
            }
            L1Message::Reorg { common, reopen, answer } => {
                let _ = answer.send(self.on_reorg(common, reopen)?);
                Ok(())
            }
            L1Message::CaughtUp => self.on_caught_up(),
            L1Message::Tags { safe, finalized } => {
                self.tags = (safe, finalized);
                self.stands.prune(finalized);
                let oldest = *self.stands.first();
                self.window.prune(oldest.replay_from().min(oldest.batch_origin), oldest.consumed);
                Ok(())
            }
        }
    }

    /// No L1 has this block: an endpoint made it up, with a hash that fits. Nothing is built until L1 is read again.
    fn refuse(&mut self, block: L1Ref, why: String) {
        tracing::error!(l1_block = block.number, why, "no l1 has this block");
        self.window.truncate(block.number.saturating_sub(1));
        *self.shared.refused.lock() = Some(Refused { block, why });
        self.synced = false;
    }

    fn on_block(&mut self, block: L1Block) -> Result<(), SequencerError> {
        let stand = *self.stands.last();
        let (number, time, hash) = (block.number, block.timestamp, block.hash);
        let batches: Vec<PostedBatch> = block
            .events
            .iter()
            .filter_map(|event| match event {
                InboxEvent::Batch(batch) => Some(PostedBatch::clone(batch)),
                _ => None,
            })
            .collect();
        let is_new = number > stand.l1.number && !stand.closed;
        if is_new {
            let mut link = (stand.batch_seq, stand.batch_hash);
            for batch in &batches {
                batch.follows(link.0, link.1).map_err(SequencerError::L1)?;
                link = (batch.header.seq, batch.header_hash);
            }
        }
        self.window.push(block)?;
        self.shared.note_origin(number, hash);
        if !is_new {
            self.window.forget_batches();
            return Ok(());
        }
        if !self.synced && !batches.is_empty() {
            self.rebuild_unposted()?;
        }
        // The clock before this block's own logs decides whether it closes the rollup; a log cannot bring the close
        // time forward to its own block.
        if time >= self.window.clock().close_time {
            tracing::info!(l1_block = number, "the rollup closes");
            fail_point("closing");
            self.derive_through(number)?;
        } else if !batches.is_empty() {
            match self.matching(&stand, &batches, number) {
                Ok(checkpoint) => self.stand_at(checkpoint, &batches)?,
                Err(reason) => {
                    tracing::warn!(l1_block = number, reason, "a batch on l1 is not ours: the chain gives way");
                    self.derive_through(number)?;
                }
            }
        }
        self.window.forget_batches();
        let posted = self.stands.last().head.number;
        if self.window.clock().frozen && self.synced && self.chain.head().header.number > posted {
            // No batch of ours will be taken any more.
            self.take_back(posted)?;
            self.after_rebase()?;
        }
        Ok(())
    }

    /// If the batches of this L1 block hold exactly our next blocks: where derivation stands after it. Derivation
    /// would build the same blocks from the same inputs, so they are not executed again.
    fn matching(&self, stand: &Checkpoint, batches: &[PostedBatch], l1_number: u64) -> Result<Checkpoint, String> {
        let mut at = *stand;
        for batch in batches {
            at = self.match_one(&at, batch)?;
        }
        let block = self.window.block(l1_number).ok_or("block is not in the window")?;
        at.l1 = block.as_ref();
        at.queued = self.window.queued();
        at.first_open_l1 = self.window.item(at.consumed).map(|item| item.l1_number);
        at.close = self.window.clock();
        Ok(at)
    }

    fn match_one(&self, at: &Checkpoint, batch: &PostedBatch) -> Result<Checkpoint, String> {
        let header = &batch.header;
        if header.seq != at.batch_seq + 1 || header.parentHash != at.batch_hash {
            return Err(format!("batch {} does not follow batch {}", header.seq, at.batch_seq));
        }
        let payload = match &batch.data {
            BatchData::None => return Err("a forced-only batch".to_owned()),
            BatchData::Blobs(blobs) => unpack_blobs(blobs).and_then(|bytes| decode(&bytes)),
            BatchData::Calldata(bytes) => decode(bytes),
        };
        let payload = payload.map_err(|e| e.to_string())?;
        if payload.parent_hash != at.head.hash {
            return Err(format!("it builds on {}, derivation stands at {}", payload.parent_hash, at.head.hash));
        }
        if header.includedTime < at.owed_until {
            return Err(format!("no payload is read before {}", at.owed_until));
        }
        let mut pace = at.pace;
        let unposted = self.shared.unposted.lock();
        let mut ours = unposted.after(at.head.number);
        let mut last = None;
        for theirs in &payload.blocks {
            let block = ours.next().filter(|ours| ours.to_batch_block() == *theirs).ok_or("its blocks are not ours")?;
            let origin = self.window.block(theirs.origin).ok_or("an origin is not in the window")?;
            let most = origin.timestamp.saturating_add(self.terms.max_drift).min(header.includedTime);
            if theirs.timestamp > most || theirs.origin > header.originNumber {
                return Err(format!("block {} is past the batch's bounds", block.number));
            }
            pace = pace.after(block.timestamp, block.gas_used);
            last = Some(block);
        }
        let last = last.filter(|b| b.queue_end == header.queueUpTo).ok_or("it ends elsewhere in the queue")?;
        Ok(Checkpoint {
            head: L2Ref { number: last.number, hash: last.hash },
            head_origin: last.origin,
            consumed: last.queue_end,
            consumed_hash: self.window.hash_at(last.queue_end).ok_or("the queue is not in the window")?,
            batch_seq: header.seq,
            batch_hash: batch.header_hash,
            batch_origin: header.originNumber,
            pace,
            ..*at
        })
    }

    /// Derivation moved, and the chain's blocks stay.
    fn stand_at(&mut self, checkpoint: Checkpoint, batches: &[PostedBatch]) -> Result<(), SequencerError> {
        let (first_block, last_block) = (self.stands.last().head.number + 1, checkpoint.head.number);
        self.stands.push(checkpoint)?;
        if self.synced {
            self.shared.posting.lock().posted(checkpoint.l1.timestamp);
        }
        self.crowded = false;
        let mut unposted = self.shared.unposted.lock();
        let transactions = unposted.through(last_block).map(|b| b.count as u64).sum();
        unposted.drop_through(last_block);
        drop(unposted);
        for batch in batches {
            let payload_bytes = payload_bytes(&batch.data);
            self.note(Note::Applied { seq: batch.header.seq, first_block, last_block, transactions, payload_bytes });
        }
        self.publish();
        Ok(())
    }

    /// Takes back what L1 does not hold, derives up to L1 block `number`, and puts answered transactions on top again.
    pub(super) fn derive_through(&mut self, number: u64) -> Result<(), SequencerError> {
        let stand = *self.stands.last();
        self.take_back(stand.head.number)?;
        if self.chain.head().hash != stand.head.hash {
            let head = self.chain.head().header.number;
            return Err(SequencerError::Derive(format!("block {head} is not what derivation stands at")));
        }
        let derived = self.derive(stand, number);
        if matches!(derived, Err(SequencerError::L1(_))) {
            // Who wrote these blocks made L1 up. What they hold was signed all the same, and may have been answered.
            let derived = std::mem::take(&mut self.derived);
            self.rescued.retain(|tx| !derived.contains(&tx.hash()));
            self.take_back(stand.head.number)?;
        }
        let (checkpoint, notes) = derived?;
        fail_point("derived");
        self.stands.push(checkpoint)?;
        if checkpoint.closed {
            fail_point("close-stood");
        }
        notes.into_iter().for_each(|note| self.note(note));
        self.after_rebase()
    }

    /// Executes what L1 holds after a stand, up to L1 block `number`.
    fn derive(&mut self, stand: Checkpoint, number: u64) -> Result<(Checkpoint, Vec<Note>), SequencerError> {
        let mut derivation = Derivation::resume(self.info.clone(), stand);
        let blocks: Vec<L1Block> = self.window.blocks_from(derivation.next_l1()).cloned().collect();
        let mut notes = Vec::new();
        for block in blocks.into_iter().filter(|b| b.number <= number) {
            derivation.push(block).map_err(derive_error)?;
            self.step_all(&mut derivation, &mut notes)?;
        }
        let checkpoint = *derivation.checkpoint();
        if checkpoint.l1.number != number {
            return Err(SequencerError::Derive(format!("derivation stops at l1 block {}", checkpoint.l1.number)));
        }
        Ok((checkpoint, notes))
    }

    fn step_all(&mut self, derivation: &mut Derivation, notes: &mut Vec<Note>) -> Result<(), SequencerError> {
        let mut first_block = self.chain.head().header.number + 1;
        let mut before = self.derived.len();
        loop {
            match derivation.step(&mut self.chain).map_err(derive_error)? {
                Step::NeedL1 => return Ok(()),
                Step::Block(block) => {
                    tracing::info!(block = block.header.number, "derived from l1");
                    self.derived.extend(block.transactions.iter().map(|tx| tx.hash()));
                }
                Step::Reverted { reason, blocks } => {
                    tracing::warn!(reason, "a payload on l1 is invalid");
                    // They were durable, and what takes their numbers now is not yet. If there were none, the head may
                    // be a block of the batch before, which is not durable either.
                    self.shared.durable.fetch_min(self.chain.head().header.number, Ordering::AcqRel);
                    for tx in blocks.iter().flat_map(|block| &block.transactions) {
                        self.derived.remove(&tx.hash());
                    }
                }
                Step::BatchDone(outcome) => {
                    tracing::info!(seq = outcome.header.seq, invalid = ?outcome.invalid, "batch derived");
                    let (seq, last_block) = (outcome.header.seq, outcome.head.number);
                    let transactions = self.derived.len().saturating_sub(before) as u64;
                    let payload_bytes = self.window.batch_data(seq).map_or(0, payload_bytes);
                    notes.push(Note::Applied { seq, first_block, last_block, transactions, payload_bytes });
                    (first_block, before) = (last_block + 1, self.derived.len());
                }
                Step::Closed { head, .. } => {
                    tracing::info!(block = head.number, "close block derived");
                    fail_point("closed");
                }
                Step::L1Done(_) => {}
            }
        }
    }

    /// The stage by L1's time, and a note when it changes.
    pub(super) fn turn_stage(&mut self) {
        let (clock, stand) = (self.window.clock(), *self.stands.last());
        let l1_time = self.l1_time();
        self.stage = if stand.closed {
            Stage::Closed
        } else if l1_time >= clock.close_time {
            Stage::Closing
        } else if clock.frozen {
            Stage::Frozen
        } else if l1_time >= clock.end_time {
            Stage::Draining
        } else if stand.batch_seq == 0 {
            Stage::Created
        } else {
            Stage::Active
        };
    }

    /// Time of L1's head as followed.
    pub(super) fn l1_time(&self) -> u64 {
        self.window.head().map_or(0, |b| b.timestamp)
    }

    pub(super) fn note(&self, note: Note) {
        // Blocks only while the recorder is thousands of notes behind; it drops out at shutdown.
        if let Err(TrySendError::Full(note)) = self.notes.try_send(note) {
            let _ = self.notes.blocking_send(note);
        }
    }
}

/// The payload's size; that of the blobs if they hold none.
fn payload_bytes(data: &BatchData) -> u64 {
    match data {
        BatchData::None => 0,
        BatchData::Calldata(bytes) => bytes.len() as u64,
        BatchData::Blobs(blobs) => {
            let whole: usize = blobs.iter().map(|blob| blob.len()).sum();
            unpack_blobs(blobs).map_or(whole, |payload| payload.len()) as u64
        }
    }
}

fn derive_error(error: DeriveError) -> SequencerError {
    match error.severity() {
        // The window hands blocks over without a gap.
        Severity::Reset if !matches!(error, DeriveError::Gap { .. }) => SequencerError::L1(error.to_string()),
        Severity::Reset | Severity::Temporary | Severity::Critical => SequencerError::Derive(error.to_string()),
    }
}
