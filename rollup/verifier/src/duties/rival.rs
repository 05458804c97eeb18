//! Against wrong claims: a rival stops both of its ways to finality; if the resolver stays silent, the
//! right claim has to lead by bond when an escalation window passes.

use alloy_primitives::{B256, Bytes, U256};
use mayfly_contracts::{settlement::Settlement, types::Claim};

use super::{Action, Context, short};
use crate::{ClaimStatus, ProposedClaim, Verdict, VerifierError, VerifierEvent, View};

/// In the last escalation window nobody can take the lead (`ConfigRules.MAX_ESCALATIONS`).
const MAX_WINDOWS: u8 = 12;

impl Context {
    /// A right claim beside every wrong one that has none, the most urgent first: if the account's funds do not reach
    /// for all, they go where time is short.
    pub(super) async fn rivals(&self, view: &View, budget: U256) -> Result<Vec<Action>, VerifierError> {
        let mut due: Vec<(u64, B256, &Claim)> = Vec::new();
        for wrong in view.claims.iter().filter(|claim| claim.status == ClaimStatus::Pending) {
            let Verdict::Wrong(expected) = &wrong.verdict else { continue };
            let hash = self.info.claim_hash(expected);
            if view.claim(hash).is_none() && due.iter().all(|(_, other, _)| *other != hash) {
                due.push((self.passes_at(wrong), hash, expected));
            }
        }
        if !due.is_empty() && budget < self.info.config.claimBond {
            tracing::error!(rivals = due.len(), %budget, bond = %self.info.config.claimBond, "the budget pays for no rival");
            return Ok(Vec::new());
        }
        due.sort_by_key(|(passes_at, ..)| *passes_at);
        let mut actions = Vec::new();
        for (_, _, expected) in due {
            let leaves = match view.closing() {
                Some(closing) if expected.closeNumber != 0 => self.leaf_file(closing).await?,
                _ => Bytes::new(),
            };
            actions.push(self.propose("rival", expected.clone(), leaves));
        }
        Ok(actions)
    }

    /// When nothing but a rival keeps a claim from being final: at once where enough attesters signed it.
    fn passes_at(&self, claim: &ProposedClaim) -> u64 {
        let quorum = usize::from(self.info.config.quorum);
        let attested = quorum > 0 && claim.attested.len() >= quorum;
        if attested { 0 } else { claim.l1_time.saturating_add(self.info.config.windows.challengeWindow) }
    }

    /// Bond for every right claim in a dispute that it would lose, within the budget.
    pub(super) async fn defences(&self, view: &View, budget: U256) -> Result<Vec<Action>, VerifierError> {
        let disputed = |claim: &&ProposedClaim| {
            claim.disputed && claim.status == ClaimStatus::Pending && claim.verdict == Verdict::Right
        };
        let mut actions = Vec::new();
        for claim in view.claims.iter().filter(disputed) {
            actions.extend(self.defence(view, claim, budget).await?);
        }
        Ok(actions)
    }

    async fn defence(&self, view: &View, claim: &ProposedClaim, budget: U256) -> Result<Option<Action>, VerifierError> {
        let settlement = self.contracts.settlement;
        let contest = self.ask(settlement, &Settlement::contestCall { contest_: claim.contest }).await?;
        let windows = &self.info.config.windows;
        let resolver_until = contest.rivalAt.saturating_add(windows.resolverTimeout);
        let decided = !contest.winner.is_zero() || contest.isFinal;
        if decided || contest.leader == claim.hash || view.l1_time < resolver_until || contest.windows >= MAX_WINDOWS {
            return Ok(None);
        }
        let leader = self.ask(settlement, &Settlement::recordCall { claimHash_: contest.leader }).await?;
        let ours = self.ask(settlement, &Settlement::recordCall { claimHash_: claim.hash }).await?;
        let staked = Settlement::stakeOfCall { claimHash: claim.hash, backer: self.account() };
        let staked = self.ask(settlement, &staked).await?;
        let need = leader.bond.saturating_mul(U256::from(2)).saturating_sub(ours.bond);
        if staked.saturating_add(need) > budget {
            let what = format!("defend claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
            let reason = format!("it would lose without {need} wei more, {staked} of {budget} are staked");
            tracing::error!(what, reason, "the budget is used up");
            self.tell(VerifierEvent::Failed { role: "rival", what, reason });
            return Ok(None);
        }
        let what = format!("stake {need} wei on claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
        let call = Settlement::escalateCall { claimHash_: claim.hash };
        Ok(Some(Action::call("rival", what, settlement, &call, need)))
    }
}
