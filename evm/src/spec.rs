//! What a chain's rules are, as data.
//!
//! The executor reads everything that may differ between chains from here, so that a rollup is one value of
//! [`ChainSpec`] and another chain's history is another value.

use crate::{EvmError, Prices, Transaction, transaction::DEPOSIT_TX_TYPE};
use alloy_eips::{
    eip1559::{BaseFeeParams, calc_next_block_base_fee},
    eip7840::BlobParams,
};
use alloy_primitives::{Address, B256, FixedBytes, U256, address};
use revm::{context_interface::block::BlobExcessGasAndPrice, primitives::hardfork::SpecId};

/// EIP-2935: block hashes, served from state.
pub const HISTORY_ADDRESS: Address = address!("0x0000f90827f1c53a10cb7a02335b175320002935");
/// EIP-4788: beacon roots, served from state.
pub const BEACON_ROOTS_ADDRESS: Address = address!("0x000f3df6d732807ef1319fb7b8bb8522d0beac02");
/// EIP-7825: the most gas one transaction may ask for, from Osaka on.
pub const TX_GAS_LIMIT_CAP: u64 = 1 << 24;
/// The protocol versions this build can execute.
pub const PROTOCOL_VERSIONS: [u32; 1] = [1];

/// From when a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// From this block number on.
    Block(u64),
    /// From the first block with this timestamp on.
    Time(u64),
}

impl Activation {
    /// Whether a block with this number and timestamp is past the activation.
    pub const fn active(self, number: u64, timestamp: u64) -> bool {
        match self {
            Self::Block(from) => number >= from,
            Self::Time(from) => timestamp >= from,
        }
    }
}

/// One entry of the fork schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// From when.
    pub from: Activation,
    /// The EVM's rules from then on.
    pub spec: SpecId,
}

/// How a block's base fee follows from its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFeeRule {
    /// The same in every block.
    Fixed(u64),
    /// EIP-1559 with these parameters; `initial` in the first London block.
    Eip1559 {
        /// Elasticity and denominator.
        params: BaseFeeParams,
        /// Base fee of the first block under the rule.
        initial: u64,
    },
}

/// Wei credited to the beneficiary of every block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockReward {
    /// From when.
    pub from: Activation,
    /// How much.
    pub wei: U256,
}

/// What a system call is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemInput {
    /// The parent block's hash (EIP-2935).
    ParentHash,
    /// `parentBeaconBlockRoot` of the block's header (EIP-4788).
    ParentBeaconRoot,
}

/// A call that the protocol makes at the start of every block but genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// From when.
    pub from: Activation,
    /// The contract. An address without code is skipped silently, as the EIPs say.
    pub to: Address,
    /// Its input.
    pub input: SystemInput,
}

/// How many blobs a block takes, and how their price moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobRule {
    /// From when.
    pub from: Activation,
    /// Target, most, and how fast the price moves.
    pub params: BlobParams,
}

/// Where requests to the consensus layer (EIP-7685) come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestSource {
    /// Logs of the deposit contract (EIP-6110).
    DepositLogs(Address),
    /// What a system contract answers at the end of the block (EIP-7002, EIP-7251).
    Contract(Address),
}

/// Requests that a block carries to the consensus layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRule {
    /// From when.
    pub from: Activation,
    /// Their type byte.
    pub ty: u8,
    /// Where they come from.
    pub source: RequestSource,
}

/// What a header may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderRules {
    /// Longest `extraData`.
    pub max_extra_data_bytes: usize,
    /// Whether a block may have its parent's timestamp.
    pub equal_timestamps: bool,
}

/// The rules of one chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainSpec {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Version of the rollup protocol; 0 for a chain that is none.
    pub protocol_version: u32,
    /// Fork schedule, oldest first.
    pub forks: Vec<Fork>,
    /// How base fees move.
    pub base_fee: BaseFeeRule,
    /// Rewards by age, oldest first; the last active one counts.
    pub block_rewards: Vec<BlockReward>,
    /// Calls at the start of a block, in this order.
    pub system_calls: Vec<SystemCall>,
    /// Requests, by type.
    pub requests: Vec<RequestRule>,
    /// Blobs, oldest rule first; a chain without takes none.
    pub blobs: Vec<BlobRule>,
    /// Header rules.
    pub header: HeaderRules,
    /// EIP-2718 types a block may hold, deposits (0x7e) included.
    pub transaction_types: Vec<u8>,
    /// What costs other gas than under its fork.
    pub prices: Prices,
}

