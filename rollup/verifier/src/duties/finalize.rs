//! The cheap calls that let what was decided take effect.

use alloy_primitives::U256;
use mayfly_contracts::{inbox::Inbox, settlement::Settlement};

use super::{Action, Context, short};
use crate::{ClaimStatus, ProposedClaim, Verdict, VerifierError, View};

/// Credit below this (0.001 ether) stays where it is: fetching it may cost more.
const MIN_CREDIT_WEI: u128 = 1_000_000_000_000_000;

impl Context {
    /// Makes right claims final that can be, and collects our own bonds from those that are.
    pub(super) async fn finalizations(&self, view: &View) -> Result<Vec<Action>, VerifierError> {
        let mut actions = Vec::new();
        for claim in view.claims.iter().filter(|claim| claim.verdict == Verdict::Right) {
            match claim.status {
                ClaimStatus::Pending => actions.extend(self.finalization(view, claim).await?),
                ClaimStatus::Final => actions.extend(self.collection(claim).await?),
                ClaimStatus::Rejected => {}
            }
        }
        actions.extend(self.fallen(view));
        actions.extend(self.credits().await?);
        Ok(actions)
    }

    /// Tells L1 of claims that fell with their parents, the next ones once L1 knows of those: until then their bonds, which belong to those who
    /// backed the winner, stay where they are. Those who lost their own contest need no telling.
    fn fallen(&self, view: &View) -> Vec<Action> {
        let won =
            |contest| view.claims.iter().any(|claim| claim.contest == contest && claim.status == ClaimStatus::Final);
        let fell =
            |claim: &&ProposedClaim| claim.status == ClaimStatus::Rejected && !claim.reaped && !won(claim.contest);
        let next = |claim: &&ProposedClaim| view.claim(claim.claim.parent).is_none_or(|parent| !fell(&parent));
        let reap = |claim: &ProposedClaim| {
            let what = format!("reap claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
            let call = Settlement::reapCall { claimHash_: claim.hash };
            Action::call("finalizer", what, self.contracts.settlement, &call, U256::ZERO)
        };
        view.claims.iter().filter(fell).filter(next).map(reap).collect()
    }

    /// Fetches what Inbox and Settlement owe our account: bonds given back, rewards, fees.
    async fn credits(&self) -> Result<Vec<Action>, VerifierError> {
        let me = self.account();
        let mut actions = Vec::new();
        let at_inbox = self.ask(self.contracts.inbox, &Inbox::creditOfCall { account: me }).await?;
        if at_inbox >= U256::from(MIN_CREDIT_WEI) {
            let (what, call) = (format!("fetch {at_inbox} wei from the inbox"), Inbox::withdrawCreditCall { to: me });
            actions.push(Action::call("finalizer", what, self.contracts.inbox, &call, U256::ZERO));
        }
        let settlement = self.contracts.settlement;
        let owed = self.ask(settlement, &Settlement::creditOfCall { account: me }).await?;
        if owed >= U256::from(MIN_CREDIT_WEI) {
            let (what, call) =
                (format!("fetch {owed} wei from the settlement"), Settlement::withdrawCreditCall { to: me });
            actions.push(Action::call("finalizer", what, settlement, &call, U256::ZERO));
        }
        Ok(actions)
    }

    async fn finalization(&self, view: &View, claim: &ProposedClaim) -> Result<Option<Action>, VerifierError> {
        let parent = claim.claim.parent;
        let is_final = |claim: &ProposedClaim| claim.status == ClaimStatus::Final;
        if parent != self.info.genesis_claim() && !view.claim(parent).is_some_and(is_final) {
            return Ok(None);
        }
        let settlement = self.contracts.settlement;
        if !self.ask(settlement, &Settlement::finalizableCall { claimHash_: claim.hash }).await? {
            return Ok(None);
        }
        let what = format!("finalize claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
        let call = Settlement::finalizeCall { claimHash_: claim.hash };
        Ok(Some(Action::call("finalizer", what, settlement, &call, U256::ZERO)))
    }

    async fn collection(&self, claim: &ProposedClaim) -> Result<Option<Action>, VerifierError> {
        let settlement = self.contracts.settlement;
        let due = Settlement::bondDueCall { claimHash_: claim.hash, backer: self.account() };
        let due = self.ask(settlement, &due).await?;
        if due.is_zero() {
            return Ok(None);
        }
        let what = format!("collect {due} wei of claim {}", short(claim.hash));
        let call = Settlement::withdrawBondCall { claimHash_: claim.hash };
        Ok(Some(Action::call("finalizer", what, settlement, &call, U256::ZERO)))
    }
}
