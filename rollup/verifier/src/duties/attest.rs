//! Signing right claims.

use alloy_primitives::{Bytes, U256};
use mayfly_contracts::settlement::Settlement;
use mayfly_l1::Key;

use super::{Action, Context, short};
use crate::{ClaimStatus, ProposedClaim, Verdict, VerifierError, View, attestation};

impl Context {
    /// A signature for every right, undisputed claim that has not ours yet.
    pub(super) fn attestations(&self, view: &View, key: &Key) -> Result<Vec<Action>, VerifierError> {
        if self.info.config.quorum == 0 {
            return Ok(Vec::new());
        }
        let due = |claim: &&ProposedClaim| {
            claim.status == ClaimStatus::Pending
                && claim.verdict == Verdict::Right
                && !claim.disputed
                && !claim.attested.contains(&key.address())
        };
        let mut actions = Vec::new();
        for claim in view.claims.iter().filter(due) {
            let signatures: Vec<Bytes> = vec![attestation(&self.info, key, claim.hash)?];
            let call = Settlement::attestCall { claimHash_: claim.hash, signatures };
            let what = format!("attest claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
            actions.push(Action::call("attester", what, self.contracts.settlement, &call, U256::ZERO));
        }
        Ok(actions)
    }
}
