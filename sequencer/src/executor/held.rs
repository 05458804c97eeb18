//! Answered transactions that the chain does not carry yet: what they spend came with a deposit that a reorganisation
//! took back, or they follow one of those.
//!
//! They stay in the rescue file, and their nonces are taken. Whenever items of L1's queue have been executed they are
//! put on the chain like all that was taken back. Once every item of [`HOLD_L1_BLOCKS`] more blocks of L1 was executed
//! and the deposit was not there, or the time in which something can be put back is over, they are lost, each with its
//! name and reason. They are as many as were taken back at most, which `max_unposted_bytes` bounds.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use mayfly_evm::{RecoveredTx, Refusal};

use super::build::chain_error;
use super::run::Executor;
use crate::error::{SequencerError, SubmitError};
use crate::pool::Pooled;
use crate::view::Stage;

/// A transaction that L1 lost is in one of its next blocks again, or nobody sends it any more.
const HOLD_L1_BLOCKS: u64 = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Held {
    transactions: Vec<(Arc<RecoveredTx>, String)>,
    /// The queue's executed end when they were refused.
    queue_end: u64,
    /// The last block of L1 that may bring what each spends; of those that are being put back as well.
    until: HashMap<B256, u64>,
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

    /// L1 changed its mind again: every term begins anew.
    pub(super) fn begin_anew(&mut self) {
        self.until.clear();
    }

    /// What the chain has by now needs no holding.
    pub(super) fn forget(&mut self, has: &HashSet<B256>) {
        self.transactions.retain(|(tx, _)| !has.contains(&tx.hash()));
    }

    /// The nonce after a sender's held transactions; `None` if it has none.
    pub(super) fn next_nonce(&self, sender: &Address) -> Option<u64> {
        let own = self.transactions.iter().filter(|(tx, _)| tx.sender == *sender);
        own.map(|(tx, _)| tx.tx.nonce().saturating_add(1)).max()
    }

    /// Refuses what would take a held transaction's place.
    pub(super) fn check(&self, pooled: &Pooled) -> Result<(), SubmitError> {
        if self.transactions.iter().any(|(tx, _)| tx.hash() == pooled.hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        match self.next_nonce(&pooled.sender) {
            Some(state) if pooled.nonce < state => Err(SubmitError::NonceTooLow { tx: pooled.nonce, state }),
            _ => Ok(()),
        }
    }

    /// Raw, for the rescue file.
    pub(super) fn raws(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.transactions.iter().map(|(tx, _)| tx.tx.encode_2718())
    }
}

impl Executor {
    /// Keeps what was refused at this end of the queue.
    pub(super) fn hold(&mut self, refused: Vec<(Arc<RecoveredTx>, String)>, queue_end: u64) {
        if refused.is_empty() {
            return;
        }
        tracing::warn!(transactions = refused.len(), "what was answered waits for deposits that l1 took back");
        let last = self.window.head().map_or(0, |head| head.number) + HOLD_L1_BLOCKS;
        for (tx, _) in &refused {
            self.held.until.entry(tx.hash()).or_insert(last);
        }
        self.held.queue_end = queue_end;
        self.held.transactions.extend(refused);
    }

    /// Gives up what was held for too long.
    pub(super) fn end_hold(&mut self) -> Result<(), SequencerError> {
        if self.held.transactions.is_empty() {
            if self.rescued.is_empty() {
                self.held.until.clear();
            }
            return Ok(());
        }
        let is_late = matches!(self.stage, Stage::Frozen | Stage::Closing | Stage::Closed)
            || self.now().max(self.l1_time()) >= self.last_rescue();
        // How far L1's queue has been executed; nowhere while nothing is built.
        let executed = self.window.deep(self.terms.conf_depth).map_or(0, |origin| origin.number);
        let executed = if self.pause.is_none() && !self.has_items() { executed } else { 0 };
        let is_over = |hash: &B256| is_late || self.held.until.get(hash).is_some_and(|until| executed > *until);
        let (over, kept): (Vec<_>, Vec<_>) =
            self.held.transactions.iter().cloned().partition(|(tx, _)| is_over(&tx.hash()));
        if over.is_empty() {
            return Ok(());
        }
        self.held.transactions = kept;
        for (tx, reason) in over {
            if self.shared.reader.tx_location(&tx.hash()).map_err(chain_error)?.is_none() {
                self.lose(tx.hash(), reason);
            }
        }
        // What was put back and is not durable stands in the file too: then it is written when the rescue ends.
        if self.rescued.is_empty() && self.rescue_until.is_none() { self.save_rescued() } else { Ok(()) }
    }
}
