//! The leaf file on L1, so that everybody can claim when nobody keeps the rollup's data any more.

use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::{B256, Bytes, U256};
use mayfly_contracts::settlement::Settlement;
use mayfly_rollup::settlement::LeafFile;

use super::{Action, Context, short};
use crate::{ClaimStatus, Closing, ProposedClaim, Verdict, VerifierError, View, leaf_file::carried_leaves};

/// What is known of leaf files, so that none is made or looked for twice.
#[derive(Debug, Default)]
pub(super) struct Carriage {
    /// The last file made, by its settlement root; empty if it is too large for calldata.
    made: Mutex<Option<(B256, Bytes)>>,
    /// A final closing claim whose leaves are on L1.
    carried: Mutex<Option<B256>>,
}

impl Context {
    /// The compressed leaf file; empty if it is too large for calldata. Larger ones stay with the verifiers, who all
    /// can make them.
    pub(super) async fn leaf_file(&self, closing: &Arc<Closing>) -> Result<Bytes, VerifierError> {
        let root = closing.tree.root();
        let made = self.carriage.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, file)) = made.filter(|(of, _)| *of == root) {
            return Ok(file);
        }
        let closing = closing.clone();
        // Seconds of work for a file that just fits.
        let compress = move || LeafFile::compress_leaves(&closing.leaves.leaves).unwrap_or_default();
        let file = mayfly_l1::offload(compress).await;
        let file = Bytes::from(file.map_err(|error| VerifierError::Worker(error.to_string()))?);
        *self.carriage.made.lock().unwrap_or_else(PoisonError::into_inner) = Some((root, file.clone()));
        Ok(file)
    }

    /// The leaf file of the claim that settled the rollup, unless L1 has it: whoever proposed the claim may have put
    /// something else beside it.
    pub(super) async fn missing_leaves(&self, view: &View) -> Result<Option<Action>, VerifierError> {
        let is_final = |claim: &ProposedClaim| claim.is_closing() && claim.status == ClaimStatus::Final;
        let Some(closing) = view.closing().filter(|_| view.claims.iter().any(is_final)) else { return Ok(None) };
        let carried = *self.carriage.carried.lock().unwrap_or_else(PoisonError::into_inner);
        if carried.and_then(|hash| view.claim(hash)).is_some_and(is_final) {
            return Ok(None);
        }
        let settled = self.ask(self.contracts.settlement, &Settlement::settledClaimCall {}).await?;
        let Some(claim) = view.claim(settled).filter(|claim| claim.verdict == Verdict::Right) else { return Ok(None) };
        let leaves = self.leaf_file(closing).await?;
        let carried = leaves.is_empty()
            || carried_leaves(&self.l1, &self.info, claim.hash, claim.claim.settlementRoot).await?.is_some();
        if carried {
            *self.carriage.carried.lock().unwrap_or_else(PoisonError::into_inner) = Some(claim.hash);
            return Ok(None);
        }
        let what = format!("carry the leaf file of claim {}", short(claim.hash));
        let call = Settlement::carryLeavesCall { claimHash: claim.hash, leaves };
        Ok(Some(Action::call("finalizer", what, self.contracts.settlement, &call, U256::ZERO)))
    }
}
