//! The arithmetic of the budget: one bucket of tokens, and what each prefix and sender took of it lately.
//!
//! Levels are kept in millionths, so that a microsecond of a small rate is not rounded away.

use std::time::Instant;

use alloy_primitives::Address;
use alloy_primitives::map::hash_map::Entry;
use alloy_primitives::map::{AddressMap, HashMap};

use super::door::{AdmissionConfig, Refusal, Submission};
use crate::origin::Origin;

/// Prefixes tracked apart; those beyond share one entry.
const MAX_PREFIXES: usize = 65_536;
/// Senders tracked apart; those beyond are limited by their prefix alone.
const MAX_SENDERS: usize = 262_144;
/// Length of the windows in which activity is counted.
const EPOCH_US: u64 = 1_000_000;
/// Entries are forgotten after so many quiet epochs; their level has drained by then.
const KEEP_EPOCHS: u64 = 4;
const MICRO: u128 = 1_000_000;

/// Gas and bytes, in this order.
type Amounts = [u128; 2];
const NAMES: [&str; 2] = ["gas", "bytes"];

#[derive(Debug, Default)]
struct Taken {
    level: Amounts,
    drained_us: u64,
    active_epoch: u64,
    /// For a prefix: how many senders are active behind it.
    senders: u64,
    /// For a sender: the prefix it was last seen behind.
    prefix: Option<Origin>,
}

impl Taken {
    /// Lets the level sink at `rate` per second, and caps it at twice the share: old sins are forgotten.
    fn drain(&mut self, now_us: u64, rate: Amounts, share: Amounts) {
        let elapsed = u128::from(now_us.saturating_sub(self.drained_us));
        for i in 0..2 {
            let sunk = self.level[i].saturating_sub(rate[i].saturating_mul(elapsed));
            self.level[i] = sunk.min(share[i].saturating_mul(2));
        }
        // Calls are checked side by side: one that came earlier may be charged later.
        self.drained_us = self.drained_us.max(now_us);
    }

    fn is_above(&self, i: usize, want: u128, share: u128) -> bool {
        self.level[i] != 0 && self.level[i].saturating_add(want) > share
    }
}

/// The state behind [`Admission`](super::Admission).
#[derive(Debug)]
pub(super) struct Shares {
    start: Instant,
    full_rate: Amounts,
    rate: Amounts,
    burst_seconds: u128,
    tokens: Amounts,
    refilled_us: u64,
    epoch: u64,
    active_prefixes: u64,
    prefixes: HashMap<Option<Origin>, Taken>,
    senders: AddressMap<Taken>,
}

impl Shares {
    pub(super) fn new(config: &AdmissionConfig, start: Instant) -> Self {
        let rate = [u128::from(config.gas_per_second), u128::from(config.bytes_per_second)];
        let burst_seconds = u128::from(config.burst_seconds.max(1));
        Self {
            start,
            full_rate: rate,
            rate,
            burst_seconds,
            tokens: rate.map(|r| r * MICRO * burst_seconds),
            refilled_us: 0,
            epoch: KEEP_EPOCHS,
            active_prefixes: 0,
            prefixes: HashMap::default(),
            senders: AddressMap::default(),
        }
    }

    /// Leaves `percent` of the configured rate: how posting that stalls is throttled.
    pub(super) fn set_percent(&mut self, percent: u8) {
        self.rate = self.full_rate.map(|r| (r * u128::from(percent.min(100)) / 100).max(1));
        let capacity = self.capacity();
        for (tokens, capacity) in self.tokens.iter_mut().zip(capacity) {
            *tokens = (*tokens).min(capacity);
        }
    }

    /// Charges `submission`, or says which rule forbids it.
    pub(super) fn take(&mut self, submission: &Submission) -> Result<(), Refusal> {
        let now_us = self.now_us(submission.at);
        self.turn_epoch(now_us);
        self.refill(now_us);
        let key = self.touch(submission);
        let want = [u128::from(submission.gas_limit) * MICRO, submission.size_bytes as u128 * MICRO];
        self.check(submission, key, want, now_us)?;
        for (i, want) in want.into_iter().enumerate() {
            self.tokens[i] -= want;
            for taken in [self.prefixes.get_mut(&key), self.senders.get_mut(&submission.sender)].into_iter().flatten() {
                taken.level[i] = taken.level[i].saturating_add(want);
            }
        }
        Ok(())
    }

    /// Returns gas that was reserved and not used.
    pub(super) fn give_back(&mut self, sender: Address, origin: Origin, gas: u64) {
        let gas = u128::from(gas) * MICRO;
        self.tokens[0] = (self.tokens[0] + gas).min(self.capacity()[0]);
        let key = if self.prefixes.contains_key(&Some(origin)) { Some(origin) } else { None };
        for taken in [self.prefixes.get_mut(&key), self.senders.get_mut(&sender)].into_iter().flatten() {
            taken.level[0] = taken.level[0].saturating_sub(gas);
        }
    }

