//! Deciding disputes, as the resolver or as a member of its committee.

use alloy_primitives::{U256, keccak256};
use alloy_sol_types::SolValue;
use mayfly_contracts::settlement::{CommitteeResolver, Settlement};

use super::{Action, Context, short};
use crate::{ClaimStatus, ProposedClaim, Verdict, VerifierError, View};

impl Context {
    /// A vote for every right claim in a dispute that the resolver may still decide.
    pub(super) async fn votes(&self, view: &View) -> Result<Vec<Action>, VerifierError> {
        let disputed = |claim: &&ProposedClaim| {
            claim.disputed && claim.status == ClaimStatus::Pending && claim.verdict == Verdict::Right
        };
        let mut actions = Vec::new();
        for claim in view.claims.iter().filter(disputed) {
            let (settlement, contest_) = (self.contracts.settlement, claim.contest);
            let contest = self.ask(settlement, &Settlement::contestCall { contest_ }).await?;
            let schedule = self.ask(settlement, &Settlement::scheduleCall { contest_ }).await?;
            if contest.winner.is_zero() && view.l1_time < schedule.timeout {
                actions.extend(self.decision(claim).await?);
            }
        }
        Ok(actions)
    }

    async fn decision(&self, claim: &ProposedClaim) -> Result<Option<Action>, VerifierError> {
        let (settlement, resolver, me) = (self.contracts.settlement, self.info.config.resolver, self.account());
        let what = format!("decide for claim {} of batch {}", short(claim.hash), claim.claim.batchSeq);
        if resolver == me {
            let call = Settlement::resolveCall { winner: claim.hash };
            return Ok(Some(Action::call("resolver", what, settlement, &call, U256::ZERO)));
        }
        if resolver.is_zero() || self.l1.code(resolver).await?.is_empty() {
            return Ok(None);
        }
        let key = keccak256((settlement, claim.contest).abi_encode());
        let voted = CommitteeResolver::hasVotedCall { key, member: me };
        let member = self.ask(resolver, &CommitteeResolver::isMemberCall { member: me }).await?;
        if !member || self.ask(resolver, &voted).await? {
            return Ok(None);
        }
        let call = CommitteeResolver::voteCall { settlement, claimHash: claim.hash };
        Ok(Some(Action::call("committee", what, resolver, &call, U256::ZERO)))
    }
}
