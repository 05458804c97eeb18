//! Proposing claims: one each interval while the rollup lives, and the closing claim.

use alloy_primitives::B256;
use mayfly_contracts::{settlement::Settlement, types::Claim};
use mayfly_rollup::settlement::LeafFile;

use super::{Action, Context, short};
use crate::{ClaimStatus, Closing, ProposedClaim, View};

impl Context {
    /// The claim that is due, if any.
    pub(super) fn proposal(&self, view: &View) -> Option<Action> {
        match view.closing() {
            Some(closing) => self.closing_claim(view, closing),
            None => self.interval_claim(view),
        }
    }

    /// The closing claim descends from what is final already: no open dispute can drag it down.
    fn closing_claim(&self, view: &View, closing: &Closing) -> Option<Action> {
        if view.claims.iter().any(|claim| claim.is_closing() && claim.is_sound()) {
            return None;
        }
        let is_final = |claim: &&ProposedClaim| claim.status == ClaimStatus::Final && !claim.is_closing();
        let parent = newest(view.claims.iter().filter(is_final)).map_or(self.info.genesis_claim(), |claim| claim.hash);
        let claim = view.results.claim(parent, closing.last.seq, true)?;
        // Larger leaf files stay with the verifiers, who all can make them.
        let leaves = LeafFile { leaves: closing.leaves.leaves.clone() }.compress().unwrap_or_default();
        Some(self.propose("proposer", claim, leaves))
    }

    fn interval_claim(&self, view: &View) -> Option<Action> {
        let interval = self.info.config.windows.claimInterval;
        let sound = |claim: &&ProposedClaim| claim.is_sound() && !claim.disputed && !claim.is_closing();
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
        (!proposed).then(|| self.propose("proposer", claim, Vec::new()))
    }

    pub(super) fn propose(&self, role: &'static str, claim: Claim, leaves: Vec<u8>) -> Action {
        let hash: B256 = self.info.claim_hash(&claim);
        let kind = if claim.closeNumber == 0 { "claim" } else { "closing claim" };
        let what = format!("propose {kind} {} of batch {}", short(hash), claim.batchSeq);
        let call = Settlement::proposeClaimCall { claim_: claim, leaves: leaves.into() };
        Action::call(role, what, self.contracts.settlement, &call, self.info.config.claimBond)
    }
}

fn newest<'a>(claims: impl Iterator<Item = &'a ProposedClaim>) -> Option<&'a ProposedClaim> {
    claims.max_by_key(|claim| claim.claim.batchSeq)
}
