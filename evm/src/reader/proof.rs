//! EIP-1186 proofs.

use super::ChainReader;
use crate::{AccountInfo, EvmError, SealedBlock};
use alloy_primitives::{Address, B256, U256};
use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};
use alloy_serde::JsonStorageKey;
use std::sync::Arc;

/// Most slots of one proof.
pub const MAX_PROOF_SLOTS: usize = 1_024;
/// How often to start again because the chain was reverted meanwhile.
const MAX_TRIES: usize = 16;

/// A proof and the block whose state root it fits.
#[derive(Clone, Debug, PartialEq)]
pub struct AccountProof {
    /// The block; durable.
    pub block: Arc<SealedBlock>,
    /// The proof in `eth_getProof`'s shape.
    pub proof: EIP1186AccountProofResponse,
}

impl ChainReader {
    /// Proves an account and some of its slots at the newest block, waiting until that block is durable.
    ///
    /// # Errors
    /// [`EvmError::TooManyResults`] for more than [`MAX_PROOF_SLOTS`] slots; [`EvmError::LogStopped`].
    pub fn proof(&self, address: &Address, slots: &[B256]) -> Result<AccountProof, EvmError> {
        if slots.len() > MAX_PROOF_SLOTS {
            return Err(EvmError::TooManyResults(MAX_PROOF_SLOTS));
        }
        let mut number = 0;
        for _ in 0..MAX_TRIES {
            let (block, proof) = {
                let mut tries = self.shared.trie.lock();
                let proof = tries.state.proof(address, slots);
                (tries.block.clone(), proof)
            };
            number = block.number();
            if !self.shared.wait_durable_or_reverted(number)? {
                continue;
            }
            if self.block_by_number(number)?.is_none_or(|now| now.hash != block.hash) {
                continue;
            }
            let AccountInfo { balance, nonce, code_hash } = proof.account.unwrap_or_default();
            let storage = |(slot, value, proof): (B256, U256, _)| EIP1186StorageProof {
                key: JsonStorageKey::Hash(slot),
                value,
                proof,
            };
            let proof = EIP1186AccountProofResponse {
                address: *address,
                balance,
                code_hash,
                nonce,
                storage_hash: proof.storage_root,
                account_proof: proof.account_proof,
                storage_proof: proof.storage.into_iter().map(storage).collect(),
            };
            return Ok(AccountProof { block, proof });
        }
        Err(EvmError::StateUnavailable(number))
    }
}
