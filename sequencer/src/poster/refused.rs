//! What L1 would revert, and when to ask again: one endpoint that lags behind says so too.

use std::time::Duration;

use alloy_primitives::Bytes;
use tokio::time::Instant;

use super::trouble::Trouble;

/// Before a batch that L1 would revert is made again; doubled each time, up to
const PAUSE: Duration = Duration::from_secs(1);
/// this. The content changes before it was made too often, since its origin grows stale.
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Times that each new L1 block is enough to ask again, before the pause counts alone.
const MAX_HASTE: u32 = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refused {
    why: String,
    revert: Bytes,
    times: u32,
    /// When it is asked again, and L1's head when it was refused.
    until: Option<(Instant, u64)>,
}

impl Refused {
    pub(super) fn again(&mut self, why: String, revert: Bytes, l1_number: u64) {
        let pause = PAUSE.saturating_mul(1 << self.times.min(10)).min(MAX_PAUSE);
        let times = self.times.saturating_add(1);
        *self = Self { why, revert, times, until: Some((Instant::now() + pause, l1_number)) };
    }

    pub(super) fn trouble(&self) -> Trouble {
        Trouble::new(self.why.clone(), "by itself, once l1 would take the batch: it is made anew every now and then")
    }

    pub(super) fn waits(&self, l1_number: u64) -> bool {
        let Some((until, at)) = self.until else { return false };
        until > Instant::now() && (l1_number <= at || self.times > MAX_HASTE)
    }

    /// What L1 said last, and how often it refused.
    pub(super) fn said(&self) -> (&[u8], u32) {
        (&self.revert, self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_asked_again_with_the_next_block_but_not_for_ever() {
        let mut refused = Refused::default();
        assert!(!refused.waits(10));
        refused.again("no".into(), Bytes::new(), 10);
        assert!(refused.waits(10) && !refused.waits(11));
        tokio::time::advance(PAUSE).await;
        assert!(!refused.waits(10), "an l1 that stands still is asked too");
        for l1 in 11..11 + u64::from(MAX_HASTE) {
            refused.again("no".into(), Bytes::new(), l1);
        }
        assert!(refused.waits(100));
        tokio::time::advance(MAX_PAUSE).await;
        assert!(!refused.waits(100));
    }
}
