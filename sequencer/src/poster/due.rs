//! When a batch leaves.

use mayfly_rollup::batch::MOST_FRAME_BYTES;

use crate::config::SequencerSettings;
use crate::view::{PostView, Stage};

/// Why a batch should leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// There is enough for one.
    Size,
    /// The oldest block waited long enough.
    Age,
    /// A queue item would become overdue.
    Overdue,
    /// The end is near.
    End,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Durable blocks that L1 would take.
    pub(super) blocks: usize,
    /// Whether it would take more of them a moment later.
    pub(super) unripe: bool,
    /// Estimated payload size.
    pub(super) size_bytes: usize,
    /// The same as if nothing compressed,
    pub(super) most_bytes: usize,
    /// and what one batch holds.
    pub(super) batch_bytes: usize,
    /// Timestamp of the oldest.
    pub(super) oldest: u64,
}

/// Whether to post, and why. `now` is Unix time, or L1's where that is ahead.
pub(super) fn due(waiting: Waiting, view: &PostView, settings: &SequencerSettings, now: u64) -> Option<Due> {
    let may_post = view.synced && !matches!(view.stage, Stage::Frozen | Stage::Closing | Stage::Closed);
    if waiting.blocks == 0 || !may_post || now >= view.close_time {
        return None;
    }
    let ends = now + settings.post_margin_seconds >= view.close_time;
    // If nothing compresses: from the last call on a whole batch, before it half of what L1 would take before the end,
    // or what is in the way of more. No time is to be lost.
    let left = waiting.batch_bytes.saturating_mul(usize::try_from(view.batches_left).unwrap_or(usize::MAX));
    let fills = match ends {
        true => waiting.most_bytes + MOST_FRAME_BYTES > waiting.batch_bytes,
        false => view.crowded || waiting.most_bytes >= left / 2,
    };
    if fills || waiting.size_bytes >= settings.target_batch_bytes {
        return Some(Due::Size);
    }
    // A batch that leaves shortly before the end and is mined late would hold the last one up past the close.
    let ends_soon = now + 2 * settings.post_margin_seconds >= view.close_time;
    let is_old = now.saturating_sub(waiting.oldest) >= settings.max_unposted_seconds;
    if is_old && !ends_soon {
        return Some(Due::Age);
    }
    if view.overdue_at.is_some_and(|at| now + settings.overdue_margin_seconds >= at) {
        return Some(Due::Overdue);
    }
    // The last blocks leave together: a second batch would have to wait for the first, and the close does not.
    let waits = waiting.unripe && now + settings.post_margin_seconds / 2 < view.close_time;
    (ends && !waits).then_some(Due::End)
}

/// Whether what a post needs is computed before all else: the end is near, or a queue item is nearly overdue.
pub(super) fn hurries(view: &PostView, settings: &SequencerSettings, now: u64) -> bool {
    now + 4 * settings.post_margin_seconds >= view.close_time
        || view.overdue_at.is_some_and(|at| now + 2 * settings.overdue_margin_seconds >= at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_hurry_before_the_end_and_before_an_item_is_overdue() {
        let settings = SequencerSettings::default();
        let (end, item) = (4 * settings.post_margin_seconds, 2 * settings.overdue_margin_seconds);
        let overdue = PostView { overdue_at: Some(5_000), ..view() };
        let hurry = |view: &PostView, now| hurries(view, &settings, now);
        assert_eq!([hurry(&view(), 9_999 - end), hurry(&view(), 10_000 - end)], [false, true]);
        assert_eq!([hurry(&overdue, 4_999 - item), hurry(&overdue, 5_000 - item)], [false, true]);
    }

    const QUIET: Waiting =
        Waiting { blocks: 1, unripe: false, size_bytes: 100, most_bytes: 250, batch_bytes: 130_000, oldest: 1_000 };

    fn view() -> PostView {
        PostView { close_time: 10_000, batches_left: 1, stage: Stage::Active, synced: true, ..Default::default() }
    }

    fn at(waiting: Waiting, view: &PostView, now: u64) -> Option<Due> {
        due(waiting, view, &SequencerSettings::default(), now)
    }

    #[test]
    fn posts_for_size_age_queue_and_end_and_otherwise_waits() {
        assert_eq!(at(QUIET, &view(), 1_001), None);
        assert_eq!(at(Waiting { size_bytes: 120_000, ..QUIET }, &view(), 1_001), Some(Due::Size));
        assert_eq!(at(QUIET, &view(), 1_024), Some(Due::Age));
        let soon = PostView { overdue_at: Some(1_121), ..view() };
        assert_eq!(at(QUIET, &soon, 1_001), Some(Due::Overdue));
        assert_eq!(at(Waiting { oldest: 9_940, ..QUIET }, &view(), 9_940), Some(Due::End));
    }

    #[test]
    fn half_of_what_fits_before_the_end_waits_for_nothing() {
        let (full, less) = (Waiting { most_bytes: 65_000, ..QUIET }, Waiting { most_bytes: 64_999, ..QUIET });
        assert_eq!((at(full, &view(), 1_001), at(less, &view(), 1_001)), (Some(Due::Size), None));
        let crowded = PostView { crowded: true, ..view() };
        assert_eq!(at(less, &crowded, 1_001), Some(Due::Size));
        let soon = |waiting| at(Waiting { oldest: 9_850, ..waiting }, &view(), 9_890);
        assert_eq!((soon(full), soon(less)), (Some(Due::Size), None));
    }

    #[test]
    fn the_last_blocks_leave_together_but_not_too_late() {
        let last = Waiting { unripe: true, oldest: 9_850, ..QUIET };
        assert_eq!(at(last, &view(), 9_879), Some(Due::Age));
        assert_eq!(at(last, &view(), 9_880), None, "would hold up the last one");
        assert_eq!(at(last, &view(), 9_939), None);
        assert_eq!(at(last, &view(), 9_940), None);
        assert_eq!(at(last, &view(), 9_969), None);
        assert_eq!(at(last, &PostView { batches_left: 0, ..view() }, 9_969), None, "nothing more is taken");
        assert_eq!(at(Waiting { most_bytes: 129_900, ..last }, &view(), 9_969), Some(Due::Size));
        assert_eq!(at(last, &view(), 9_970), Some(Due::End));
        assert_eq!(at(Waiting { unripe: false, ..last }, &view(), 9_950), Some(Due::End));
        assert_eq!(at(Waiting { size_bytes: 120_000, ..last }, &view(), 9_950), Some(Due::Size));
    }

    #[test]
    fn never_posts_nothing_or_after_the_end() {
        assert_eq!(at(Waiting { blocks: 0, ..QUIET }, &view(), 9_000), None);
        assert_eq!(at(QUIET, &view(), 10_000), None);
        assert_eq!(at(QUIET, &PostView { stage: Stage::Frozen, ..view() }, 5_000), None);
        assert_eq!(at(QUIET, &PostView { synced: false, ..view() }, 5_000), None);
    }
}
