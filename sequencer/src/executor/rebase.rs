//! Giving way to L1 without forgetting an answer: what is taken off the chain is kept on disk and put on it again.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mayfly_evm::{RecoveredTx, SealedBlock};
use mayfly_fail::fail_point;
use mayfly_rollup::derive::{Position, payload_blocks};

use super::build::chain_error;
use super::run::{Executor, GoOn};
use super::window::Window;
use crate::error::SequencerError;
use crate::unposted::UnpostedBlock;
use crate::view::Stage;

impl Executor {
    /// L1 went back to block `common`. If that is before all that is remembered, or the mirror has lost its place, L1 is
    /// read again from the oldest stand that holds, as after a restart.
    pub(super) fn on_reorg(&mut self, common: u64, reopen: bool) -> Result<GoOn, SequencerError> {
        tracing::warn!(common, reopen, "l1 reorganised");
        let refused = self.shared.refused.lock().take();
        let reopen = reopen || refused.is_some() || common < self.stands.first().l1.number;
        self.stands.go_back(common)?;
        self.generation += 1;
        let stand = *self.stands.last();
        if reopen {
            let first = *self.stands.first();
            self.window = Window::new(&first);
            self.synced = false;
            self.shared.unposted.lock().clear();
            self.pause = self.find_pause();
            self.publish();
            let from = first.replay_from().max(self.info.l1_number);
            return Ok(GoOn { from: Some(from), settled: stand.l1.number });
        }
        self.window.truncate(common);
        // Blocks that name an origin above the fork, or were derived from batches that are gone and are not the
        // payload's own, are built again. What stays is unposted again.
        // Before L1 is read to its head that cannot be said; then it is said at the head.
        let head = self.chain.head().header.number;
        let keep = if self.synced { self.last_sound(stand.head.number)? } else { head };
        if keep < head {
            self.take_back(keep)?;
            self.after_rebase()?;
        } else {
            self.rebuild_unposted()?;
        }
        self.turn_stage();
        self.publish();
        Ok(GoOn { from: None, settled: stand.l1.number })
    }

    /// The head of L1 is reached: from here on blocks may be built.
    pub(super) fn on_caught_up(&mut self) -> Result<(), SequencerError> {
        if let Some(head) = self.window.head() {
            let (slot, now) = (self.window.slot_seconds(), self.clock.unix().as_secs());
            self.lead.look(head.number, head.timestamp, slot, now);
        }
        if self.synced {
            return Ok(());
        }
        fail_point("caught-up");
        let stand = *self.stands.last();
        let keep = self.last_sound(stand.head.number)?;
        if keep < self.chain.head().header.number {
            tracing::warn!(keep, "blocks do not fit l1 any more");
            self.take_back(keep)?;
            self.after_rebase()?;
        } else if self.rescued.is_empty() {
            self.rebuild_unposted()?;
        } else {
            self.after_rebase()?;
        }
        self.synced = true;
        fail_point("in-step");
        tracing::info!(head = self.chain.head().header.number, posted = stand.head.number, "in step with l1");
        Ok(())
    }

    /// The last block from `from` on whose inputs are still those that L1 gives.
    fn last_sound(&self, from: u64) -> Result<u64, SequencerError> {
        let mut sound = from;
        let mut parent = self.block(from)?;
        while sound < self.chain.head().header.number {
            let block = self.block(sound + 1)?;
            if !self.is_sound(&parent, &block) {
                break;
            }
            sound += 1;
            parent = block;
        }
        Ok(sound)
    }

    fn is_sound(&self, parent: &SealedBlock, block: &Arc<SealedBlock>) -> bool {
        let header = &block.header;
        let (Some(before), Some(at)) = (Position::of(&parent.header), Position::of(header)) else { return false };
        let Some(l1) = self.window.block(at.origin) else { return false };
        let origin = l1.origin();
        header.mix_hash == origin.prev_randao
            && header.parent_beacon_block_root == Some(origin.parent_beacon_root)
            && header.timestamp >= origin.timestamp
            && header.timestamp <= origin.timestamp.saturating_add(self.terms.max_drift)
            && at.queue_end >= before.queue_end
            && self.window.items(before.queue_end, at.origin).take_while(|i| i.index < at.queue_end).count() as u64
                == at.queue_end - before.queue_end
            && self.unposted_block(parent, block).is_ok()
    }

    /// Removes the blocks above `number`; their transactions go to the rescue, on disk before anything is undone.
    pub(super) fn take_back(&mut self, number: u64) -> Result<(), SequencerError> {
        let head = self.chain.head().header.number;
        if head == number {
            return Ok(());
        }
        self.chain.flush().map_err(chain_error)?;
        self.generation += 1;
        self.shared.metrics.rebases.inc();
        let mut taken: Vec<Arc<RecoveredTx>> = Vec::new();
        for at in number + 1..=head {
            let block = self.block(at)?;
            taken.extend(block.transactions.iter().filter(|tx| !tx.tx.is_deposit()).cloned());
        }
        tracing::warn!(from = head, to = number, transactions = taken.len(), "taking blocks back");
        self.held.release(&mut self.rescued);
        self.held.begin_anew();
        taken.extend(self.rescued.drain(..));
        self.rescued = taken.into();
        self.rescue_until = None;
        self.save_rescued()?;
        fail_point("rescue-saved");
        self.derived.clear();
        self.shared.unposted.lock().clear();
        self.chain.revert_to(number).map_err(chain_error)?;
        self.shared.durable.store(number, Ordering::Release);
        fail_point("reverted");
        Ok(())
    }

