//! How much may be unposted: what L1 takes before the rollup can close, as if nothing compressed. What is answered and in
//! no batch by the close is gone.

use super::run::Executor;
use crate::view::PauseReason;

/// With less than one part of so many of a batch left, nothing is taken until there is more.
const LEAST_ROOM: usize = 16;

/// When the rollup closes: as it stands, and if the organiser's word to end it is in the next block of L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Close {
    planned: u64,
    ended: Option<u64>,
}

impl Close {
    fn of(l1_time: u64, end_time: u64, close_time: u64, drain: u64) -> Self {
        let ended = Some(l1_time.saturating_add(drain)).filter(|close| l1_time < end_time && *close < close_time);
        Self { planned: close_time, ended }
    }

    fn soonest(self) -> u64 {
        self.ended.unwrap_or(self.planned)
    }
}

impl Executor {
    /// Unix seconds, at least those of L1's head.
    pub(super) fn time(&self) -> u64 {
        self.now().max(self.l1_time())
    }

    fn close(&self) -> Close {
        let clock = self.window.clock();
        Close::of(self.l1_time(), clock.end_time, clock.close_time, self.info.config.drain)
    }

    /// How many batches L1 takes before the rollup closes; one at least before it would close if it were ended now, so
    /// that there is always something to see L1's pace by.
    pub(super) fn batches_left(&self) -> u64 {
        let (close, now, slot) = (self.close(), self.time(), self.window.slot_seconds());
        let pace = self.shared.posting.lock();
        let by = |close: u64| pace.batches(now, close.saturating_sub(self.settings.post_margin_seconds), close, slot);
        by(close.planned).min(close.ended.map_or(u64::MAX, |ended| by(ended).max(1)))
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
        let seconds = self.close().soonest().saturating_sub(now);
        (self.crowded || !enough).then(|| PauseReason::CloseNear { batches: packing.batches(), max_batches, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_organiser_may_end_it_now_until_it_ends_by_itself() {
        let at = |l1_time| Close::of(l1_time, 1_000, 1_600, 600).soonest();
        assert_eq!([100, 999, 1_000, 1_500].map(at), [700, 1_599, 1_600, 1_600]);
    }
}
