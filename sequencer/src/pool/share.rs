//! What one origin holds of the pool, and lines that can be left from the middle.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;

/// The part of the pool that came from one origin.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// How many transactions.
    pub(super) held: usize,
    /// Its senders by how much they hold.
    pub(super) by_count: BTreeSet<(usize, Address)>,
    /// Which of the pool's parked transactions are its own.
    pub(super) parked: BTreeSet<u64>,
    /// Its senders who can be served, in turn.
    pub(super) line: Line<Address>,
    /// Its own place among the origins, while some sender stands in `line`.
    pub(super) turn: Option<i64>,
}

/// Who waits, in turn. A place is known by its number.
#[derive(Debug)]
pub(super) struct Line<T>(BTreeMap<i64, T>);

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Copy> Line<T> {
    /// Takes the last place.
    pub(super) fn join(&mut self, who: T) -> i64 {
        let turn = self.0.last_key_value().map_or(0, |(last, _)| last + 1);
        self.0.insert(turn, who);
        turn
    }

    /// Takes the first place.
    pub(super) fn join_first(&mut self, who: T) -> i64 {
        let turn = self.0.first_key_value().map_or(0, |(first, _)| first - 1);
        self.0.insert(turn, who);
        turn
    }

    pub(super) fn leave(&mut self, turn: i64) {
        self.0.remove(&turn);
    }

    pub(super) fn first(&self) -> Option<T> {
        self.0.first_key_value().map(|(_, who)| *who)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
