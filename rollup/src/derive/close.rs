//! Stage 7: when the rollup closes, and queue blocks, which need no sequencer.

use super::events::InboxEvent;
use super::queue::QueueItem;
use serde::{Deserialize, Serialize};

/// The rollup's clock as the Inbox has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseState {
    /// When deposits end.
    pub end_time: u64,
    /// When the rollup closes.
    pub close_time: u64,
    /// Whether the sequencer was declared gone.
    pub frozen: bool,
}

impl CloseState {
    /// Takes in what the Inbox logged.
    pub const fn apply(&mut self, event: &InboxEvent) {
        match event {
            InboxEvent::Ended { end_time, close_time } => {
                self.end_time = *end_time;
                self.close_time = *close_time;
            }
            InboxEvent::Frozen { close_time } => {
                self.close_time = *close_time;
                self.frozen = true;
            }
            InboxEvent::QueueItem(_)
            | InboxEvent::Batch(_)
            | InboxEvent::FreezeRequested { .. }
            | InboxEvent::FreezeCancelled => {}
        }
    }
}

/// How many of `items` each queue block takes, by the gas they may use; one block even if there are none.
pub fn queue_block_sizes(items: &[QueueItem], gas_limit: u64) -> Vec<usize> {
    let (mut sizes, mut count, mut gas) = (Vec::new(), 0, 0_u64);
    for item in items {
        if count > 0 && gas.saturating_add(item.gas_limit) > gas_limit {
            sizes.push(count);
            (count, gas) = (0, 0);
        }
        count += 1;
        gas = gas.saturating_add(item.gas_limit);
    }
    sizes.push(count);
    sizes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use alloy_primitives::{Address, Bytes};

    #[test]
    fn queue_blocks_take_what_fits_and_there_is_at_least_one() {
        let item = |gas_limit| QueueItem {
            index: 0,
            kind: 0,
            sender: Address::ZERO,
            gas_limit,
            payload: Bytes::new(),
            l1_number: 0,
            l1_time: 0,
        };
        let sizes = |gas: &[u64]| queue_block_sizes(&gas.iter().map(|gas| item(*gas)).collect::<Vec<_>>(), 100);
        assert_eq!(sizes(&[]), [0]);
        assert_eq!(sizes(&[60, 40]), [2]);
        assert_eq!(sizes(&[60, 41, 59, 1]), [1, 2, 1]);
        assert_eq!(sizes(&[200, 1]), [1, 1]);
    }

    #[test]
    fn the_clock_follows_the_inbox() {
        let mut clock = CloseState { end_time: 100, close_time: 150, frozen: false };
        clock.apply(&InboxEvent::FreezeCancelled);
        assert_eq!(clock, CloseState { end_time: 100, close_time: 150, frozen: false });
        clock.apply(&InboxEvent::Ended { end_time: 50, close_time: 90 });
        assert_eq!((clock.end_time, clock.close_time), (50, 90));
        clock.apply(&InboxEvent::Frozen { close_time: 80 });
        assert_eq!((clock.close_time, clock.frozen), (80, true));
    }
}
