//! Answered transactions that the chain does not carry yet: what they spend came with a deposit that a reorganisation
//! took back, or they follow one of those.
//!
//! They stay in the rescue file. Whenever items of L1's queue have been executed they are put on the chain like all that
//! was taken back. Once L1 has grown by [`HOLD_L1_BLOCKS`] and the deposit is not there again, or the time in which
//! something can be put back is over, they are lost, each with its name and reason.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use alloy_primitives::B256;
use mayfly_evm::{RecoveredTx, Refusal};

use super::run::Executor;
use crate::error::SequencerError;
use crate::view::Stage;

/// A transaction that L1 lost is in one of its next blocks again, or nobody sends it any more.
const HOLD_L1_BLOCKS: u64 = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Held {
    transactions: Vec<(Arc<RecoveredTx>, String)>,
    /// The queue's executed end when they were refused.
    queue_end: u64,
    /// The last block of L1 that may bring what they spend.
    until: Option<u64>,
}

/// Whether a deposit, or a transaction that waits for one, can cure it.
pub(super) const fn may_pass_later(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::InsufficientFunds { .. } | Refusal::NonceTooHigh { .. })
}

impl Held {
    pub(super) const fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether the queue has brought something since.
    pub(super) const fn may_pass(&self, queue_end: u64) -> bool {
        !self.transactions.is_empty() && self.queue_end != queue_end
    }

    /// All of it is to be put back, before all else.
    pub(super) fn release(&mut self, rescued: &mut VecDeque<Arc<RecoveredTx>>) {
        for (tx, _) in self.transactions.drain(..).rev() {
            rescued.push_front(tx);
        }
    }

    /// What the chain has by now needs no holding.
    pub(super) fn forget(&mut self, has: &HashSet<B256>) {
        self.transactions.retain(|(tx, _)| !has.contains(&tx.hash()));
    }
}

impl Executor {
    /// Keeps what was refused at this end of the queue.
    pub(super) fn hold(&mut self, refused: Vec<(Arc<RecoveredTx>, String)>, queue_end: u64) {
        if refused.is_empty() {
            return;
        }
        tracing::warn!(transactions = refused.len(), "what was answered waits for deposits that l1 took back");
        let head = self.window.head().map_or(0, |head| head.number);
        self.held.until.get_or_insert(head + HOLD_L1_BLOCKS);
        self.held.queue_end = queue_end;
        self.held.transactions.extend(refused);
    }

    /// Gives up what was held for too long.
    pub(super) fn end_hold(&mut self) -> Result<(), SequencerError> {
        if self.held.transactions.is_empty() {
            if self.rescued.is_empty() {
                self.held.until = None;
            }
            return Ok(());
        }
        let l1 = self.window.head().map_or(0, |head| head.number);
        let is_over = matches!(self.stage, Stage::Frozen | Stage::Closing | Stage::Closed)
            || self.now().max(self.l1_time()) >= self.last_rescue()
            || self.held.until.is_some_and(|until| l1 > until);
        if !is_over {
            return Ok(());
        }
        for (tx, reason) in std::mem::take(&mut self.held).transactions {
            self.lose(tx.hash(), reason);
        }
        if self.rescued.is_empty() && self.rescue_until.is_none() { self.save_held() } else { Ok(()) }
    }

    /// Leaves in the rescue file what is held, and nothing else.
    pub(super) fn save_held(&self) -> Result<(), SequencerError> {
        let raws: Vec<Vec<u8>> = self.held.transactions.iter().map(|(tx, _)| tx.tx.encode_2718()).collect();
        self.rescue_file.store(&raws)
    }
}
