//! How much may be unposted: what L1 takes before the rollup can close, as if nothing compressed.
//!
//! Batches go one after the other, since each names the one before. What is answered and in no batch by the close is
//! gone, so no more is answered than the time left has room for, at the speed that L1 shows.

use std::collections::VecDeque;

use super::run::Executor;
use crate::view::PauseReason;

/// So many batches say how fast L1 takes them.
const REMEMBERED: usize = 4;
/// With less than one part of so many of a batch left, nothing is taken until there is more.
const LEAST_ROOM: usize = 16;

/// How long batches take when more is there to be posted. Times in seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct PostingPace {
    /// Since when a batch is due and not on L1.
    since: Option<u64>,
    took: VecDeque<u64>,
}

impl PostingPace {
    /// Whether a batch is due at `now`.
    pub(super) fn look(&mut self, now: u64, due: bool) {
        self.since = if due { self.since.or(Some(now)) } else { None };
    }

    /// One is on L1, in a block of this time.
    pub(super) fn posted(&mut self, l1_time: u64) {
        if let Some(since) = self.since.replace(l1_time) {
            self.took.push_back(l1_time.saturating_sub(since));
            if self.took.len() > REMEMBERED {
                self.took.pop_front();
            }
        }
    }

    /// What the next one is expected to take: as long as the slowest of the last ones, or the one under way.
    fn seconds(&self, now: u64, slot_seconds: u64) -> u64 {
        let under_way = self.since.map_or(0, |since| now.saturating_sub(since));
        self.took.iter().copied().max().unwrap_or(0).max(under_way).max(slot_seconds)
    }

    /// How many batches L1 takes from `now` until `until`. At least one, which goes into the post margin.
    fn batches(&self, now: u64, until: u64, slot_seconds: u64) -> u64 {
        (until.saturating_sub(now) / self.seconds(now, slot_seconds).max(1)).max(1)
    }
}

impl Executor {
    /// The last call, if the organiser ended the rollup now.
    fn next_last_call(&self, now: u64) -> u64 {
        let drained = now.saturating_add(self.info.config.drain).saturating_sub(self.settings.post_margin_seconds);
        if now < self.window.clock().end_time { self.last_call().min(drained) } else { self.last_call() }
    }

    /// How many batches L1 takes before it.
    pub(super) fn batches_left(&self) -> u64 {
        let now = self.now().max(self.l1_time());
        self.posting.batches(now, self.next_last_call(now), self.window.slot_seconds())
    }

    /// How large the next block may be, in a payload, so that it can be posted before the close.
    pub(super) fn room_for_block(&self) -> usize {
        self.shared.unposted.lock().packing().room(self.batches_left())
    }

    /// Why the pool offers nothing, if L1 could not take more in time.
    pub(super) fn too_much_unposted(&self) -> Option<PauseReason> {
        if self.room_for_block() >= self.terms.da.batch_bytes() / LEAST_ROOM {
            return None;
        }
        let now = self.now().max(self.l1_time());
        let (batches, max_batches) = (self.shared.unposted.lock().packing().batches(), self.batches_left());
        let seconds = self.next_last_call(now).saturating_sub(now);
        Some(PauseReason::CloseNear { batches, max_batches, seconds })
    }

    /// Looks whether a batch is due.
    pub(super) fn time_posting(&mut self) {
        let is_old = self.unposted_seconds() >= self.settings.max_unposted_seconds;
        let due = is_old || self.shared.unposted.lock().packing().batches() > 1;
        self.posting.look(self.now().max(self.l1_time()), due && self.synced);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: u64 = 12;

    #[test]
    fn an_l1_that_was_not_seen_at_work_takes_a_batch_in_a_block() {
        let pace = PostingPace::default();
        assert_eq!(pace.batches(1_000, 1_000 + 10 * SLOT, SLOT), 10);
        assert_eq!(pace.batches(1_000, 1_000 + 2 * SLOT - 1, SLOT), 1);
        assert_eq!(pace.batches(1_000, 900, SLOT), 1, "the last one, in the margin");
    }

    #[test]
    fn the_slowest_of_the_last_batches_counts() {
        let mut pace = PostingPace::default();
        pace.look(100, true);
        pace.posted(148);
        assert_eq!(pace.seconds(148, SLOT), 48);
        for n in 1..=3 {
            pace.posted(148 + n * SLOT);
            assert_eq!(pace.seconds(148 + n * SLOT, SLOT), 48, "{n}");
        }
        pace.posted(148 + 4 * SLOT);
        assert_eq!(pace.seconds(148 + 4 * SLOT, SLOT), SLOT, "forgotten");
    }

    #[test]
    fn one_that_does_not_come_counts_as_it_waits_and_none_due_does_not() {
        let mut pace = PostingPace::default();
        pace.look(100, true);
        pace.look(160, true);
        assert_eq!((pace.seconds(160, SLOT), pace.batches(160, 400, SLOT)), (60, 4));
        pace.posted(172);
        pace.look(173, false);
        assert_eq!(pace.seconds(999, SLOT), 72);
        // Posted long after, for its age: nothing was due meanwhile but it.
        pace.look(1_000, true);
        pace.posted(1_010);
        assert_eq!(pace.took, [72, 10]);
    }
}