impl ChainSpec {
    /// The rules of a Mayfly rollup: Osaka from genesis, prices after measured time, free gas, EIP-4788 and EIP-2935
    /// system calls, equal timestamps allowed, no blob transactions.
    ///
    /// # Errors
    /// [`EvmError::UnknownVersion`] for a version that this build does not know.
    pub fn rollup(chain_id: u64, protocol_version: u32) -> Result<Self, EvmError> {
        if !PROTOCOL_VERSIONS.contains(&protocol_version) {
            return Err(EvmError::UnknownVersion(protocol_version));
        }
        let from = Activation::Block(0);
        Ok(Self {
            chain_id,
            protocol_version,
            forks: vec![Fork { from, spec: SpecId::OSAKA }],
            base_fee: BaseFeeRule::Fixed(0),
            block_rewards: Vec::new(),
            system_calls: vec![
                SystemCall { from, to: BEACON_ROOTS_ADDRESS, input: SystemInput::ParentBeaconRoot },
                SystemCall { from, to: HISTORY_ADDRESS, input: SystemInput::ParentHash },
            ],
            requests: Vec::new(),
            blobs: Vec::new(),
            header: HeaderRules { max_extra_data_bytes: 32, equal_timestamps: true },
            transaction_types: vec![0, 1, 2, 4, DEPOSIT_TX_TYPE],
            prices: Prices::rollup(),
        })
    }

    /// Whether the chain is a rollup, not another chain's history.
    pub const fn is_rollup(&self) -> bool {
        self.protocol_version != 0
    }

    /// The EVM's rules in a block. A chain whose schedule starts later runs Frontier before it.
    pub fn spec_id(&self, number: u64, timestamp: u64) -> SpecId {
        let active = self.forks.iter().rev().find(|fork| fork.from.active(number, timestamp));
        active.map_or(SpecId::FRONTIER, |fork| fork.spec)
    }

    /// What a transaction pays for a unit of gas in a block with this base fee.
    pub fn gas_price(&self, tx: &Transaction, base_fee: u64) -> u128 {
        if self.prices.free_gas || tx.is_deposit() { 0 } else { tx.effective_gas_price(base_fee) }
    }

    /// Base fee of the child of a block; `None` before London.
    pub fn next_base_fee(&self, parent: &alloy_consensus::Header, spec: SpecId) -> Option<u64> {
        if !spec.is_enabled_in(SpecId::LONDON) {
            return None;
        }
        Some(match (self.base_fee, parent.base_fee_per_gas) {
            (BaseFeeRule::Fixed(fee), _) => fee,
            (BaseFeeRule::Eip1559 { initial, .. }, None) => initial,
            (BaseFeeRule::Eip1559 { params, .. }, Some(fee)) => {
                calc_next_block_base_fee(parent.gas_used, parent.gas_limit, fee, params)
            }
        })
    }

    /// Base fee of the genesis block; `None` before London.
    pub fn genesis_base_fee(&self, spec: SpecId) -> Option<u64> {
        spec.is_enabled_in(SpecId::LONDON).then_some(match self.base_fee {
            BaseFeeRule::Fixed(fee) | BaseFeeRule::Eip1559 { initial: fee, .. } => fee,
        })
    }

    /// The blob rule of a block; `None` where it takes no blobs.
    pub fn blob_params(&self, number: u64, timestamp: u64) -> Option<BlobParams> {
        let active = self.blobs.iter().rev().find(|rule| rule.from.active(number, timestamp));
        active.map(|rule| rule.params)
    }

    /// Excess blob gas of the child of a block at `timestamp` (EIP-4844, EIP-7918); 0 where it takes no blobs.
    pub fn next_excess_blob_gas(&self, parent: &alloy_consensus::Header, timestamp: u64) -> u64 {
        let Some(params) = self.blob_params(parent.number + 1, timestamp) else { return 0 };
        params.next_block_excess_blob_gas_osaka(
            parent.excess_blob_gas.unwrap_or_default(),
            parent.blob_gas_used.unwrap_or_default(),
            parent.base_fee_per_gas.unwrap_or_default(),
        )
    }

