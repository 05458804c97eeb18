//! What people do on L1, the good and the bad, once a block.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use mayfly_contracts::inbox::Inbox;
use mayfly_contracts::settlement::Settlement;
use mayfly_contracts::types::Claim;
use mayfly_contracts::vault::Vault;
use mayfly_l1::Key;
use mayfly_rollup::batch::{BatchBlock, encode};
use mayfly_rollup::settlement::{AssetKind, Tree};
use mayfly_verifier::{ClaimStatus, Verdict, View, attestation, withdrawal};
use rand::Rng;

use super::l1::{ETHER, view};
use super::life::{JUDGE, Life};
use super::plan::{Conduct, Resolver};
use super::rollup::{CALL_GAS, COINS};

/// Wrong claims that one life may see.
const MAX_LIES: usize = 4;
/// What the griefer stakes on one wrong claim at most.
const GRIEFER_BUDGET: u128 = 20 * ETHER;
/// Leaves claimed in one transaction.
const LEAVES: usize = 8;

impl Life {
    fn call<C: SolCall>(&self, key: &Key, to: Address, value: U256, call: &C) {
        // What the pool refuses, somebody tries again in another block.
        let _ = self.l1.send(key, Some(to), value, call.abi_encode().into(), CALL_GAS);
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    pub(crate) fn act(&mut self) {
        let age = self.l1.head().number() - self.info.l1_number;
        self.queue();
        if self.plan.early == Some(age) {
            self.call(&self.keys.organiser, self.info.rollup, U256::ZERO, &Inbox::endEarlyCall {});
        }
        if self.plan.freezer && self.chance(10) {
            let bond = self.info.config.freezeBond;
            self.call(&self.keys.griefer, self.info.rollup, bond, &Inbox::requestFreezeCall {});
        }
        if self.plan.conduct == Conduct::Equivocates && self.chance(12) {
            self.equivocate();
        }
        let Some(judge) = &self.verifiers[JUDGE].running else { return };
        let (view, reader) = (judge.view(), judge.reader());
        if !view.is_synced() {
            return;
        }
        if self.plan.liar && self.chance(15) {
            self.lie(&view);
        }
        self.attest_lies(&view);
        if self.plan.resolver == Resolver::Silent && self.chance(30) {
            self.escalate(&view);
        }
        let messages = view.results.messages.len() as u64;
        if messages > 0 && self.chance(20) {
            let index = self.rng.random_range(0..messages);
            if let Ok(Some(found)) = withdrawal(&self.info, &view, &reader, index)
                && let Ok(proof) = <[B256; 32]>::try_from(found.proof)
            {
                let call = Vault::withdrawCall { claimHash: found.claim_hash, message: found.message, proof };
                self.call(&self.keys.anybody, self.info.vault, U256::ZERO, &call);
            }
        }
        if view.is_settled() {
            self.claim_leaves(&view);
        }
    }

    /// Deposits and forced transactions.
    fn queue(&mut self) {
        if self.chance(30) {
            let to = self.rng.random_range(0..self.keys.users.len());
            let user = self.keys.users[to].clone();
            let value = U256::from(self.rng.random_range(1..ETHER as u64 / 10));
            self.call(&user, self.info.rollup, value, &Inbox::depositETHCall { to: user.address() });
        }
        if self.chance(20) {
            let who = self.rng.random_range(0..self.keys.users.len());
            let (user, to) = (self.keys.users[who].clone(), self.keys.users[who].address());
            if self.chance(70) {
                let amount = U256::from(self.rng.random_range(1..COINS / 8));
                let call = Inbox::depositERC20Call { token: self.tokens.coin, to, amount };
                self.call(&user, self.info.rollup, U256::ZERO, &call);
            } else {
                let call = Inbox::depositERC721Call { token: self.tokens.art, to, tokenId: U256::from(who) };
                self.call(&user, self.info.rollup, U256::ZERO, &call);
            }
        }
        if self.chance(15) {
            let raw = match self.rng.random_range(0..4) {
                0 => Bytes::from(keccak256(self.rng.random::<u64>().to_be_bytes()).to_vec()),
                _ => self.users.forced(&mut self.rng),
            };
            let gas = self.rng.random_range(21_000..400_000);
            let call = Inbox::forceTransactionCall { raw, gasLimit: gas };
            let user = self.keys.users[self.rng.random_range(0..self.keys.users.len())].clone();
            self.call(&user, self.info.rollup, U256::from(ETHER / 100), &call);
        }
    }

    /// The sequencer's key posts what its node did not make.
    fn equivocate(&mut self) {
        let head = self.l1.head();
        let seq = view(&self.l1, self.info.rollup, &Inbox::batchCountCall {});
        let parent = view(&self.l1, self.info.rollup, &Inbox::batchHashCall { seq });
        let queued = view(&self.l1, self.info.rollup, &Inbox::queueLengthCall {});
        let base = self.verifiers[JUDGE].running.as_ref().map(|judge| judge.view().head.hash).unwrap_or_default();
        let block = BatchBlock {
            origin: head.number(),
            timestamp: head.timestamp(),
            queue_items: self.rng.random_range(0..3),
            transactions: Vec::new(),
            sponsors: Vec::new(),
        };
        let data = match self.rng.random_range(0..3) {
            0 => Bytes::from_static(b"junk"),
            1 => encode(base, &[block]).unwrap().into(),
            _ => {
                let payload = encode(base, &[block]).unwrap();
                payload[..payload.len() / 2].to_vec().into()
            }
        };
        let call = Inbox::postBatchCall {
            seq: seq + 1,
            parentHash: parent,
            originNumber: head.number(),
            originHash: head.hash,
            queueUpTo: queued,
            codec: 2,
            extraRoot: B256::ZERO,
            data,
        };
        self.call(&self.keys.sequencer, self.info.rollup, U256::ZERO, &call);
    }

    /// A claim that is wrong in something.
    fn lie(&mut self, view: &View) {
        let lies = view.claims.iter().filter(|claim| claim.proposer == self.keys.griefer.address()).count();
        if lies >= MAX_LIES || view.is_settled() {
            return;
        }
        let parents: Vec<B256> =
            view.claims.iter().map(|claim| claim.hash).chain([self.info.genesis_claim()]).collect();
        let parent = parents[self.rng.random_range(0..parents.len())];
        let closing = view.closing().is_some() && self.chance(70);
        let seq = if closing { view.batches() } else { self.rng.random_range(0..view.batches() + 1) };
        let Some(right) = view.results.claim(parent, seq, closing) else { return };
        let wrong = match self.rng.random_range(0..4) {
            0 => Claim { stateRoot: B256::repeat_byte(0xbd), ..right },
            1 => Claim { withdrawalRoot: B256::repeat_byte(0xbd), ..right },
            2 => Claim { receiptRoot: B256::repeat_byte(0xbd), ..right },
            _ => match view.closing().filter(|closed| closing && !closed.leaves.leaves.is_empty()) {
                Some(closed) => {
                    let mut leaves = closed.leaves.leaves.clone();
                    leaves[0].amount += U256::ONE;
                    Claim { settlementRoot: Tree::new(self.info.rollup, &leaves).unwrap().root(), ..right }
                }
                None => Claim { blockHash: B256::repeat_byte(0xbd), ..right },
            },
        };
        let call = Settlement::proposeClaimCall { claim_: wrong, leaves: Bytes::new() };
        self.call(&self.keys.griefer, self.info.settlement, self.info.config.claimBond, &call);
    }

    /// Attesters that lie sign every wrong claim.
    fn attest_lies(&mut self, view: &View) {
        let liars = &self.keys.attesters[..self.plan.attesters.2];
        let wrong = |claim: &&mayfly_verifier::ProposedClaim| {
            matches!(claim.verdict, Verdict::Wrong(_)) && claim.status == ClaimStatus::Pending
        };
        for claim in view.claims.iter().filter(wrong) {
            let missing = liars.iter().filter(|key| !claim.attested.contains(&key.address()));
            let signatures: Vec<Bytes> = missing.map(|key| attestation(&self.info, key, claim.hash).unwrap()).collect();
            if !signatures.is_empty() {
                let call = Settlement::attestCall { claimHash_: claim.hash, signatures };
                self.call(&self.keys.griefer, self.info.settlement, U256::ZERO, &call);
            }
        }
        // And whoever can makes them final.
        for claim in view.claims.iter().filter(wrong) {
            if view_finalizable(self, claim.hash) {
                let call = Settlement::finalizeCall { claimHash_: claim.hash };
                self.call(&self.keys.griefer, self.info.settlement, U256::ZERO, &call);
            }
        }
    }

    /// Money for a wrong claim, within the griefer's budget.
    fn escalate(&mut self, seen: &View) {
        for claim in seen.claims.iter().filter(|claim| claim.status == ClaimStatus::Pending && claim.disputed) {
            if !matches!(claim.verdict, Verdict::Wrong(_)) {
                continue;
            }
            let contest = view(&self.l1, self.info.settlement, &Settlement::contestCall { contest_: claim.contest });
            let bond = |hash| view(&self.l1, self.info.settlement, &Settlement::recordCall { claimHash_: hash }).bond;
            let (leader, ours) = (bond(contest.leader), bond(claim.hash));
            let stake = (leader * U256::from(2)).saturating_sub(ours);
            if contest.leader != claim.hash && !stake.is_zero() && ours + stake <= U256::from(GRIEFER_BUDGET) {
                let call = Settlement::escalateCall { claimHash_: claim.hash, maxStake: U256::MAX };
                self.call(&self.keys.griefer, self.info.settlement, stake, &call);
            }
        }
    }

    /// Anybody claims for everybody.
    fn claim_leaves(&mut self, seen: &View) {
        let pending = self.l1.pending_nonce(self.keys.anybody.address());
        let mined = self.l1.reader().account(&self.keys.anybody.address()).map_or(0, |account| account.nonce);
        let Some(closing) = seen.closing().filter(|_| pending == mined) else { return };
        let Ok(all) = closing.payouts(None) else { return };
        let open: Vec<_> = all
            .into_iter()
            .filter(|payout| payout.leaf.kind != AssetKind::Description)
            .filter(|payout| {
                !view(&self.l1, self.info.vault, &Vault::isClaimedCall { index: U256::from(payout.index) })
            })
            .take(LEAVES)
            .collect();
        if open.is_empty() {
            return;
        }
        let leaves = open.iter().map(|payout| payout.l1_leaf()).collect();
        let proofs = open.iter().map(|payout| payout.proof.clone()).collect();
        self.call(&self.keys.anybody, self.info.vault, U256::ZERO, &Vault::claimBatchCall { leaves, proofs });
    }
}

fn view_finalizable(life: &Life, hash: B256) -> bool {
    view(&life.l1, life.info.settlement, &Settlement::finalizableCall { claimHash_: hash })
}
