//! When the next block is due: at once while little arrives, a block time after the last one under load.

use std::time::{Duration, Instant};

/// Transactions of a block time that need not wait for its end. Above this rate each block would hold one or two, and
/// what a block costs by itself (roots, a header, a place in the log) would be most of the work.
const QUICK: u32 = 25;
/// So many at once, after some quiet.
const MOST_QUICK: i64 = 2 * QUICK as i64;
/// After a load, blocks keep their distance for at most so many block times.
const LONGEST_DEBT: i64 = 20 * QUICK as i64;

/// A budget of transactions that do not wait. It fills with time, and every block takes what it held.
#[derive(Debug)]
pub(super) struct Cadence {
    block_time: Duration,
    last: Option<Instant>,
    /// At `last`.
    quick: i64,
}

impl Cadence {
    pub(super) const fn new(block_time: Duration) -> Self {
        Self { block_time, last: None, quick: MOST_QUICK }
    }

    /// A block with so many transactions was sealed.
    pub(super) fn sealed(&mut self, at: Instant, transactions: usize) {
        let held = i64::try_from(transactions).unwrap_or(i64::MAX);
        self.quick = self.quick_at(at).saturating_sub(held).max(-LONGEST_DEBT);
        self.last = Some(at);
    }

    /// None could be: not again before a block time has passed.
    pub(super) fn missed(&mut self, at: Instant) {
        self.quick = self.quick_at(at).min(-i64::from(QUICK));
        self.last = Some(at);
    }

    /// When the next one is due; at once if there was none yet.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let last = self.last?;
        Some(if self.quick_at(now) > 0 { last } else { last + self.block_time })
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

    /// Blocks as soon as they are due, each with what arrived since the one before; returns how many in a second.
    fn blocks_at(per_second: u32) -> usize {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK_TIME);
        let (mut blocks, mut taken) = (0, 0);
        for us in 0..3_000_000u64 {
            let now = start + Duration::from_micros(us);
            let arrived = us * u64::from(per_second) / 1_000_000;
            if arrived > taken && cadence.next(now).is_none_or(|due| due <= now) {
                cadence.sealed(now, (arrived - taken) as usize);
                taken = arrived;
                // Not what came while it settled.
                blocks += usize::from(us >= 2_000_000);
            }
        }
        blocks
    }

    #[test]
    fn little_is_sealed_at_once_and_a_load_keeps_its_distance() {
        assert_eq!(blocks_at(100), 100);
        assert_eq!(blocks_at(1_000), 1_000);
        assert_eq!(blocks_at(5_000), 50);
        assert_eq!(blocks_at(100_000), 50);
    }

    #[test]
    fn after_a_load_it_is_quick_again_soon() {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK_TIME);
        assert_eq!(cadence.next(start), None);
        cadence.sealed(start, 1_000_000);
        assert_eq!(cadence.next(start), Some(start + BLOCK_TIME));
        let later = start + 20 * BLOCK_TIME;
        assert_eq!(cadence.next(later), Some(start + BLOCK_TIME));
        assert_eq!(cadence.next(later + BLOCK_TIME), Some(start));
    }

    #[test]
    fn an_attempt_that_made_no_block_waits_for_a_block_time() {
        let start = Instant::now();
        let mut cadence = Cadence::new(BLOCK_TIME);
        cadence.missed(start);
        let (soon, due) = (start + BLOCK_TIME * 19 / 20, start + BLOCK_TIME);
        assert_eq!((cadence.next(start), cadence.next(soon), cadence.next(due)), (Some(due), Some(due), Some(due)));
    }
}
