//! Leaves from L1 alone, for whoever comes after the blobs are gone: a closing claim's transaction
//! carries them.

use alloy_primitives::{B256, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use mayfly_contracts::settlement::Settlement::{self, LeavesCarried};
use mayfly_l1::{BlockTag, L1Client, LogSearch};
use mayfly_rollup::{
    RollupInfo,
    settlement::{LeafFile, Tree},
};

use crate::VerifierError;

/// The leaves of a settled rollup, checked against its settlement root.
pub async fn settled_leaves(l1: &L1Client, info: &RollupInfo) -> Result<(LeafFile, Tree), VerifierError> {
    let claim_hash = l1.call(info.settlement, &Settlement::settledClaimCall {}, BlockTag::Latest).await?;
    if claim_hash.is_zero() {
        return Err(VerifierError::NotSettled);
    }
    let to = l1.head(BlockTag::Latest).await?.number;
    let topics = vec![Some(LeavesCarried::SIGNATURE_HASH), Some(claim_hash)];
    let search = LogSearch { address: Some(info.settlement), topics, from: info.l1_number, to };
    let found = l1.find_log(&search).await?.ok_or(VerifierError::NoLeafFile(claim_hash))?;
    let carried = LeavesCarried::decode_log_data(&found.log.data).map_err(|_| VerifierError::NoLeafFile(claim_hash))?;
    let bytes = carried_bytes(l1, claim_hash, found.log.tx_hash, carried.dataHash).await?;
    let file = LeafFile::decompress(&bytes)?;
    let tree = Tree::new(info.rollup, &file.leaves)?;
    crate::payout::check_settled(l1, info, tree.root()).await?;
    Ok((file, tree))
}

/// The leaf file in a claim's transaction, if an account sent it to the Settlement itself.
async fn carried_bytes(
    l1: &L1Client,
    claim_hash: B256,
    tx_hash: B256,
    data_hash: B256,
) -> Result<alloy_primitives::Bytes, VerifierError> {
    let transaction = l1.transaction(tx_hash).await?;
    let call = Settlement::proposeClaimCall::abi_decode(transaction.input());
    match call {
        Ok(call) if keccak256(&call.leaves) == data_hash => Ok(call.leaves),
        _ => Err(VerifierError::NoLeafFile(claim_hash)),
    }
}
