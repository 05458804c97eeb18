//! How long the posting key's balance lasts.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Posts whose cost makes the rate.
const MAX_POSTS: usize = 64;
/// The rate is taken over at most this long.
const SPAN: Duration = Duration::from_secs(6 * 3_600);

/// What recent posts cost, and when.
#[derive(Debug, Default)]
pub(super) struct Runway {
    posts: VecDeque<(Instant, u128)>,
}

impl Runway {
    /// A post was paid for.
    pub(super) fn paid(&mut self, at: Instant, wei: u128) {
        self.posts.push_back((at, wei));
        while self.posts.len() > MAX_POSTS
            || self.posts.front().is_some_and(|(t, _)| at.saturating_duration_since(*t) > SPAN)
        {
            self.posts.pop_front();
        }
    }

    /// Seconds that `balance` lasts at the rate since the oldest post; nothing before there were two.
    pub(super) fn seconds(&self, now: Instant, balance: u128) -> Option<u64> {
        let (first, _) = self.posts.front().filter(|_| self.posts.len() > 1)?;
        let elapsed = now.saturating_duration_since(*first).as_secs().max(1);
        let spent: u128 = self.posts.iter().map(|(_, wei)| wei).sum();
        Some(u64::try_from(balance.saturating_mul(u128::from(elapsed)) / spent.max(1)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_balance_lasts_as_long_as_the_rate_says() {
        let start = Instant::now();
        let mut runway = Runway::default();
        assert_eq!(runway.seconds(start, 1_000), None);
        runway.paid(start, 50);
        assert_eq!(runway.seconds(start, 1_000), None, "one post is no rate");
        runway.paid(start + Duration::from_secs(100), 50);
        assert_eq!(runway.seconds(start + Duration::from_secs(100), 1_000), Some(1_000));
        assert_eq!(runway.seconds(start + Duration::from_secs(200), 1_000), Some(2_000));
    }
}
