//! Everything about one rollup that derivation needs and L1's creation log says.

use crate::error::InfoError;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::SolValue;
use mayfly_contracts::types::{Allocation, Config};
use serde::{Deserialize, Serialize};

/// A rollup as created: enough to derive its chain from L1 data alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupInfo {
    /// The rollup's address: its Inbox.
    pub rollup: Address,
    /// Its Settlement contract.
    pub settlement: Address,
    /// Its Vault contract.
    pub vault: Address,
    /// Chain id of the rollup.
    pub chain_id: u64,
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// The config as created.
    pub config: Config,
    /// Native balances at the start.
    pub genesis: Vec<Allocation>,
    /// The L1 block that holds the creation.
    pub l1_number: u64,
    /// Its hash.
    pub l1_hash: B256,
    /// Its timestamp.
    pub l1_time: u64,
}

impl RollupInfo {
    /// The claim that every other claim descends from; also the parent of the first batch.
    pub fn genesis_claim(&self) -> B256 {
        let rules = keccak256((self.config.clone(), self.genesis.clone()).abi_encode_params());
        let l1 = U256::from(self.l1_chain_id);
        keccak256(("mayfly genesis v1".to_owned(), l1, self.rollup, rules).abi_encode_params())
    }

    /// Whether this is the same rollup, created in another block: L1 took the first creation back.
    pub fn is_created_again(&self, before: &Self) -> bool {
        let (number, hash, time) = (before.l1_number, before.l1_hash, before.l1_time);
        hash != self.l1_hash && Self { l1_number: number, l1_hash: hash, l1_time: time, ..self.clone() } == *before
    }

    /// When deposits end as planned, drain included.
    pub const fn planned_close_time(&self) -> u64 {
        self.config.endTime.saturating_add(self.config.drain)
    }

    /// Reads what `to_json` wrote.
    ///
    /// # Errors
    /// On JSON of another shape.
    pub fn from_json(text: &str) -> Result<Self, InfoError> {
        serde_json::from_str(text).map_err(|error| InfoError::Json(error.to_string()))
    }

    /// One JSON document.
    ///
    /// # Errors
    /// Never in practice; serialization is fallible by type.
    pub fn to_json(&self) -> Result<String, InfoError> {
        serde_json::to_string(self).map_err(|error| InfoError::Json(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn info_round_trips_and_every_part_of_the_rules_counts() {
        let info = RollupInfo {
            rollup: Address::repeat_byte(1),
            settlement: Address::repeat_byte(2),
            vault: Address::repeat_byte(3),
            chain_id: 7,
            l1_chain_id: 31_337,
            config: Config { attesters: vec![Address::repeat_byte(9)], ..Config::default() },
            genesis: vec![Allocation { to: Address::repeat_byte(8), amount: U256::from(5) }],
            l1_number: 4,
            l1_hash: B256::repeat_byte(4),
            l1_time: 1_000,
        };
        assert_eq!(RollupInfo::from_json(&info.to_json().unwrap()).unwrap(), info);
        assert!(RollupInfo::from_json("{}").is_err());
        let mut other = info.clone();
        other.genesis[0].amount += U256::ONE;
        assert_ne!(info.genesis_claim(), other.genesis_claim());
    }
}
