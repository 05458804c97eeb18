//! How much may be unposted: what L1 takes before the rollup can close, as if nothing compressed. What is answered and in
//! no batch by the close is gone.

use super::run::Executor;
use crate::view::PauseReason;

/// With less than one part of so many of a batch left, nothing is taken until there is more.
const LEAST_ROOM: usize = 16;

/// When a rollup closes, if the organiser ends it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Close {
    last_call: u64,
    time: u64,
}

impl Close {
    fn soonest(now: u64, end_time: u64, close_time: u64, drain: u64, margin: u64) -> Self {
        let time = if now < end_time { close_time.min(now.saturating_add(drain)) } else { close_time };
        Self { last_call: time.saturating_sub(margin), time }
    }
}

impl Executor {
    /// Unix seconds, at least those of L1's head.
    pub(super) fn time(&self) -> u64 {
        self.now().max(self.l1_time())
    }

    fn soonest_close(&self) -> Close {
        let (clock, margin) = (self.window.clock(), self.settings.post_margin_seconds);
        Close::soonest(self.time(), clock.end_time, clock.close_time, self.info.config.drain, margin)
    }

    /// How many batches L1 takes before it can close the rollup.
    pub(super) fn batches_left(&self) -> u64 {
        let (Close { last_call, time }, slot) = (self.soonest_close(), self.window.slot_seconds());
        self.shared.posting.lock().batches(self.time(), last_call, time, slot)
    }

    /// How large the next block may be, in a payload, so that it can be posted before that.
    pub(super) fn room_for_block(&self) -> usize {
        let packing = self.shared.unposted.lock().packing();
        packing.room(self.batches_left())
    }

    /// Why the pool offers nothing, if L1 could not take more in time.
    pub(super) fn too_much_unposted(&self) -> Option<PauseReason> {
        let now = self.time();
        if now >= self.last_call() {
            // Nothing is taken any more.
            return None;
        }
        let (packing, max_batches) = (self.shared.unposted.lock().packing(), self.batches_left());
        let enough = packing.room(max_batches) >= self.terms.da.batch_bytes() / LEAST_ROOM;
        let seconds = self.soonest_close().time.saturating_sub(now);
        (self.crowded || !enough).then(|| PauseReason::CloseNear { batches: packing.batches(), max_batches, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_organiser_may_end_it_now_until_it_ends_by_itself() {
        let at = |now| Close::soonest(now, 1_000, 1_600, 600, 60);
        assert_eq!(at(100), Close { last_call: 640, time: 700 });
        assert_eq!(at(999), Close { last_call: 1_539, time: 1_599 });
        assert_eq!([1_000, 1_500].map(at), [Close { last_call: 1_540, time: 1_600 }; 2]);
    }
}