    fn check(
        &mut self,
        submission: &Submission,
        key: Option<Origin>,
        want: Amounts,
        now_us: u64,
    ) -> Result<(), Refusal> {
        let capacity = self.capacity();
        let prefixes = u128::from(self.active_prefixes.max(1));
        let share = capacity.map(|c| c / 2 / prefixes);
        let share_rate = self.rate.map(|r| r / prefixes);
        let Some(prefix) = self.prefixes.get_mut(&key) else { return Err(Refusal::TooManySenders) };
        prefix.drain(now_us, share_rate, share);
        let behind = u128::from(prefix.senders.max(1));
        let sender_share = share.map(|s| s / 2 / behind);
        let mut sender = self.senders.get_mut(&submission.sender);
        if let Some(sender) = sender.as_mut() {
            sender.drain(now_us, share_rate.map(|r| r / behind), sender_share);
        }
        for i in 0..2 {
            if want[i] > capacity[i] {
                return Err(Refusal::OverBudget { what: NAMES[i], want: want[i] / MICRO, max: capacity[i] / MICRO });
            }
            if want[i] > self.tokens[i] {
                return Err(Refusal::FreeBudget {
                    what: NAMES[i],
                    want: want[i] / MICRO,
                    have: self.tokens[i] / MICRO,
                });
            }
            // Senders are held to their share a quarter earlier than prefixes: or else one greedy sender would
            // use up its prefix's share before its neighbours came to ask.
            let left = self.tokens[i] - want[i];
            if left >= capacity[i] / 4 * 3 {
                continue;
            }
            if prefixes > 1 && left < capacity[i] / 2 && prefix.is_above(i, want[i], share[i]) {
                return Err(Refusal::PrefixShare {
                    origin: submission.origin,
                    what: NAMES[i],
                    share: share[i] / MICRO,
                });
            }
            let crowded = prefix.level[i] + want[i] > share[i] / 2;
            if crowded && behind > 1 && sender.as_ref().is_some_and(|s| s.is_above(i, want[i], sender_share[i])) {
                return Err(Refusal::SenderShare {
                    sender: submission.sender,
                    what: NAMES[i],
                    share: sender_share[i] / MICRO,
                });
            }
        }
        Ok(())
    }

    /// Notes who is active, whether or not the submission will be taken: a refused one is demand, too.
    fn touch(&mut self, submission: &Submission) -> Option<Origin> {
        let known = self.prefixes.contains_key(&Some(submission.origin));
        let key = (known || self.prefixes.len() < MAX_PREFIXES).then_some(submission.origin);
        let prefix = self.prefixes.entry(key).or_default();
        if prefix.active_epoch + 1 < self.epoch {
            self.active_prefixes += 1;
        }
        prefix.active_epoch = self.epoch;
        let room = self.senders.len() < MAX_SENDERS;
        let sender = match self.senders.entry(submission.sender) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) if room => entry.insert(Taken::default()),
            Entry::Vacant(_) => return key,
        };
        if sender.active_epoch + 1 < self.epoch || sender.prefix != key {
            prefix.senders += 1;
        }
        sender.active_epoch = self.epoch;
        sender.prefix = key;
        key
    }

    fn turn_epoch(&mut self, now_us: u64) {
        let epoch = now_us / EPOCH_US + KEEP_EPOCHS;
        if epoch <= self.epoch {
            return;
        }
        self.epoch = epoch;
        self.prefixes.retain(|_, p| p.active_epoch + KEEP_EPOCHS >= epoch);
        self.senders.retain(|_, s| s.active_epoch + KEEP_EPOCHS >= epoch);
        self.active_prefixes = self.prefixes.values().filter(|p| p.active_epoch + 1 >= epoch).count() as u64;
        self.prefixes.values_mut().for_each(|p| p.senders = 0);
        for sender in self.senders.values().filter(|s| s.active_epoch + 1 >= epoch) {
            if let Some(prefix) = self.prefixes.get_mut(&sender.prefix) {
                prefix.senders += 1;
            }
        }
    }

    fn refill(&mut self, now_us: u64) {
        let elapsed = u128::from(now_us.saturating_sub(self.refilled_us));
        let capacity = self.capacity();
        for (i, capacity) in capacity.into_iter().enumerate() {
            self.tokens[i] = self.tokens[i].saturating_add(self.rate[i].saturating_mul(elapsed)).min(capacity);
        }
        self.refilled_us = self.refilled_us.max(now_us);
    }

    fn capacity(&self) -> Amounts {
        self.rate.map(|r| r * MICRO * self.burst_seconds)
    }

    fn now_us(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_micros()).unwrap_or(u64::MAX / 2)
    }
}
