//! Settings of a sequencer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admission::AdmissionConfig;
use crate::error::SequencerError;
use crate::pool::PoolLimits;

/// The only L1 on which test switches work: a development chain.
const DEV_L1_CHAIN: u64 = 31_337;

/// What an operator may set. The defaults suit Ethereum and a rollup of hours or days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SequencerSettings {
    /// What waits for a block.
    pub pool: PoolLimits,
    /// The free budget.
    pub admission: AdmissionConfig,
    /// Threads that recover signatures; 0 means one per core.
    pub recovery_threads: usize,
    /// A block is posted at the latest when it is so old: what the loss of the disk may cost.
    pub max_unposted_seconds: u64,
    /// A batch is posted once it is about so large, encoded.
    pub target_batch_bytes: usize,
    /// From here on unposted, only a quarter of the free budget is given out.
    pub throttle_after_seconds: u64,
    /// From here on unposted, no blocks are built.
    pub pause_after_seconds: u64,
    /// Nor with more than this unposted.
    pub max_unposted_bytes: usize,
    /// With about so much state in memory, nothing is taken but what comes through L1's queue.
    pub max_state_bytes: usize,
    /// Before the close time, how long the sequencer keeps to itself to post the rest. What was answered and L1 takes
    /// back is put on the chain again until about two L1 blocks before it.
    pub post_margin_seconds: u64,
    /// Queue items are posted so long before they become overdue.
    pub overdue_margin_seconds: u64,
    /// Pause between two looks at L1's head.
    pub l1_poll_ms: u64,
    /// A transaction to L1 is offered more after so long.
    pub bump_after_seconds: u64,
    /// Highest fee per gas offered to L1, in gwei.
    pub max_fee_gwei: u64,
    /// Highest fee per blob gas offered to L1, in gwei.
    pub max_blob_fee_gwei: u64,
    /// For tests: leave forced transactions alone. Refused on any L1 but the development chain.
    pub ignore_forced: bool,
}

impl Default for SequencerSettings {
    fn default() -> Self {
        Self {
            pool: PoolLimits::default(),
            admission: AdmissionConfig::default(),
            recovery_threads: 0,
            max_unposted_seconds: 24,
            target_batch_bytes: 120_000,
            throttle_after_seconds: 120,
            pause_after_seconds: 300,
            max_unposted_bytes: 64 << 20,
            max_state_bytes: 4 << 30,
            post_margin_seconds: 60,
            overdue_margin_seconds: 120,
            l1_poll_ms: 2_000,
            bump_after_seconds: 48,
            max_fee_gwei: 500,
            max_blob_fee_gwei: 500,
            ignore_forced: false,
        }
    }
}

impl SequencerSettings {
    /// Refuses settings that cannot work on `l1_chain_id`.
    ///
    /// # Errors
    /// [`SequencerError::Config`] naming the setting.
    pub fn validate(&self, l1_chain_id: u64) -> Result<(), SequencerError> {
        let refuse = |what: String| Err(SequencerError::Config(what));
        if self.ignore_forced && l1_chain_id != DEV_L1_CHAIN {
            return refuse(format!("ignore_forced is for chain {DEV_L1_CHAIN} only, not for {l1_chain_id}"));
        }
        if self.pause_after_seconds <= self.max_unposted_seconds {
            let (pause, post) = (self.pause_after_seconds, self.max_unposted_seconds);
            return refuse(format!("pause_after_seconds {pause} must be above max_unposted_seconds {post}"));
        }
        if self.throttle_after_seconds > self.pause_after_seconds {
            let (throttle, pause) = (self.throttle_after_seconds, self.pause_after_seconds);
            return refuse(format!("throttle_after_seconds {throttle} must not be above pause_after_seconds {pause}"));
        }
        if self.target_batch_bytes == 0 || self.max_unposted_bytes < self.target_batch_bytes {
            let (target, max) = (self.target_batch_bytes, self.max_unposted_bytes);
            return refuse(format!("target_batch_bytes {target} must be between 1 and max_unposted_bytes {max}"));
        }
        Ok(())
    }

    pub(crate) fn l1_poll(&self) -> Duration {
        Duration::from_millis(self.l1_poll_ms.max(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignoring_forced_transactions_is_refused_outside_of_a_development_chain() {
        let settings = SequencerSettings { ignore_forced: true, ..Default::default() };
        assert!(settings.validate(31_337).is_ok());
        assert!(matches!(settings.validate(1), Err(SequencerError::Config(_))));
        assert!(SequencerSettings::default().validate(1).is_ok());
    }

    #[test]
    fn refuses_to_pause_before_it_posts() {
        let settings = SequencerSettings { max_unposted_seconds: 300, ..Default::default() };
        assert!(settings.validate(1).is_err());
        let settings = SequencerSettings { target_batch_bytes: 0, ..Default::default() };
        assert!(settings.validate(1).is_err());
    }
}
