//! How fast L1 takes batches. They go one after the other, since each names the one before.

use std::collections::VecDeque;

/// So many batches say how fast L1 takes them,
const REMEMBERED: usize = 4;
/// each for so many times as long as it took,
const BELIEVED: u64 = 4;
/// and no longer than this: what held L1 up once says nothing of later.
const MOST_BELIEVED: u64 = 300;

/// A batch that was wanted, and is on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Posted {
    at: u64,
    took: u64,
}

impl Posted {
    fn counts(&self, now: u64) -> bool {
        now.saturating_sub(self.at) < self.took.saturating_mul(BELIEVED).min(MOST_BELIEVED)
    }
}

/// See the module. The poster says when it wants a batch on L1, the executor when it is there. Times in seconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct PostingPace {
    /// Since when a batch is wanted and not on L1.
    since: Option<u64>,
    posted: VecDeque<Posted>,
}

impl PostingPace {
    /// Whether one is wanted at `now`, or under way.
    pub(crate) fn wanted(&mut self, now: u64, is_wanted: bool) {
        self.since = if is_wanted { self.since.or(Some(now)) } else { None };
    }

    /// One is on L1, in a block of this time.
    pub(crate) fn posted(&mut self, l1_time: u64) {
        if let Some(since) = self.since.replace(l1_time).filter(|since| *since < l1_time) {
            self.posted.push_back(Posted { at: l1_time, took: l1_time - since });
            if self.posted.len() > REMEMBERED {
                self.posted.pop_front();
            }
        }
    }

    /// What the next one is expected to take: as long as the slowest of the last ones, or the one under way; two blocks
    /// of L1 where nothing is known.
    fn seconds(&self, now: u64, slot_seconds: u64) -> u64 {
        let under_way = self.since.map_or(0, |since| now.saturating_sub(since));
        let last = self.posted.iter().filter(|posted| posted.counts(now)).map(|posted| posted.took);
        last.max().unwrap_or(2 * slot_seconds).max(under_way).max(slot_seconds).max(1)
    }

    /// How many batches L1 takes from `now` until `last_call`, or one after it: but no more than until `close`, where the
    /// newest blocks wait for a block of L1 first, and one that is under way takes its time and may be small.
    pub(crate) fn batches(&self, now: u64, last_call: u64, close: u64, slot_seconds: u64) -> u64 {
        let each = self.seconds(now, slot_seconds);
        let by_last_call = (last_call.saturating_sub(now) / each).max(1);
        let by_close = (close.saturating_sub(now).saturating_sub(slot_seconds) / each).saturating_sub(1);
        by_last_call.min(by_close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: u64 = 12;

    /// At 1,000, with so many seconds until the last call and the close.
    fn batches(pace: &PostingPace, last_call: i64, close: u64) -> u64 {
        pace.batches(1_000, 1_000u64.saturating_add_signed(last_call), 1_000 + close, SLOT)
    }

    fn measured(seconds: u64) -> PostingPace {
        PostingPace { since: None, posted: [Posted { at: 1_000, took: seconds }].into() }
    }

    #[test]
    fn an_l1_that_was_not_seen_at_work_takes_a_batch_in_two_blocks() {
        assert_eq!(batches(&PostingPace::default(), 240, 300), 10);
        assert_eq!(batches(&measured(SLOT), 240, 300), 20);
    }

    #[test]
    fn the_last_one_goes_into_the_margin_if_there_is_time() {
        assert_eq!(batches(&measured(SLOT), 23, 83), 1);
        assert_eq!(batches(&measured(SLOT), -1, 59), 1);
        // A block of L1, the one under way, and this one.
        assert_eq!([35, 36].map(|close| batches(&measured(SLOT), -30, close)), [0, 1]);
        assert_eq!([191, 192].map(|close| batches(&measured(90), 100, close)), [0, 1]);
    }

    #[test]
    fn the_slowest_of_the_last_batches_counts() {
        let mut pace = PostingPace::default();
        pace.wanted(100, true);
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
    fn a_stall_of_a_night_is_not_held_against_l1_for_long() {
        let mut pace = PostingPace::default();
        pace.wanted(100, true);
        pace.posted(30_000);
        pace.wanted(30_001, false);
        assert_eq!([30_299, 30_300].map(|now| pace.batches(now, now + 3_540, now + 3_600, SLOT)), [0, 147]);
    }

    #[test]
    fn one_that_does_not_come_counts_as_it_waits_and_none_wanted_does_not() {
        let mut pace = PostingPace::default();
        pace.wanted(100, true);
        pace.wanted(160, true);
        assert_eq!(pace.seconds(160, SLOT), 60);
        pace.posted(172);
        pace.wanted(173, false);
        assert_eq!(pace.seconds(999, SLOT), 2 * SLOT, "long ago");
        assert_eq!([172 + 287, 172 + 288].map(|now| pace.seconds(now, SLOT)), [72, 2 * SLOT]);
        pace.wanted(1_000, true);
        pace.posted(1_010);
        let took = |pace: &PostingPace| pace.posted.iter().map(|posted| posted.took).collect::<Vec<_>>();
        assert_eq!(took(&pace), [72, 10]);
        // Seen before it was known to be wanted.
        pace.wanted(1_011, false);
        pace.wanted(1_013, true);
        pace.posted(1_012);
        assert_eq!(took(&pace), [72, 10]);
    }
}
