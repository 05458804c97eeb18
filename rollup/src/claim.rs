//! Claims, attestations and receipt leaves: what is hashed and signed.

use crate::derive::{BatchOutcome, Checkpoint, L1Ref, L2Ref};
use crate::error::SettlementError;
use crate::info::RollupInfo;
use crate::settlement::{append_proof, withdrawal_root};
use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolStruct, SolValue, eip712_domain, sol};
use mayfly_contracts::types::Claim;
use mayfly_evm::{Chain, SealedBlock};

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

/// The claim about a batch, right after it was derived: the chain stands at its last block.
///
/// # Errors
/// If the chain stands elsewhere.
pub fn batch_claim(chain: &Chain, batch: &BatchOutcome, parent: B256) -> Result<Claim, SettlementError> {
    let claim = Claim {
        parent,
        batchSeq: batch.header.seq,
        batchHash: batch.header_hash,
        queueHash: batch.queue_hash,
        ..Claim::default()
    };
    with_roots(chain, batch.head, claim)
}

/// The closing claim: the chain stands at the close block, `at` is derivation's checkpoint after the L1 block that
/// closed the rollup, `queue_hash` that of the whole queue, `settlement_root` that of the tree over all leaves.
///
/// # Errors
/// If the chain stands elsewhere, or the rollup is not closed.
pub fn closing_claim(
    chain: &Chain,
    at: &Checkpoint,
    l1: L1Ref,
    queue_hash: B256,
    settlement_root: B256,
    parent: B256,
) -> Result<Claim, SettlementError> {
    if !at.closed {
        return Err(SettlementError::State("the close block is not derived yet".to_owned()));
    }
    let claim = Claim {
        parent,
        batchSeq: at.batch_seq,
        batchHash: at.batch_hash,
        queueHash: queue_hash,
        closeNumber: l1.number,
        closeHash: l1.hash,
        settlementRoot: settlement_root,
        ..Claim::default()
    };
    with_roots(chain, at.head, claim)
}

fn with_roots(chain: &Chain, head: L2Ref, claim: Claim) -> Result<Claim, SettlementError> {
    if chain.head().hash != head.hash {
        let (number, hash) = (chain.head().number(), chain.head().hash);
        let why = format!("the chain stands at block {number} ({hash}), the claim is about block {}", head.number);
        return Err(SettlementError::State(why));
    }
    Ok(Claim {
        blockNumber: head.number,
        blockHash: head.hash,
        stateRoot: chain.state_root(),
        withdrawalRoot: withdrawal_root(chain),
        receiptRoot: chain.receipt_root(),
        ..claim
    })
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
    /// The lines of a block.
    pub fn of_block(block: &SealedBlock) -> Vec<Self> {
        let row = |(index, receipt): (usize, &mayfly_evm::Receipt)| Self {
            global_index: block.first_index + index as u64,
            block: block.number(),
            index: index as u64,
            tx_hash: receipt.tx_hash,
            status: receipt.status.into(),
            gas_used: receipt.gas_used,
            logs_hash: receipt.logs_hash,
        };
        block.receipts.iter().enumerate().map(row).collect()
    }

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
