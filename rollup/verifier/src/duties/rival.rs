//! Against wrong claims: a rival stops both of its ways to finality; if the resolver stays silent, the
//! right claim has to lead by bond when an escalation window passes. Whoever leads at the deadline wins, and the lead
//! can change a moment before it: so in the last window the whole budget goes onto the right claim, leading or not,
//! and whoever wants to take the lead then needs twice as much.

use alloy_primitives::{B256, Bytes, U256};
use mayfly_contracts::{settlement::Settlement, types::Claim};

use super::{Action, Context, short};
use crate::{ClaimStatus, ProposedClaim, Verdict, VerifierError, VerifierEvent, View};

/// How a right claim stands in a dispute that bonds decide.
struct Stand {
    leads: bool,
    /// A change of the lead at this window's end would leave less than a whole window for an answer.
    last_window: bool,
    /// What the claim lacks to lead.
    need: U256,
    /// What is left of our budget for it.
    left: U256,
}

impl Stand {
    /// What to stake now; `None` if the claim cannot lead within the budget.
    fn stake(&self) -> Option<U256> {
        match (self.leads, self.last_window) {
            (false, _) if self.need > self.left => None,
            (_, true) => Some(self.left),
            (true, false) => Some(U256::ZERO),
            (false, false) => Some(self.need),
        }
    }
}

impl Context {
    /// A right claim beside every wrong one that has none, the most urgent first: if the account's funds do not reach
    /// for all, they go where time is short.
    pub(super) async fn rivals(&self, view: &View, budget: U256) -> Result<Vec<Action>, VerifierError> {
        let mut due: Vec<(u64, B256, &Claim)> = Vec::new();
        if view.is_settled() {
            return Ok(Vec::new());
        }
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
        let schedule = self.ask(settlement, &Settlement::scheduleCall { contest_: claim.contest }).await?;
        if !contest.winner.is_zero() || view.l1_time < schedule.timeout || view.l1_time >= schedule.end {
            return Ok(None);
        }
        let leader = self.ask(settlement, &Settlement::recordCall { claimHash_: contest.leader }).await?;
        let ours = self.ask(settlement, &Settlement::recordCall { claimHash_: claim.hash }).await?;
        let staked = Settlement::stakeOfCall { claimHash: claim.hash, backer: self.account() };
        let staked = self.ask(settlement, &staked).await?;
        let stand = Stand {
            leads: contest.leader == claim.hash,
            last_window: schedule.end.saturating_add(self.info.config.windows.escalationWindow) > schedule.deadline,
            need: leader.bond.saturating_mul(U256::from(2)).saturating_sub(ours.bond),
            left: budget.saturating_sub(staked),
        };
        let Some(stake) = stand.stake() else {
            let what = format!("defend claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
            let reason = format!("it would lose without {} wei more, {staked} of {budget} are staked", stand.need);
            tracing::error!(what, reason, "the budget is used up");
            self.tell(VerifierEvent::Failed { role: "rival", what, reason });
            return Ok(None);
        };
        let what = format!("stake {stake} wei on claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
        let call = Settlement::escalateCall { claimHash_: claim.hash, maxStake: staked.saturating_add(stake) };
        Ok((!stake.is_zero()).then(|| Action::call("rival", what, settlement, &call, stake)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stake(leads: bool, last_window: bool, need: u64, left: u64) -> Option<u64> {
        let stand = Stand { leads, last_window, need: U256::from(need), left: U256::from(left) };
        stand.stake().map(|wei| wei.saturating_to())
    }

    #[test]
    fn a_right_claim_is_staked_on_as_much_as_it_takes_and_in_the_last_window_all_there_is() {
        assert_eq!(stake(false, false, 3, 9), Some(3));
        assert_eq!(stake(true, false, 3, 9), Some(0));
        assert_eq!(stake(false, true, 3, 9), Some(9));
        assert_eq!(stake(true, true, 0, 9), Some(9), "leads, and could lose the lead at the last moment");
        assert_eq!(stake(true, true, 0, 0), Some(0), "all is staked");
        for last_window in [false, true] {
            assert_eq!(stake(false, last_window, 10, 9), None, "nothing is thrown after a lost cause");
        }
    }
}
