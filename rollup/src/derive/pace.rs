//! How much work a stretch of rollup time may hold, so that nobody who derives the chain falls behind it.
//!
//! The gas limit bounds a block and not how many there are: a sequencer could post hours of execution in one batch. So
//! every block, by its timestamp, falls into a window, and all blocks of a window together may not cost more gas than
//! its seconds allow. Timestamps lie between the parent's and L1's, so work never runs ahead of L1's clock.

use mayfly_evm::SealedBlock;
use serde::{Deserialize, Serialize};

/// Seconds of a window; it starts at a multiple of them.
pub const WINDOW_SECONDS: u64 = 16;
/// Gas a second: ten thousand transfers of a token take 350 million.
pub const GAS_PER_SECOND: u64 = 1 << 29;
/// What a block costs besides the gas it uses: roots, header, its place in the log.
pub const BLOCK_COST: u64 = 1 << 17;
/// What recovering a sender costs.
pub const SIGNATURE_COST: u64 = 1 << 15;

/// Work in vain is waited for so many times as long as other work.
const WASTE_FACTOR: u64 = 4;
const WINDOW_GAS: u64 = WINDOW_SECONDS * GAS_PER_SECOND;

/// What the blocks of one window cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// The window of the last block.
    window: u64,
    /// What it cost up to that block.
    gas: u64,
}

impl Pace {
    /// The most gas that the next block may use if it has this timestamp; `None` if there may be no block.
    pub const fn left(&self, timestamp: u64) -> Option<u64> {
        match WINDOW_GAS.checked_sub(self.spent(timestamp)) {
            Some(left) => left.checked_sub(BLOCK_COST),
            None => None,
        }
    }

    /// The gas that the next block may use by a clock that shows this timestamp, so that a flood never uses up a window
    /// long before its end: what its seconds so far allow, and `ahead` more.
    pub const fn left_by_now(&self, timestamp: u64, ahead: u64) -> u64 {
        let by_now = (timestamp % WINDOW_SECONDS + ahead) * GAS_PER_SECOND;
        by_now.saturating_sub(self.spent(timestamp) + BLOCK_COST)
    }

    /// With a block more.
    pub const fn after(self, timestamp: u64, gas_used: u64) -> Self {
        let gas = self.spent(timestamp).saturating_add(cost(gas_used));
        Self { window: timestamp / WINDOW_SECONDS, gas }
    }

    /// With a block more.
    pub fn with(self, block: &SealedBlock) -> Self {
        self.after(block.timestamp(), block.header.gas_used)
    }

    /// Whether a block with this timestamp is of the window of the last one.
    pub const fn is_of_window(&self, timestamp: u64) -> bool {
        timestamp / WINDOW_SECONDS == self.window
    }

    const fn spent(&self, timestamp: u64) -> u64 {
        if self.is_of_window(timestamp) { self.gas } else { 0 }
    }
}

/// What these blocks cost.
pub(super) fn cost_of<'a>(blocks: impl IntoIterator<Item = &'a SealedBlock>) -> u64 {
    blocks.into_iter().map(|block| cost(block.header.gas_used)).fold(0, u64::saturating_add)
}

/// How long everybody is spared after work in vain that cost this. Never less than a second, by which L1's next block is
/// later at least: so no L1 block holds two payloads that are read in vain.
pub(super) const fn seconds_wasted(cost: u64) -> u64 {
    let seconds = cost.div_ceil(GAS_PER_SECOND / WASTE_FACTOR);
    if seconds == 0 { 1 } else { seconds }
}

const fn cost(gas_used: u64) -> u64 {
    gas_used.saturating_add(BLOCK_COST)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_window_holds_what_its_seconds_allow_and_the_next_starts_anew() {
        let pace = Pace::default().after(32, 1_000);
        assert_eq!(pace.left(47), Some(WINDOW_GAS - 2 * BLOCK_COST - 1_000));
        assert_eq!(pace.left(48), Some(WINDOW_GAS - BLOCK_COST));
        let full = pace.after(47, WINDOW_GAS - 2 * BLOCK_COST - 1_000);
        assert_eq!((full.left(47), full.left(48)), (None, Some(WINDOW_GAS - BLOCK_COST)));
        assert_eq!(full.after(48, 5).left(63), Some(WINDOW_GAS - 2 * BLOCK_COST - 5));
    }

    #[test]
    fn blocks_without_transactions_use_it_up_too() {
        let mut pace = Pace::default();
        let mut blocks = 0;
        while pace.left(1).is_some() {
            pace = pace.after(1, 0);
            blocks += 1;
        }
        assert_eq!(blocks, WINDOW_GAS / BLOCK_COST);
    }

    #[test]
    fn a_flood_waits_for_the_clock_and_not_for_the_next_window() {
        let pace = Pace::default().after(16, 4 * GAS_PER_SECOND);
        assert_eq!(pace.left_by_now(16, 4), 0);
        assert_eq!(pace.left_by_now(17, 4), GAS_PER_SECOND - 2 * BLOCK_COST);
        assert_eq!(pace.left_by_now(32, 4), 4 * GAS_PER_SECOND - BLOCK_COST);
        // Late in a window it is the window that ends first.
        assert!(pace.left_by_now(31, 4) > pace.left(31).unwrap());
    }

    #[test]
    fn work_in_vain_is_waited_for_and_never_less_than_a_second() {
        let second = GAS_PER_SECOND / WASTE_FACTOR;
        assert_eq!([0, 1, second, second + 1].map(seconds_wasted), [1, 1, 1, 2]);
        assert_eq!(seconds_wasted(SIGNATURE_COST << 16), 16, "as many signatures as a payload may hold");
        assert_eq!(seconds_wasted(u64::MAX), u64::MAX / second + 1);
    }

    /// Ten thousand transfers a second in blocks of 20 ms never meet the bound.
    #[test]
    fn full_speed_fits() {
        let mut pace = Pace::default();
        for time in 0..100_000 {
            let timestamp = time / 50;
            assert!(pace.left(timestamp).unwrap() > 200 * 36_000, "{time}");
            pace = pace.after(timestamp, 200 * 36_000);
        }
    }
}
