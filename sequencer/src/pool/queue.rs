//! One sender's transactions by nonce.

use std::collections::BTreeMap;
use std::ops::Range;

use alloy_primitives::{B256, U256};

use super::turn::Pooled;
use crate::origin::Origin;

/// The waiting transactions of one sender. `next` is the nonce that can run now; up to `gap` nothing is missing.
/// All count as the origin's from which the first of them came.
#[derive(Debug)]
pub(super) struct SenderQueue {
    pub(super) origin: Origin,
    pub(super) next: u64,
    pub(super) transactions: BTreeMap<u64, Pooled>,
    pub(super) cost: U256,
    /// The sender's place in the line of those who can be served.
    pub(super) turn: Option<i64>,
    gap: u64,
    settled_next: u64,
    lowest_removed: u64,
}

/// What a change of the first gap means for those behind and before it.
pub(super) struct Shift {
    pub(super) parks: Vec<B256>,
    pub(super) frees: Vec<B256>,
}

impl SenderQueue {
    pub(super) fn at(next: u64, origin: Origin) -> Self {
        Self {
            origin,
            next,
            transactions: BTreeMap::new(),
            cost: U256::ZERO,
            turn: None,
            gap: next,
            settled_next: next,
            lowest_removed: u64::MAX,
        }
    }

    pub(super) fn add(&mut self, pooled: Pooled) -> Option<Pooled> {
        self.cost = self.cost.saturating_add(pooled.cost);
        let replaced = self.transactions.insert(pooled.nonce, pooled);
        if let Some(old) = &replaced {
            self.cost = self.cost.saturating_sub(old.cost);
        }
        replaced
    }

    pub(super) fn remove(&mut self, nonce: u64) -> Option<Pooled> {
        let pooled = self.transactions.remove(&nonce)?;
        self.cost = self.cost.saturating_sub(pooled.cost);
        self.lowest_removed = self.lowest_removed.min(nonce);
        Some(pooled)
    }

    /// The first nonce at or after `next` for which nothing waits, as of the last [`SenderQueue::settle`].
    pub(super) fn gap(&self) -> u64 {
        self.gap
    }

    pub(super) fn can_run(&self) -> bool {
        self.transactions.contains_key(&self.next)
    }

    pub(super) fn last_nonce(&self) -> Option<u64> {
        self.transactions.last_key_value().map(|(nonce, _)| *nonce)
    }

    /// Finds the gap again after changes, walking over what is new only; `added` is a nonce just put in.
    pub(super) fn settle(&mut self, added: Option<u64>) -> Shift {
        let old = self.gap;
        let removed = self.lowest_removed;
        let mut gap = if self.next < self.settled_next {
            self.next
        } else if removed >= self.next && removed < old {
            removed
        } else {
            old.max(self.next)
        };
        while self.transactions.contains_key(&gap) {
            gap += 1;
        }
        self.gap = gap;
        self.settled_next = self.next;
        self.lowest_removed = u64::MAX;
        let mut parks = self.hashes(gap..old.max(gap));
        if let Some(pooled) = added.filter(|n| *n > gap).and_then(|n| self.transactions.get(&n)) {
            parks.push(pooled.hash);
        }
        Shift { parks, frees: self.hashes(old.min(gap)..gap) }
    }

    fn hashes(&self, range: Range<u64>) -> Vec<B256> {
        self.transactions.range(range).map(|(_, pooled)| pooled.hash).collect()
    }
}
