//! Claims, attestations and receipt leaves: what is hashed and signed.

use crate::error::SettlementError;
use crate::info::RollupInfo;
use crate::settlement::append_proof;
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolStruct, SolValue, eip712_domain, sol};
use mayfly_contracts::types::Claim;

sol! {
    /// What an attester signs.
    #[derive(Debug)]
    struct Attestation {
        bytes32 claim;
    }
}

/// Depth of the receipt tree.
pub const RECEIPT_TREE_DEPTH: usize = 40;

/// A claim's hash, as the Settlement contract computes it.
pub fn claim_hash(l1_chain_id: u64, rollup: Address, claim: &Claim) -> B256 {
    let l1 = U256::from(l1_chain_id);
    keccak256(("mayfly claim v1".to_owned(), l1, rollup, claim.clone()).abi_encode_params())
}

/// What an attester signs for a claim (EIP-712).
pub fn attestation_digest(l1_chain_id: u64, settlement: Address, claim_hash: B256) -> B256 {
    let domain = eip712_domain! {
        name: "Mayfly",
        version: "1",
        chain_id: l1_chain_id,
        verifying_contract: settlement,
    };
    Attestation { claim: claim_hash }.eip712_signing_hash(&domain)
}

impl RollupInfo {
    /// The hash of a claim about this rollup.
    pub fn claim_hash(&self, claim: &Claim) -> B256 {
        claim_hash(self.l1_chain_id, self.rollup, claim)
    }

    /// What an attester of this rollup signs for a claim.
    pub fn attestation_digest(&self, claim_hash: B256) -> B256 {
        attestation_digest(self.l1_chain_id, self.settlement, claim_hash)
    }
}

/// One derived transaction's line in the receipt tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptRow {
    /// Position among all derived transactions.
    pub global_index: u64,
    /// Number of its block.
    pub block: u64,
    /// Position in the block.
    pub index: u64,
    /// Its hash.
    pub tx_hash: B256,
    /// 1 if it succeeded.
    pub status: u8,
    /// Gas it used.
    pub gas_used: u64,
    /// Hash of its logs' RLP.
    pub logs_hash: B256,
}

impl ReceiptRow {
    /// The leaf that stands for it.
    pub fn leaf(&self) -> B256 {
        let row = (
            U256::from(self.global_index),
            U256::from(self.block),
            U256::from(self.index),
            self.tx_hash,
            U256::from(self.status),
            U256::from(self.gas_used),
            self.logs_hash,
        );
        keccak256(row.abi_encode_params())
    }
}

/// The proof that a receipt is under a claim's `receiptRoot`; `rows` are all from 0 on.
///
/// # Errors
/// If there is no such receipt.
pub fn receipt_proof(rows: &[ReceiptRow], index: usize) -> Result<Vec<B256>, SettlementError> {
    let leaves: Vec<B256> = rows.iter().map(ReceiptRow::leaf).collect();
    append_proof(&leaves, index, RECEIPT_TREE_DEPTH)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::settlement::{append_root, verify_append};

    #[test]
    fn a_claims_hash_binds_chain_rollup_and_every_root() {
        let claim = Claim { batchSeq: 3, stateRoot: B256::repeat_byte(1), ..Claim::default() };
        let base = claim_hash(1, Address::repeat_byte(1), &claim);
        assert_ne!(base, claim_hash(2, Address::repeat_byte(1), &claim));
        assert_ne!(base, claim_hash(1, Address::repeat_byte(2), &claim));
        let other = Claim { settlementRoot: B256::repeat_byte(1), ..claim };
        assert_ne!(base, claim_hash(1, Address::repeat_byte(1), &other));
        let digest = attestation_digest(1, Address::repeat_byte(1), base);
        assert_ne!(digest, attestation_digest(1, Address::repeat_byte(2), base));
        assert_ne!(digest, attestation_digest(2, Address::repeat_byte(1), base));
    }

    #[test]
    fn receipts_are_provable() {
        let row = |global_index| ReceiptRow {
            global_index,
            block: 1,
            index: global_index,
            tx_hash: B256::repeat_byte(global_index as u8),
            status: 1,
            gas_used: 21_000,
            logs_hash: B256::ZERO,
        };
        let rows: Vec<_> = (0..9).map(row).collect();
        let leaves: Vec<_> = rows.iter().map(ReceiptRow::leaf).collect();
        let root = append_root(&leaves, RECEIPT_TREE_DEPTH);
        let proof = receipt_proof(&rows, 4).unwrap();
        assert!(verify_append(root, rows[4].leaf(), 4, &proof));
        let forged = ReceiptRow { status: 0, ..rows[4] };
        assert!(!verify_append(root, forged.leaf(), 4, &proof));
        assert!(receipt_proof(&rows, 9).is_err());
    }
}
