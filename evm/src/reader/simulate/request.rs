//! What is to be simulated.

use super::SimulationError;
use crate::{AccountOverride, BlockOverrides};
use alloy_eips::{eip2930::AccessList, eip4895::Withdrawal, eip7702::SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, U256};

/// Most blocks of a simulation, those that fill gaps included.
pub const MAX_SIMULATED_BLOCKS: u64 = 256;
/// Most calls of a simulated block.
pub const MAX_SIMULATED_CALLS_OF_BLOCK: usize = 5_000;
/// Most calls of a simulation.
pub const MAX_SIMULATED_CALLS: usize = 10_000;

/// Blocks to simulate, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulation {
    /// The blocks, in order. Gaps between their numbers are filled with empty blocks.
    pub blocks: Vec<SimulationBlock>,
    /// Whether transfers of ether are told as logs.
    pub trace_transfers: bool,
    /// Whether nonces and base fees are checked as in a real block; else gas is free for who offers nothing.
    pub validation: bool,
    /// Gas that all calls together may use.
    pub gas: u64,
}

impl Simulation {
    pub(super) fn check(&self) -> Result<(), SimulationError> {
        if self.blocks.len() as u64 > MAX_SIMULATED_BLOCKS {
            return Err(SimulationError::TooManyBlocks(self.blocks.len() as u64));
        }
        let most = self.blocks.iter().map(|block| block.calls.len()).max().unwrap_or_default();
        if most > MAX_SIMULATED_CALLS_OF_BLOCK {
            return Err(SimulationError::TooManyCalls(most));
        }
        let all: usize = self.blocks.iter().map(|block| block.calls.len()).sum();
        if all > MAX_SIMULATED_CALLS { Err(SimulationError::TooManyCalls(all)) } else { Ok(()) }
    }
}

/// One block of a simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulationBlock {
    /// Changes to its header; number and time follow from the block before, gas limit and beneficiary are inherited.
    pub header: BlockOverrides,
    /// Price of blob gas, whatever the header says.
    pub blob_base_fee: Option<u128>,
    /// `parentBeaconBlockRoot`.
    pub beacon_root: Option<B256>,
    /// Withdrawals of validators.
    pub withdrawals: Vec<Withdrawal>,
    /// Changes to the state before it starts.
    pub accounts: Vec<(Address, AccountOverride)>,
    /// Precompiled contracts that are elsewhere in this block, and where.
    pub moves: Vec<(Address, Address)>,
    /// Its transactions.
    pub calls: Vec<SimulationCall>,
}

/// A call of a simulated block: a transaction that nobody signed. What is not given is filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulationCall {
    /// Sender; may have code.
    pub from: Address,
    /// Callee; `None` creates a contract.
    pub to: Option<Address>,
    /// Gas limit; what the block has left if `None`.
    pub gas: Option<u64>,
    /// Gas price: makes it a legacy transaction.
    pub gas_price: Option<u128>,
    /// Max fee per gas.
    pub max_fee_per_gas: Option<u128>,
    /// Max priority fee per gas.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Max fee per blob gas.
    pub max_fee_per_blob_gas: Option<u128>,
    /// Wei.
    pub value: U256,
    /// Calldata or init code.
    pub data: Bytes,
    /// Nonce; the sender's own if `None`.
    pub nonce: Option<u64>,
    /// Chain id to check.
    pub chain_id: Option<u64>,
    /// EIP-2930 access list.
    pub access_list: AccessList,
    /// Blobs: makes it a blob transaction.
    pub blob_hashes: Option<Vec<B256>>,
    /// EIP-7702 authorisations: makes it a set-code transaction.
    pub authorization_list: Option<Vec<SignedAuthorization>>,
}
