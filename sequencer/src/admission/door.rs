//! `Admission::admit`: a submission goes in, a grant or a refusal comes out.

use std::sync::Arc;
use std::time::Instant;

use alloy_primitives::Address;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::shares::Shares;
use crate::error::SubmitError;
use crate::origin::Origin;

/// The free budget of one rollup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmissionConfig {
    /// Gas per second, counted by signed limits until execution returns what was not used.
    pub gas_per_second: u64,
    /// Bytes of encoded transactions per second.
    pub bytes_per_second: u64,
    /// How many seconds' worth may be taken at once after a quiet time.
    pub burst_seconds: u32,
}

impl Default for AdmissionConfig {
    fn default() -> Self {
        Self { gas_per_second: 1_000_000_000, bytes_per_second: 8_000_000, burst_seconds: 4 }
    }
}

/// A transaction that asks to be paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Who signed it.
    pub sender: Address,
    /// The network it came from.
    pub origin: Origin,
    /// The signed gas limit, reserved in full.
    pub gas_limit: u64,
    /// The encoded size.
    pub size_bytes: usize,
    /// When it arrived.
    pub at: Instant,
}

/// Why nothing pays for a submission. Its text is the rule's name and numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// One transaction above the whole budget.
    #[error("over-budget: {want} {what}, at most {max}")]
    OverBudget {
        /// Gas or bytes.
        what: &'static str,
        /// What the submission needs.
        want: u128,
        /// The most that one may ever take.
        max: u128,
    },
    /// The free budget is used up for the moment.
    #[error("free-budget: {want} {what}, {have} left")]
    FreeBudget {
        /// Gas or bytes.
        what: &'static str,
        /// What the submission needs.
        want: u128,
        /// What is left.
        have: u128,
    },
    /// The budget is contended, and this address prefix had its share.
    #[error("fair-share: {origin} had its {share} {what}")]
    PrefixShare {
        /// The prefix.
        origin: Origin,
        /// Gas or bytes.
        what: &'static str,
        /// Its share of the burst.
        share: u128,
    },
    /// The budget is contended, and this sender had its share.
    #[error("fair-share: {sender} had its {share} {what}")]
    SenderShare {
        /// The sender.
        sender: Address,
        /// Gas or bytes.
        what: &'static str,
        /// Its share of the burst.
        share: u128,
    },
    /// More senders than can be told apart.
    #[error("too-many-senders")]
    TooManySenders,
}

impl From<Refusal> for SubmitError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { rule: refusal.to_string() }
    }
}

/// The door. Clones share one budget.
#[derive(Debug, Clone)]
pub struct Admission(Arc<Mutex<Shares>>);

impl Admission {
    /// A full budget, counted from `start`.
    pub fn new(config: &AdmissionConfig, start: Instant) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(config, start))))
    }

    /// Reserves the submission's signed gas limit and its bytes.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn admit(&self, submission: &Submission) -> Result<Grant, Refusal> {
        self.0.lock().take(submission)?;
        Ok(Grant {
            shares: Arc::clone(&self.0),
            sender: submission.sender,
            origin: submission.origin,
            gas: submission.gas_limit,
        })
    }

    /// Leaves `percent` of the budget.
    pub(crate) fn throttle(&self, percent: u8) {
        self.0.lock().set_percent(percent);
    }
}

/// A reservation. Dropped, it gives back all its gas; bytes stay charged, since reading them was work.
#[derive(Debug)]
pub struct Grant {
    shares: Arc<Mutex<Shares>>,
    sender: Address,
    origin: Origin,
    gas: u64,
}

