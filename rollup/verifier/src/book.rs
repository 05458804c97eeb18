//! The claims on L1, as their logs tell, and what we think of them.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address, B256};
use mayfly_contracts::{settlement::Settlement::SettlementEvents, types::Claim};
use mayfly_rollup::RollupInfo;

use crate::Results;

/// Where a claim stands on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimStatus {
    /// Open.
    Pending,
    /// Final.
    Final,
    /// Another of its contest is final, or its parent fell.
    Rejected,
}

/// What we think of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It says what derivation found.
    Right,
    /// It does not; this is what it should say.
    Wrong(Box<Claim>),
    /// It descends from a wrong claim, with which it falls.
    WrongParent,
    /// Derivation has not come so far.
    Open,
}

/// A proposed claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedClaim {
    /// Its hash.
    pub hash: B256,
    /// The set of claims it excludes.
    pub contest: B256,
    /// What it says.
    pub claim: Claim,
    /// Who proposed it.
    pub proposer: Address,
    /// Number of the L1 block that holds it.
    pub l1_number: u64,
    /// Time of that block.
    pub l1_time: u64,
    /// Hash of its transaction, as the endpoint says.
    pub tx_hash: B256,
    /// Where it stands.
    pub status: ClaimStatus,
    /// Whether L1 was told that it is rejected.
    pub reaped: bool,
    /// Whether it became final after the settlement: then L1 pays nothing under it.
    pub late: bool,
    /// Whether its contest has rivals.
    pub disputed: bool,
    /// Attesters counted for it.
    pub attested: Vec<Address>,
    /// Whether its transaction carries the leaf file.
    pub carries_leaves: bool,
    /// What we think of it.
    pub verdict: Verdict,
}

impl ProposedClaim {
    /// Whether it is about the end.
    pub fn is_closing(&self) -> bool {
        self.claim.closeNumber != 0
    }

    /// Whether it settled the rollup: the first closing claim that became final.
    pub fn settles(&self) -> bool {
        self.is_closing() && self.status == ClaimStatus::Final && !self.late
    }

    /// Right, and not rejected.
    pub fn is_sound(&self) -> bool {
        self.verdict == Verdict::Right && self.status != ClaimStatus::Rejected
    }
}

/// A log with its place.
#[derive(Debug, Clone)]
struct Entry {
    l1_number: u64,
    l1_time: u64,
    tx_hash: B256,
    event: SettlementEvents,
}

/// Every claim of one rollup, in the order of proposal.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClaimBook {
    entries: Vec<Entry>,
    claims: Vec<ProposedClaim>,
    places: HashMap<B256, usize>,
    /// Claims whose transaction carries leaves; that log comes before the claim's own.
    with_leaves: HashSet<B256>,
}

impl ClaimBook {
    pub(crate) fn apply(&mut self, l1_number: u64, l1_time: u64, tx_hash: B256, event: SettlementEvents) {
        let entry = Entry { l1_number, l1_time, tx_hash, event };
        self.note(&entry);
        self.entries.push(entry);
    }