    /// After blocks were taken back and others derived: what is still to be put back, and the pool in line.
    pub(super) fn after_rebase(&mut self) -> Result<(), SequencerError> {
        let derived: HashSet<_> = std::mem::take(&mut self.derived);
        self.rescued.retain(|tx| !derived.contains(&tx.hash()));
        self.held.forget(&derived);
        self.rebuild_unposted()?;
        self.turn_stage();
        if matches!(self.stage, Stage::Frozen | Stage::Closing | Stage::Closed) {
            for tx in std::mem::take(&mut self.rescued) {
                self.lose(tx.hash(), format!("the rollup is {} and its batch is not on l1", self.stage.name()));
            }
        }
        if self.rescued.is_empty() {
            self.chain.flush().map_err(chain_error)?;
            self.save_rescued()?;
        }
        self.realign_pool();
        self.publish();
        Ok(())
    }

    /// The rescue is over once its last block is durable.
    pub(super) fn end_rescue(&mut self) -> Result<(), SequencerError> {
        let Some(until) = self.rescue_until else { return Ok(()) };
        if self.shared.durable.load(Ordering::Acquire) >= until {
            fail_point("rescue-done");
            self.save_rescued()?;
            self.rescue_until = None;
        }
        Ok(())
    }

    /// What a rebase left that did not finish. Transactions that made it into the chain are found there.
    pub(super) fn load_rescued(&mut self) -> Result<(), SequencerError> {
        let loaded = self.rescue_file.load()?;
        for raw in loaded.raws {
            let tx = RecoveredTx::decode(&raw)
                .map_err(|e| SequencerError::Rescue { path: "rescue file".to_owned(), reason: e.to_string() })?;
            if self.shared.reader.tx_location(&tx.hash()).map_err(chain_error)?.is_none() {
                self.rescued.push_back(Arc::new(tx));
            }
        }
        for hash in loaded.gone {
            if self.shared.reader.tx_location(&hash).map_err(chain_error)?.is_none() {
                self.lose(hash, "the file that kept it was damaged".to_owned());
            }
        }
        if loaded.is_damaged {
            self.save_rescued()?;
        }
        if !self.rescued.is_empty() {
            tracing::warn!(transactions = self.rescued.len(), "putting back what an interrupted rebase took");
        }
        Ok(())
    }

    /// What is not on the chain stands in the file: what is to be put back, and what is held.
    pub(super) fn save_rescued(&self) -> Result<(), SequencerError> {
        let rescued = self.rescued.iter().map(|tx| tx.tx.encode_2718());
        self.rescue_file.store(&self.held.raws().chain(rescued).collect::<Vec<_>>())
    }

    /// Lists the blocks after the last one on L1 again.
    /// Before L1 is read to its head, only as far as L1 is known.
    pub(super) fn rebuild_unposted(&mut self) -> Result<(), SequencerError> {
        let posted = self.stands.last().head.number;
        let mut list = Vec::new();
        let mut parent = self.block(posted)?;
        for number in posted + 1..=self.chain.head().header.number {
            let block = self.block(number)?;
            match self.unposted_block(&parent, &block) {
                Ok(row) => list.push(row),
                Err(_) if !self.synced => break,
                Err(error) => return Err(error),
            }
            parent = block;
        }
        let mut unposted = self.shared.unposted.lock();
        unposted.clear();
        self.crowded = false;
        list.into_iter().for_each(|block| unposted.push(block));
        Ok(())
    }

    fn unposted_block(&self, parent: &SealedBlock, block: &Arc<SealedBlock>) -> Result<UnpostedBlock, SequencerError> {
        let missing = || SequencerError::Derive(format!("block {} carries no position", block.header.number));
        let (before, at) = (Position::of(&parent.header), Position::of(&block.header));
        let (before, at) = (before.ok_or_else(missing)?, at.ok_or_else(missing)?);
        let items: Vec<_> = (before.queue_end..at.queue_end).filter_map(|i| self.window.item(i).cloned()).collect();
        let row =
            payload_blocks(&self.info, parent, block, &items).map_err(|e| SequencerError::Derive(e.to_string()))?;
        let from_queue = block.transactions.len() - row.transactions.len();
        Ok(UnpostedBlock::new(block, at.origin, (at.queue_end, items.len() as u32), from_queue))
    }

    /// A block of the chain, durable or not.
    pub(super) fn block(&self, number: u64) -> Result<Arc<SealedBlock>, SequencerError> {
        if self.chain.head().header.number == number {
            return Ok(Arc::clone(self.chain.head()));
        }
        if number > self.shared.durable.load(Ordering::Acquire) {
            self.chain.flush().map_err(chain_error)?;
        }
        let block = self.shared.reader.block_by_number(number).map_err(chain_error)?;
        block.ok_or_else(|| SequencerError::Chain(format!("block {number} is missing")))
    }
}