    /// The price of blob gas in a block, in wei.
    pub fn blob_price_of(&self, header: &alloy_consensus::Header) -> u128 {
        self.blob_price(header.number, header.timestamp, header.excess_blob_gas.unwrap_or_default()).blob_gasprice
    }

    /// The times from which rules change, in order.
    pub fn fork_times(&self) -> Vec<u64> {
        let mut times: Vec<u64> = self
            .changes()
            .filter_map(|from| match from {
                Activation::Time(time) => Some(time),
                Activation::Block(_) => None,
            })
            .collect();
        times.sort_unstable();
        times.dedup();
        times
    }

    /// EIP-2124's checksum of the chain's first block and every change of rules up to a block.
    pub fn fork_id(&self, genesis: B256, genesis_time: u64, number: u64, timestamp: u64) -> FixedBytes<4> {
        let mut blocks: Vec<u64> = self
            .changes()
            .filter_map(|from| match from {
                Activation::Block(block) => Some(block),
                Activation::Time(_) => None,
            })
            .collect();
        blocks.sort_unstable();
        blocks.dedup();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(genesis.as_slice());
        let past_blocks = blocks.into_iter().filter(|from| *from > 0 && *from <= number);
        let past_times = self.fork_times().into_iter().filter(|from| *from > genesis_time && *from <= timestamp);
        past_blocks.chain(past_times).for_each(|from| hasher.update(&from.to_be_bytes()));
        FixedBytes::from(hasher.finalize().to_be_bytes())
    }

    fn changes(&self) -> impl Iterator<Item = Activation> {
        self.forks.iter().map(|fork| fork.from).chain(self.blobs.iter().map(|rule| rule.from))
    }

    /// The price of blob gas in a block with this excess.
    pub fn blob_price(&self, number: u64, timestamp: u64, excess: u64) -> BlobExcessGasAndPrice {
        match self.blob_params(number, timestamp) {
            Some(params) => {
                BlobExcessGasAndPrice { excess_blob_gas: excess, blob_gasprice: params.calc_blob_fee(excess) }
            }
            None => BlobExcessGasAndPrice::new_with_spec(excess, self.spec_id(number, timestamp)),
        }
    }

    /// What the beneficiary of a block is credited with.
    pub fn block_reward(&self, number: u64, timestamp: u64) -> U256 {
        let active = self.block_rewards.iter().rev().find(|r| r.from.active(number, timestamp));
        active.map_or(U256::ZERO, |reward| reward.wei)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use alloy_consensus::Header;

    #[test]
    fn refuses_unknown_protocol_version() {
        assert!(ChainSpec::rollup(1, 1).is_ok());
        for version in [0, 2, u32::MAX] {
            assert!(matches!(ChainSpec::rollup(1, version), Err(EvmError::UnknownVersion(v)) if v == version));
        }
    }

    #[test]
    fn another_history_is_another_value() {
        let spec = ChainSpec {
            forks: vec![
                Fork { from: Activation::Block(0), spec: SpecId::BERLIN },
                Fork { from: Activation::Block(10), spec: SpecId::LONDON },
                Fork { from: Activation::Time(1_000), spec: SpecId::CANCUN },
            ],
            base_fee: BaseFeeRule::Eip1559 { params: BaseFeeParams::ethereum(), initial: 1_000_000_000 },
            block_rewards: vec![
                BlockReward { from: Activation::Block(0), wei: U256::from(5) },
                BlockReward { from: Activation::Block(7), wei: U256::from(3) },
            ],
            ..ChainSpec::rollup(1, 1).unwrap()
        };
        assert_eq!(spec.spec_id(9, 10), SpecId::BERLIN);
        assert_eq!(spec.spec_id(10, 10), SpecId::LONDON);
        assert_eq!(spec.spec_id(11, 1_000), SpecId::CANCUN);
        assert_eq!(spec.block_reward(6, 0), U256::from(5));
        assert_eq!(spec.block_reward(7, 0), U256::from(3));
        let mut parent = Header { gas_limit: 100, gas_used: 100, ..Default::default() };
        assert_eq!(spec.next_base_fee(&parent, SpecId::BERLIN), None);
        assert_eq!(spec.next_base_fee(&parent, SpecId::LONDON), Some(1_000_000_000));
        parent.base_fee_per_gas = Some(1_000_000_000);
        assert_eq!(spec.next_base_fee(&parent, SpecId::LONDON), Some(1_125_000_000));
    }
}
