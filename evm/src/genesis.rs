//! Block 0.

use crate::{
    BlockAttributes, ChainSpec, Consensus, EvmError, SealedBlock,
    block::{HeaderParts, seal_header},
    state::{AccountChange, AccountInfo, Changes, SlotChange},
};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::bytecode::Bytecode;

/// One account of the genesis state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Where.
    pub address: Address,
    /// Wei.
    pub balance: U256,
    /// Nonce; 1 for contracts.
    pub nonce: u64,
    /// Runtime code; empty for none.
    pub code: Bytes,
    /// Slots and their values.
    pub storage: Vec<(B256, U256)>,
}

/// The state and the header fields of block 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Genesis {
    /// Accounts, each address once.
    pub accounts: Vec<GenesisAccount>,
    /// Unix seconds.
    pub timestamp: u64,
    /// Gas limit.
    pub gas_limit: u64,
    /// Beneficiary.
    pub beneficiary: Address,
    /// `extraData`.
    pub extra_data: Bytes,
    /// `mixHash`.
    pub prev_randao: B256,
    /// Nothing in a rollup.
    pub consensus: Consensus,
    /// Excess blob gas; 0 in a rollup.
    pub excess_blob_gas: u64,
    /// Blob gas used; 0 in a rollup.
    pub blob_gas_used: u64,
    /// Base fee, where it is not what the chain's rule says.
    pub base_fee: Option<u64>,
    /// Whether accounts without balance, nonce and code are part of the state, as before EIP-161.
    pub keeps_empty: bool,
}

impl Genesis {
    /// The genesis state as changes from nothing.
    pub(crate) fn changes(&self) -> Result<Changes, EvmError> {
        let mut changes = Changes::default();
        for account in &self.accounts {
            let GenesisAccount { address, balance, nonce, code, storage } = account;
            let mut info = AccountInfo { balance: *balance, nonce: *nonce, ..Default::default() };
            if !code.is_empty() {
                let code = Bytecode::new_raw_checked(code.clone())
                    .map_err(|err| EvmError::Genesis(format!("code of {address}: {err}")))?;
                info.code_hash = code.hash_slow();
                changes.codes.push((info.code_hash, code));
            }
            let slots = storage.iter().filter(|(_, value)| !value.is_zero());
            let slot = |(slot, value): &(B256, U256)| SlotChange {
                address: *address,
                slot: (*slot).into(),
                old: U256::ZERO,
                new: *value,
            };
            let before = changes.slots.len();
            changes.slots.extend(slots.map(slot));
            if info.is_empty() && changes.slots.len() > before && !self.keeps_empty {
                return Err(EvmError::Genesis(format!("{address} is empty but has storage")));
            }
            if !info.is_empty() || self.keeps_empty {
                changes.accounts.push(AccountChange { address: *address, old: None, new: Some(info) });
            }
        }
        changes.accounts.sort_unstable_by_key(|change| change.address);
        changes.slots.sort_unstable_by_key(|change| (change.address, change.slot));
        changes.codes.sort_unstable_by_key(|(hash, _)| *hash);
        changes.codes.dedup_by_key(|(hash, _)| *hash);
        if let Some(twice) = changes.accounts.windows(2).find(|pair| pair[0].address == pair[1].address) {
            return Err(EvmError::Genesis(format!("{} is there twice", twice[0].address)));
        }
        let same = |pair: &&[SlotChange]| (pair[0].address, pair[0].slot) == (pair[1].address, pair[1].slot);
        if let Some(twice) = changes.slots.windows(2).find(same) {
            return Err(EvmError::Genesis(format!("slot {} of {} is there twice", twice[0].slot, twice[0].address)));
        }
        Ok(changes)
    }

    /// Block 0 over that state.
    pub(crate) fn block(&self, spec: &ChainSpec, state_root: B256) -> SealedBlock {
        let attributes = BlockAttributes {
            timestamp: self.timestamp,
            prev_randao: self.prev_randao,
            parent_beacon_block_root: B256::ZERO,
            extra_data: self.extra_data.clone(),
            gas_limit: self.gas_limit,
            beneficiary: self.beneficiary,
            consensus: self.consensus.clone(),
        };
        let base_fee = spec.genesis_base_fee(spec.spec_id(0, self.timestamp)).map(|fee| self.base_fee.unwrap_or(fee));
        let parts = HeaderParts {
            spec,
            number: 0,
            parent_hash: B256::ZERO,
            base_fee,
            state_root,
            transactions: &[],
            receipts: &[],
            excess_blob_gas: self.excess_blob_gas,
            blob_gas_used: self.blob_gas_used,
            requests_hash: EMPTY_REQUESTS_HASH,
        };
        let (header, hash) = seal_header(&attributes, parts);
        let Consensus { ommers, withdrawals, .. } = attributes.consensus;
        SealedBlock {
            header,
            hash,
            transactions: Vec::new(),
            receipts: Vec::new(),
            first_index: 0,
            ommers,
            withdrawals,
        }
    }
}