    /// Forgets what came from L1 blocks above `number`.
    pub(crate) fn truncate(&mut self, l1_number: u64) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|entry| entry.l1_number <= l1_number);
        *self = Self::default();
        entries.iter().for_each(|entry| self.note(entry));
        self.entries = entries;
    }

    pub(crate) fn claims(&self) -> &[ProposedClaim] {
        &self.claims
    }

    /// Compares every claim with what derivation found. A parent is proposed before its children.
    pub(crate) fn judge(&mut self, info: &RollupInfo, results: &Results) {
        let genesis = info.genesis_claim();
        for index in 0..self.claims.len() {
            let (judged, rest) = self.claims.split_at_mut(index);
            let Some(proposed) = rest.first_mut() else { return };
            let parent = self.places.get(&proposed.claim.parent).and_then(|place| judged.get(*place));
            let parent_right = proposed.claim.parent == genesis || parent.is_some_and(|p| p.verdict == Verdict::Right);
            let parent_open = parent.is_some_and(|parent| parent.verdict == Verdict::Open);
            let closing = proposed.is_closing();
            let expected = results.claim(proposed.claim.parent, proposed.claim.batchSeq, closing);
            proposed.verdict = match expected {
                _ if !parent_right && !parent_open => Verdict::WrongParent,
                _ if parent_open => Verdict::Open,
                None => Verdict::Open,
                Some(expected) if info.claim_hash(&expected) == proposed.hash => Verdict::Right,
                Some(expected) => Verdict::Wrong(Box::new(expected)),
            };
        }
    }

    fn note(&mut self, entry: &Entry) {
        match &entry.event {
            SettlementEvents::ClaimProposed(event) => {
                self.places.insert(event.claimHash, self.claims.len());
                self.claims.push(ProposedClaim {
                    hash: event.claimHash,
                    contest: event.contest,
                    claim: event.claim.clone(),
                    proposer: event.proposer,
                    l1_number: entry.l1_number,
                    l1_time: entry.l1_time,
                    tx_hash: entry.tx_hash,
                    status: ClaimStatus::Pending,
                    reaped: false,
                    late: false,
                    disputed: self.claims.iter().any(|claim| claim.contest == event.contest),
                    attested: Vec::new(),
                    carries_leaves: self.with_leaves.contains(&event.claimHash),
                    verdict: Verdict::Open,
                });
            }
            SettlementEvents::LeavesCarried(event) => {
                self.with_leaves.insert(event.claimHash);
            }
            SettlementEvents::Attested(event) => {
                self.change(event.claimHash, |claim| claim.attested.push(event.attester))
            }
            SettlementEvents::Rivalled(event) => {
                let rivals = self.claims.iter_mut().filter(|claim| claim.contest == event.contest);
                rivals.for_each(|claim| claim.disputed = true);
            }
            SettlementEvents::ClaimFinal(event) => self.finalize(event.claimHash),
            SettlementEvents::ClaimRejected(event) => {
                self.change(event.claimHash, |claim| (claim.status, claim.reaped) = (ClaimStatus::Rejected, true));
            }
            _ => {}
        }
    }

    /// One of a contest is final: the others, and what descends from them, are rejected.
    fn finalize(&mut self, hash: B256) {
        let Some(contest) = self.places.get(&hash).and_then(|place| self.claims.get(*place)).map(|c| c.contest) else {
            return;
        };
        let settled = self.claims.iter().any(ProposedClaim::settles);
        let mut fallen = Vec::new();
        for claim in &mut self.claims {
            if claim.hash == hash {
                (claim.status, claim.late) = (ClaimStatus::Final, settled);
            } else if claim.contest == contest || fallen.contains(&claim.claim.parent) {
                claim.status = ClaimStatus::Rejected;
                fallen.push(claim.hash);
            }
        }
    }

    fn change(&mut self, hash: B256, change: impl FnOnce(&mut ProposedClaim)) {
        if let Some(claim) = self.places.get(&hash).and_then(|place| self.claims.get_mut(*place)) {
            change(claim);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Checkpoint;
    use mayfly_contracts::settlement::Settlement;
    use mayfly_l1::BlockRef;

    fn info() -> RollupInfo {
        RollupInfo {
            rollup: Address::repeat_byte(1),
            settlement: Address::repeat_byte(2),
            vault: Address::repeat_byte(3),
            chain_id: 7,
            l1_chain_id: 31_337,
            config: mayfly_contracts::types::Config::default(),
            genesis: Vec::new(),
            l1_number: 0,
            l1_hash: B256::ZERO,
            l1_time: 0,
        }
    }

    fn results() -> Results {
        let checkpoint = |seq: u64| Checkpoint {
            seq,
            batch_hash: B256::with_last_byte(seq as u8),
            queue_hash: B256::ZERO,
            included_number: seq * 10,
            included_time: seq * 100,
            block: BlockRef { number: seq, hash: B256::repeat_byte(seq as u8) },
            state_root: B256::repeat_byte(9),
            withdrawal_root: B256::ZERO,
            receipt_root: B256::ZERO,
            queue_only: false,
        };
        Results { checkpoints: std::sync::Arc::new((0..4).map(checkpoint).collect()), ..Results::default() }
    }

    fn propose(book: &mut ClaimBook, l1_number: u64, claim: &Claim) -> B256 {
        let hash = info().claim_hash(claim);
        let contest =
            alloy_primitives::keccak256([claim.parent.0, B256::with_last_byte(claim.batchSeq as u8).0].concat());
        let event =
            Settlement::ClaimProposed { claimHash: hash, contest, proposer: Address::ZERO, claim: claim.clone() };
        book.apply(l1_number, 0, B256::ZERO, SettlementEvents::ClaimProposed(event));
        hash
    }

    fn verdicts(book: &mut ClaimBook) -> Vec<Verdict> {
        book.judge(&info(), &results());
        book.claims().iter().map(|claim| claim.verdict.clone()).collect()
    }

    #[test]
    fn judges_claims_and_what_descends_from_them() {
        let (info, results) = (info(), results());
        let mut book = ClaimBook::default();
        let right = results.claim(info.genesis_claim(), 1, false).unwrap();
        let wrong = Claim { stateRoot: B256::ZERO, ..right.clone() };
        let parent = propose(&mut book, 11, &right);
        let bad_parent = propose(&mut book, 12, &wrong);
        propose(&mut book, 21, &results.claim(parent, 2, false).unwrap());
        propose(&mut book, 22, &results.claim(bad_parent, 2, false).unwrap());
        propose(&mut book, 23, &Claim { batchSeq: 9, ..results.claim(parent, 3, false).unwrap() });
        let expected =
            [Verdict::Right, Verdict::Wrong(Box::new(right)), Verdict::Right, Verdict::WrongParent, Verdict::Open];
        assert_eq!(verdicts(&mut book), expected);
        assert!(book.claims()[1].disputed);

        book.apply(
            30,
            0,
            B256::ZERO,
            SettlementEvents::ClaimFinal(Settlement::ClaimFinal {
                claimHash: parent,
                claim: results.claim(info.genesis_claim(), 1, false).unwrap(),
            }),
        );
        let status: Vec<_> = book.claims().iter().map(|claim| claim.status).collect();
        use ClaimStatus::{Final, Pending, Rejected};
        assert_eq!(status, [Final, Rejected, Pending, Rejected, Pending]);

        book.truncate(12);
        assert_eq!(book.claims().len(), 2);
        assert!(book.claims().iter().all(|claim| claim.status == Pending), "finality was reorganised away");
        assert_eq!(verdicts(&mut book).len(), 2);
    }

    #[test]
    fn what_is_final_after_the_settlement_is_late() {
        let mut book = ClaimBook::default();
        let about =
            |batch_seq, close_number| Claim { batchSeq: batch_seq, closeNumber: close_number, ..Claim::default() };
        let claims = [about(1, 0), about(2, 0), about(3, 9), about(4, 9)];
        let hashes: Vec<B256> = claims.iter().map(|claim| propose(&mut book, 11, claim)).collect();
        for place in [0, 2, 1, 3] {
            let event = Settlement::ClaimFinal { claimHash: hashes[place], claim: claims[place].clone() };
            book.apply(20, 0, B256::ZERO, SettlementEvents::ClaimFinal(event));
        }
        let late: Vec<_> = book.claims().iter().map(|claim| (claim.status, claim.late, claim.settles())).collect();
        let expected = [(false, false), (true, false), (false, true), (true, false)];
        assert_eq!(late, expected.map(|(late, settles)| (ClaimStatus::Final, late, settles)));
    }

    #[test]
    fn no_claim_about_the_genesis_or_an_unclosed_end_is_expected() {
        assert_eq!(results().claim(B256::ZERO, 0, false), None);
        assert_eq!(results().claim(B256::ZERO, 3, true), None);
    }
}
