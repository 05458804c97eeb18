//! Proposing claims: one each interval while the rollup lives, and the closing claim.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use mayfly_contracts::{settlement::Settlement, types::Claim};

use super::{Action, Context, short};
use crate::{ClaimStatus, Closing, ProposedClaim, VerifierError, View};

impl Context {
    /// The claim that is due, if any.
    pub(super) async fn proposal(&self, view: &View) -> Result<Option<Action>, VerifierError> {
        if view.is_settled() {
            return Ok(None);
        }
        match view.closing() {
            Some(closing) => self.closing_claim(view, closing).await,
            None => Ok(self.interval_claim(view)),
        }
    }

    /// The closing claim descends from what is final already: no open dispute can drag it down. One that somebody put
    /// upon a disputed claim says the same, but waits for that dispute.
    async fn closing_claim(&self, view: &View, closing: &Arc<Closing>) -> Result<Option<Action>, VerifierError> {
        let settles = |claim: &ProposedClaim| claim.is_closing() && claim.is_sound() && view.has_clear_ancestors(claim);
        if view.claims.iter().any(settles) {
            return Ok(None);
        }
        let is_final = |claim: &&ProposedClaim| claim.status == ClaimStatus::Final && !claim.is_closing();
        let parent = newest(view.claims.iter().filter(is_final)).map_or(self.info.genesis_claim(), |claim| claim.hash);
        let Some(claim) = view.results.claim(parent, closing.last.seq, true) else { return Ok(None) };
        let leaves = self.leaf_file(closing).await?;
        Ok(Some(self.propose("proposer", claim, leaves).alone()))
    }

    fn interval_claim(&self, view: &View) -> Option<Action> {
        let interval = self.info.config.windows.claimInterval;
        let sound = |claim: &&ProposedClaim| {
            claim.is_sound() && !claim.disputed && !claim.is_closing() && view.has_clear_ancestors(claim)
        };
        let parent = newest(view.claims.iter().filter(sound));
        let (hash, seq, time) =
            parent.map_or((self.info.genesis_claim(), 0, self.info.l1_time), |p| (p.hash, p.claim.batchSeq, p.l1_time));
        let last = view.results.last().filter(|last| last.seq > seq)?;
        if interval == 0 || view.l1_time < time.saturating_add(interval) {
            return None;
        }
        // A right claim that is in dispute already says this.
        let claim = view.results.claim(hash, last.seq, false)?;
        let proposed = view.claim(self.info.claim_hash(&claim)).is_some();
        (!proposed).then(|| self.propose("proposer", claim, Bytes::new()).alone())
    }

    pub(super) fn propose(&self, role: &'static str, claim: Claim, leaves: Bytes) -> Action {
        let hash: B256 = self.info.claim_hash(&claim);
        let kind = if claim.closeNumber == 0 { "claim" } else { "closing claim" };
        let what = format!("propose {kind} {} of batch {}", short(hash), claim.batchSeq);
        let call = Settlement::proposeClaimCall { claim_: claim, leaves };
        Action::call(role, what, self.contracts.settlement, &call, self.info.config.claimBond)
    }
}

fn newest<'a>(claims: impl Iterator<Item = &'a ProposedClaim>) -> Option<&'a ProposedClaim> {
    claims.max_by_key(|claim| claim.claim.batchSeq)
}
