//! By how much our clock is ahead of L1's.
//!
//! A block that is younger than the L1 block its batch would be in cannot be posted. Where our clock is ahead, blocks
//! are stamped with L1's time instead, so that they can be posted at once and not when L1 gets there.

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lead {
    seen: Option<u64>,
    seconds: u64,
}

impl Lead {
    /// L1's head, seen at `now`. Only one that is newer than the last one seen says something: how long ago the first one
    /// was made is not known.
    pub(super) fn look(&mut self, number: u64, timestamp: u64, slot_seconds: u64, now: u64) {
        if self.seen.replace(number).is_some_and(|seen| seen != number) {
            // A block may take up to a slot to come here.
            self.seconds = now.saturating_sub(timestamp).saturating_sub(slot_seconds);
        }
    }

    pub(super) fn seconds(self) -> u64 {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_arrives_live_says_how_late_l1_is() {
        let mut lead = Lead::default();
        lead.look(7, 100, 12, 5_000);
        lead.look(7, 100, 12, 6_000);
        assert_eq!(lead.seconds(), 0, "an l1 that was idle for long");
        lead.look(8, 6_000, 12, 6_009);
        assert_eq!(lead.seconds(), 0, "on its way for 9 s");
        lead.look(9, 6_012, 12, 6_072);
        assert_eq!(lead.seconds(), 48);
        lead.look(10, 6_100, 12, 6_090);
        assert_eq!(lead.seconds(), 0, "our clock was set");
    }
}