impl Grant {
    /// The transaction was executed and used `gas_used`; the rest goes back.
    pub fn settle(mut self, gas_used: u64) {
        self.gas = self.gas.saturating_sub(gas_used);
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.gas > 0 {
            self.shares.lock().give_back(self.sender, self.origin, self.gas);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const GAS: u64 = 1_000_000;

    fn door(start: Instant) -> Admission {
        Admission::new(&AdmissionConfig { gas_per_second: GAS, bytes_per_second: 1_000_000, burst_seconds: 1 }, start)
    }

    fn submission(key: u16, prefix: u8, gas_limit: u64, at: Instant) -> Submission {
        let sender = Address::left_padding_from(&key.to_be_bytes());
        Submission { sender, origin: Origin::V4([192, 0, prefix]), gas_limit, size_bytes: 100, at }
    }

    #[test]
    fn refuses_more_than_the_whole_budget() {
        let now = Instant::now();
        let refusal = door(now).admit(&submission(1, 1, GAS + 1, now)).unwrap_err();
        assert_eq!(refusal, Refusal::OverBudget { what: "gas", want: 1_000_001, max: 1_000_000 });
        assert_eq!(SubmitError::from(refusal).to_string(), "refused by rule over-budget: 1000001 gas, at most 1000000");
    }

    #[test]
    fn refuses_when_the_budget_is_used_up_and_takes_again_later() {
        let now = Instant::now();
        let door = door(now);
        let grant = door.admit(&submission(1, 1, GAS, now)).unwrap();
        let refusal = door.admit(&submission(2, 2, 1_000, now)).unwrap_err();
        assert!(matches!(refusal, Refusal::FreeBudget { what: "gas", have: 0, .. }), "{refusal}");
        grant.settle(GAS);
        assert!(door.admit(&submission(2, 2, 1_000, now)).is_err(), "used gas does not come back");
        door.admit(&submission(2, 2, 1_000, now + Duration::from_millis(2))).unwrap();
    }

    #[test]
    fn gives_back_what_was_reserved_and_not_used() {
        let now = Instant::now();
        let door = door(now);
        door.admit(&submission(1, 1, GAS, now)).unwrap().settle(21_000);
        drop(door.admit(&submission(2, 2, GAS - 21_000, now)).unwrap());
        door.admit(&submission(3, 3, GAS - 21_000, now)).unwrap();
    }

    #[test]
    fn refuses_bytes_beyond_the_budget() {
        let now = Instant::now();
        let door = door(now);
        let mut big = submission(1, 1, 21_000, now);
        big.size_bytes = 1_000_000;
        drop(door.admit(&big).unwrap());
        let refusal = door.admit(&submission(2, 2, 21_000, now)).unwrap_err();
        assert!(matches!(refusal, Refusal::FreeBudget { what: "bytes", .. }), "{refusal}");
    }

    #[test]
    fn a_sender_behind_a_shared_prefix_has_its_share_too() {
        let now = Instant::now();
        let door = door(now);
        let mut taken = [0u32; 2];
        for step in 0..4_000u32 {
            let at = now + Duration::from_millis(u64::from(step));
            for _ in 0..3 {
                if let Ok(grant) = door.admit(&submission(1, 1, 1_000, at)) {
                    grant.settle(1_000);
                    taken[0] += 1;
                }
            }
            if step % 4 == 0
                && let Ok(grant) = door.admit(&submission(2, 1, 1_000, at))
            {
                grant.settle(1_000);
                taken[1] += 1;
            }
        }
        assert!(taken[1] >= 990, "the modest sender was refused: {taken:?}");
        assert!(taken[0] >= 1_900, "the rest is not wasted: {taken:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// 1,000 keys behind one prefix against ten modest ones: the ten get all they ask for.
        #[test]
        fn a_thousand_fresh_keys_cannot_crowd_out_ten_others(seed in 0u16..1000, flood in 20u64..60, gas in 400u64..2_000) {
            let now = Instant::now();
            let door = door(now);
            let (mut asked, mut got, mut flooded) = (0u64, 0u64, 0u64);
            for ms in 0..6_000u64 {
                let at = now + Duration::from_millis(ms);
                for i in 0..flood {
                    let key = 1_000 + (u64::from(seed) + ms * flood + i) as u16 % 1_000;
                    if let Ok(grant) = door.admit(&submission(key, 200, gas, at)) {
                        grant.settle(gas);
                        flooded += gas;
                    }
                }
                // Ten others, each asking for 4/5 of an eleventh of the budget.
                let every = gas * 11 * 10 / 8 / 1_000 + 1;
                for other in 0..10u64 {
                    if (ms + other) % every == 0 {
                        asked += 1;
                        if let Ok(grant) = door.admit(&submission(other as u16, other as u8, gas, at)) {
                            grant.settle(gas);
                            got += 1;
                        }
                    }
                }
            }
            prop_assert!(got * 1_000 >= asked * 995, "{got} of {asked}");
            // What the ten left over may go to the flood, and the first burst.
            prop_assert!(flooded <= 7 * GAS);
            prop_assert!(flooded >= GAS, "the flood's own share is served: {flooded}");
        }

        /// When all want more than their share, nobody gets much more than it.
        #[test]
        fn greedy_prefixes_get_equal_shares(prefixes in 2u8..8) {
            let now = Instant::now();
            let door = door(now);
            let mut taken = vec![0u64; usize::from(prefixes)];
            for ms in 0..6_000u64 {
                let at = now + Duration::from_millis(ms);
                for p in 0..prefixes {
                    // The first prefix floods with fresh keys, ten times as hard as the others.
                    for i in 0..if p == 0 { 20 } else { 2u64 } {
                        let key = u16::from(p) * 2_000 + ((ms * 20 + i) % 1_000) as u16;
                        if let Ok(grant) = door.admit(&submission(key, p, 1_000, at)) {
                            grant.settle(1_000);
                            taken[usize::from(p)] += 1_000;
                        }
                    }
                }
            }
            let fair = 6 * GAS / u64::from(prefixes);
            let low = taken.iter().skip(1).min().copied().unwrap_or(0);
            prop_assert!(low * 100 >= fair * 85, "{taken:?} fair {fair}");
            prop_assert!(taken[0] * 100 <= fair * 115 + 100 * GAS, "{taken:?} fair {fair}");
        }
    }
}
