//! Signing right claims.

use alloy_primitives::{Bytes, U256};
use mayfly_contracts::settlement::Settlement;

use super::{Action, Context, short};
use crate::{ClaimStatus, ProposedClaim, Verdict, VerifierError, View, attestation};

impl Context {
    /// Signatures for every right, undisputed claim that has not all of ours yet.
    pub(super) fn attestations(&self, view: &View) -> Result<Vec<Action>, VerifierError> {
        if self.info.config.quorum == 0 {
            return Ok(Vec::new());
        }
        let open = |claim: &&ProposedClaim| {
            claim.status == ClaimStatus::Pending && claim.verdict == Verdict::Right && !claim.disputed
        };
        let mut actions = Vec::new();
        for claim in view.claims.iter().filter(open) {
            let missing = self.roles.attesters.iter().filter(|key| !claim.attested.contains(&key.address()));
            let signatures: Vec<Bytes> =
                missing.map(|key| attestation(&self.info, key, claim.hash)).collect::<Result<_, _>>()?;
            if !signatures.is_empty() {
                let call = Settlement::attestCall { claimHash_: claim.hash, signatures };
                let what = format!("attest claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
                actions.push(Action::call("attester", what, self.contracts.settlement, &call, U256::ZERO));
            }
        }
        Ok(actions)
    }
}
