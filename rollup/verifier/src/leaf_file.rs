//! Leaves from L1 alone, for whoever comes after the blobs are gone: transactions about a closing claim carry them. A
//! claim's hash does not cover the file beside it and anybody may log one, so only the tree tells which file is right.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use mayfly_contracts::settlement::Settlement::{self, LeavesCarried};
use mayfly_l1::{BlockTag, FoundLog, L1Client, LogSearch};
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
    let root = l1.call(info.settlement, &Settlement::settlementRootCall {}, BlockTag::Latest).await?;
    carried_leaves(l1, info, claim_hash, root).await?.ok_or(VerifierError::NoLeafFile(claim_hash))
}

/// The leaves with this root that some transaction about the claim carries, if one does.
pub(crate) async fn carried_leaves(
    l1: &L1Client,
    info: &RollupInfo,
    claim_hash: B256,
    root: B256,
) -> Result<Option<(LeafFile, Tree)>, VerifierError> {
    let to = l1.head(BlockTag::Latest).await?.number;
    let topics = vec![Some(LeavesCarried::SIGNATURE_HASH), Some(claim_hash)];
    let mut search = LogSearch { address: Some(info.settlement), topics, from: info.l1_number, to };
    loop {
        let logs = l1.next_logs(&mut search).await?;
        if logs.is_empty() {
            return Ok(None);
        }
        for log in logs.iter().rev() {
            let Some(bytes) = carried_bytes(l1, &l1.prove(log).await?).await? else { continue };
            let Ok(file) = LeafFile::decompress(&bytes) else { continue };
            let tree = Tree::new(info.rollup, &file.leaves)?;
            if tree.root() == root {
                return Ok(Some((file, tree)));
            }
        }
    }
}

/// The leaf file in a log's transaction, if an account sent it to the Settlement itself.
async fn carried_bytes(l1: &L1Client, found: &FoundLog) -> Result<Option<Bytes>, VerifierError> {
    let Ok(carried) = LeavesCarried::decode_log_data(&found.log.data) else { return Ok(None) };
    let transaction = l1.transaction(found.log.tx_hash).await?;
    let input = transaction.input();
    let proposed = Settlement::proposeClaimCall::abi_decode(input).map(|call| call.leaves);
    let leaves = proposed.or_else(|_| Settlement::carryLeavesCall::abi_decode(input).map(|call| call.leaves));
    Ok(leaves.ok().filter(|leaves| keccak256(leaves) == carried.dataHash))
}
