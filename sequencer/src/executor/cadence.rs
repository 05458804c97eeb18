//! When the next block is due: at once while little arrives, half a block time after the last one under load, a whole one
//! where blocks take long to build.

use std::time::{Duration, Instant};

/// Transactions of a block time that need not wait for its end, on and on. With more, what a block costs by itself (roots,
/// a header, a place in the log, a message to every subscriber) would be most of the work.
const QUICK: u32 = 12;
/// So many after some quiet.
const MOST_QUICK: i64 = 1_000;
/// After a load, blocks keep their distance for at most so many block times.
const LONGEST_DEBT: i64 = 20 * QUICK as i64;
/// Building takes one part of so many of the time, unless blocks are a block time apart already.
const EFFORT: u32 = 3;

/// A budget of transactions that do not wait. It fills with time, and every block takes what it held.
#[derive(Debug)]
pub(super) struct Cadence {
    block_time: Duration,
    last: Option<Instant>,
    /// At `last`.
    quick: i64,
    /// How far the next block is from the last one under load.
    distance: Duration,
}

impl Cadence {
    pub(super) const fn new(block_time: Duration) -> Self {
        Self { block_time, last: None, quick: MOST_QUICK, distance: block_time }
    }

    /// A block with so many transactions was begun at `at`, and sealed after `took`.
    pub(super) fn sealed(&mut self, at: Instant, took: Duration, transactions: usize) {
        let held = i64::try_from(transactions).unwrap_or(i64::MAX);
        self.quick = self.quick_at(at).saturating_sub(held).max(-LONGEST_DEBT);
        self.last = Some(at);
        self.distance = took.saturating_mul(EFFORT).clamp(self.block_time / 2, self.block_time);
    }

    /// None could be: not again before a block time has passed.
    pub(super) fn missed(&mut self, at: Instant) {
        self.quick = self.quick_at(at).min(-i64::from(QUICK));
        self.last = Some(at);
        self.distance = self.block_time;
    }

    /// When the next one is due; at once if there was none yet.
    pub(super) fn next(&self) -> Option<Instant> {
        let last = self.last?;
        // One more than nothing.
        let missing = u32::try_from(1 - self.quick.min(1)).unwrap_or(u32::MAX);
        Some(last + self.distance.min(self.block_time * missing / QUICK))
    }

    fn quick_at(&self, now: Instant) -> i64 {
        let Some(last) = self.last else { return self.quick };
        let elapsed = now.saturating_duration_since(last).as_micros();
        let gained = elapsed * u128::from(QUICK) / self.block_time.as_micros().max(1);
        self.quick.saturating_add(i64::try_from(gained).unwrap_or(i64::MAX)).min(MOST_QUICK)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BLOCK_TIME: Duration = Duration::from_millis(20);

    /// Blocks as soon as they are due, each with what arrived since the one before, at so many microseconds a transaction;
    /// returns how many in a second.
    fn blocks_at(per_second: u32, us_each: u64) -> usize {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK_TIME);
        let (mut blocks, mut taken) = (0, 0);
        for us in 0..9_000_000u64 {
            let now = start + Duration::from_micros(us);
            let arrived = us * u64::from(per_second) / 1_000_000;
            if arrived > taken && cadence.next().is_none_or(|due| due <= now) {
                let took = Duration::from_micros((arrived - taken) * us_each);
                cadence.sealed(now, took, (arrived - taken) as usize);
                taken = arrived;
                // Not what came while it settled.
                blocks += usize::from(us >= 8_000_000);
            }
        }
        blocks
    }

    #[test]
    fn little_is_sealed_at_once_and_a_load_keeps_its_distance() {
        assert_eq!(blocks_at(20, 20), 20);
        assert_eq!(blocks_at(450, 20), 450);
        assert_eq!(blocks_at(5_000, 20), 100);
        // Building takes more than a third of the time.
        assert_eq!((blocks_at(16_000, 20), blocks_at(17_500, 20)), (100, 50));
        assert_eq!(blocks_at(100_000, 20), 50);
    }

    #[test]
    fn after_a_load_it_is_quick_again_soon() {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK_TIME);
        assert_eq!(cadence.next(), None);
        cadence.sealed(start, BLOCK_TIME, 1_000_000);
        assert_eq!(cadence.next(), Some(start + BLOCK_TIME));
        // A debt of twenty block times, and what makes up for this block.
        let later = start + 21 * BLOCK_TIME;
        cadence.sealed(later, Duration::ZERO, 1);
        assert_eq!(cadence.next(), Some(later));
    }

    #[test]
    fn who_sends_one_after_the_other_is_answered_at_once_for_a_long_while() {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK_TIME);
        for number in 0..999 {
            cadence.sealed(start, Duration::ZERO, 1);
            assert_eq!(cadence.next(), Some(start), "{number}");
        }
        // Then each takes its share of a block time.
        cadence.sealed(start, Duration::ZERO, 1);
        assert_eq!(cadence.next(), Some(start + BLOCK_TIME / QUICK));
    }

    #[test]
    fn an_attempt_that_made_no_block_waits_for_a_block_time() {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK_TIME);
        cadence.missed(start);
        assert_eq!(cadence.next(), Some(start + BLOCK_TIME));
    }
}
