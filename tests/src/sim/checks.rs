//! What must hold after every block of L1, and at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::{Address, U256};
use alloy_sol_types::SolEvent;
use mayfly_contracts::inbox::Inbox;
use mayfly_contracts::vault::Vault;
use mayfly_rollup::settlement::AssetKind;
use mayfly_sequencer::Stage;
use mayfly_verifier::{ClaimStatus, Verdict, View};

use super::l1::{ETHER, FUNDS, view};
use super::life::{JUDGE, Life};
use super::nodes::{Duties, VerifierNode};
use super::plan::{Conduct, SLOT};
use super::wire::Wire;

/// L1 blocks in a row that leave one post waiting, which is not the sequencer's fault.
const HELD_UP: u64 = 3;
/// Of a batch that holds queue items only.
const CODEC_FORCED: u8 = 0;
/// Credits below this are left where they are.
const DUST: u128 = ETHER / 100;

impl Life {
    fn judge(&self) -> Option<View> {
        self.verifiers[JUDGE].running.as_ref().map(|judge| judge.view())
    }

    /// After every block.
    pub(crate) fn check(&mut self) {
        let node = &mut self.sequencer;
        let before = node.held_up;
        node.held_up = self.l1.holds_up(self.keys.sequencer.address()).map(|nonce| {
            let blocks = before.filter(|(same, _)| *same == nonce).map_or(0, |(_, blocks)| blocks);
            (nonce, blocks + 1)
        });
        node.most_held_up = node.most_held_up.max(node.held_up.map_or(0, |(_, blocks)| blocks));
        for surprise in std::mem::take(&mut self.users.surprises) {
            self.violation(format!("a user was told: {surprise}"));
        }
        let Some(judge) = self.judge() else { return };
        // One that is final too late to count pays nobody but its bonds.
        for claim in judge.claims.iter().filter(|claim| claim.status == ClaimStatus::Final && !claim.late) {
            if matches!(claim.verdict, Verdict::Wrong(_) | Verdict::WrongParent) {
                self.violation(format!("a wrong claim of batch {} is final", claim.claim.batchSeq));
            }
        }
        for at in 0..JUDGE {
            let Some(other) = self.verifiers[at].running.as_ref().map(|verifier| verifier.view()) else { continue };
            if other.l1 == judge.l1 && (other.head, other.state_root) != (judge.head, judge.state_root) {
                self.violation(format!("verifier {at} has {:?}, the judge {:?}", other.head, judge.head));
            }
        }
    }

    /// Whether there is nothing left to wait for.
    pub(crate) fn is_over(&self) -> bool {
        self.judge().is_some_and(|judge| {
            judge.is_synced() && judge.is_settled() && self.open_leaves(&judge) == 0 && self.owed_to_honest().is_empty()
        })
    }

    pub(crate) fn what_is_open(&self) -> String {
        let Some(judge) = self.judge() else { return "the judge is down".to_owned() };
        format!(
            "synced {}, closed {}, settled {}, {} leaves open, owed {:?}, trouble {:?}",
            judge.is_synced(),
            judge.closing().is_some(),
            judge.is_settled(),
            self.open_leaves(&judge),
            self.owed_to_honest(),
            judge.trouble,
        )
    }

    fn open_leaves(&self, judge: &View) -> usize {
        let Some(closing) = judge.closing() else { return 0 };
        let payable = closing.leaves.leaves.iter().enumerate().filter(|(_, leaf)| leaf.kind != AssetKind::Description);
        payable
            .filter(|(at, _)| !view(&self.l1, self.info.vault, &Vault::isClaimedCall { index: U256::from(*at) }))
            .count()
    }

    /// Honest verifiers that have less than they should: bonds that are still out.
    fn owed_to_honest(&self) -> Vec<(Address, U256)> {
        let mut spent: BTreeMap<Address, U256> = self.keys.honest.iter().map(|k| (k.address(), U256::ZERO)).collect();
        let reader = self.l1.reader();
        for number in self.info.l1_number..=self.l1.head().number() {
            let Some(block) = reader.block_by_number(number).unwrap() else { continue };
            for (tx, receipt) in block.transactions.iter().zip(&block.receipts) {
                let price = tx.tx.effective_gas_price(block.header.base_fee_per_gas.unwrap_or(0));
                if let Some(spent) = spent.get_mut(&tx.sender) {
                    *spent += U256::from(price * u128::from(receipt.gas_used));
                }
                // Who asks for a freeze stakes a bond on the sequencer's silence, and may lose it.
                if receipt.logs.iter().any(|log| Inbox::FreezeRequested::decode_log(log).is_ok())
                    && let Some(spent) = spent.get_mut(&tx.sender)
                {
                    *spent += self.info.config.freezeBond;
                }
            }
        }
        let short = |(address, spent): (Address, U256)| {
            let balance = reader.account(&address).map_or(U256::ZERO, |account| account.balance);
            let missing = U256::from(FUNDS).saturating_sub(spent).saturating_sub(balance);
            (missing > U256::from(DUST)).then_some((address, missing))
        };
        spent.into_iter().filter_map(short).collect()
    }

    /// When everything is over.
    pub(crate) async fn check_the_end(&mut self) {
        let Some(judge) = self.judge() else { return self.violation("the judge is down".to_owned()) };
        self.check_posts();
        let Some(closing) = judge.closing().cloned() else { return };
        self.outcome.leaves = closing.leaves.leaves.len() as u64;
        self.check_answers();
        self.check_payments(&judge);
        self.check_sequencer(&judge);
        // Somebody who comes late sees the same.
        let mut late = VerifierNode::new(self.info.clone(), Wire::new(&self.l1, 0), Duties::default());
        if let Err(error) = late.start().await {
            return self.violation(format!("a late verifier does not start: {error}"));
        }
        let limit = Duration::from_secs(50 * SLOT);
        let Some(late) = &late.running else { return };
        match late.wait_at_most(limit, |view| view.is_synced() && view.closing().is_some()).await {
            Ok(view) => {
                let found = view.closing().map(|closing| (closing.last.clone(), closing.tree.root()));
                if found != Some((closing.last.clone(), closing.tree.root())) {
                    self.violation("a late verifier finds another close block".to_owned());
                }
            }
            Err(view) => self.violation(format!("a late verifier is stuck at {:?}: {:?}", view.l1, view.trouble)),
        }
    }

    /// Every answer is on the chain, was reported as lost, or went with a disk.
    fn check_answers(&mut self) {
        let Some(reader) = self.verifiers[JUDGE].running.as_ref().map(|judge| judge.reader()) else { return };
        let mut seen = BTreeSet::new();
        for number in 0..=reader.head().number() {
            let Some(block) = reader.block_by_number(number).unwrap() else { continue };
            for tx in &block.transactions {
                if !seen.insert(tx.hash()) {
                    self.violation(format!("{} was executed twice", tx.hash()));
                }
            }
        }
        let plan = &self.plan;
        let calm = plan.reorgs.0 == 0 && plan.crashes.0 == 0 && plan.faults == 0 && plan.spikes == 0;
        let trusted = plan.conduct == Conduct::Honest && plan.poster_ether > 1 && !plan.freezer;
        if calm && trusted && !self.sequencer.reported.is_empty() && !self.was_forced() {
            let what =
                format!("lost without a reason: {:?}", self.sequencer.reported.iter().take(3).collect::<Vec<_>>());
            self.violation(what);
        }
        let gone = matches!(self.plan.conduct, Conduct::Vanishes(_));
        let forgetful = !self.plan.disk && self.sequencer.starts > 1;
        if gone || forgetful {
            return;
        }
        let node = &self.sequencer;
        let known = |hash: &alloy_primitives::B256| {
            seen.contains(hash) || node.reported.contains(hash) || node.forgiven.contains(hash)
        };
        let lost: Vec<_> = node.answered.iter().filter(|(hash, _)| !known(hash)).take(3).collect();
        if !lost.is_empty() {
            let what = format!("answered and lost without a word: {lost:?}");
            self.violation(what);
        }
    }

    /// Whether L1 held up posts for so long that somebody forced queue items in, which then come before what was answered.
    fn was_forced(&self) -> bool {
        if self.sequencer.most_held_up < HELD_UP {
            return false;
        }
        let reader = self.l1.reader();
        let numbers = self.info.l1_number..=self.l1.head().number();
        let blocks = numbers.filter_map(|number| reader.block_by_number(number).unwrap());
        blocks.flat_map(|block| block.receipts.clone()).flat_map(|receipt| receipt.logs.clone()).any(|log| {
            let posted = (log.address == self.info.rollup).then(|| Inbox::BatchPosted::decode_log(&log).ok()).flatten();
            posted.is_some_and(|posted| posted.header.codec == CODEC_FORCED)
        })
    }

    /// Every leaf was paid once, with what it says.
    fn check_payments(&mut self, judge: &View) {
        let Some(closing) = judge.closing().filter(|_| judge.is_settled()) else { return };
        let mut paid = BTreeMap::new();
        let reader = self.l1.reader().clone();
        for number in self.info.l1_number..=self.l1.head().number() {
            let Some(block) = reader.block_by_number(number).unwrap() else { continue };
            let vault = self.info.vault;
            for log in block.receipts.iter().flat_map(|receipt| &receipt.logs).filter(|log| log.address == vault) {
                let Ok(claimed) = Vault::Claimed::decode_log(log) else { continue };
                if paid.insert(claimed.index, claimed.amount).is_some() {
                    self.violation(format!("leaf {} was paid twice", claimed.index));
                }
            }
        }
        let payable = closing.leaves.leaves.iter().enumerate().filter(|(_, l)| l.kind != AssetKind::Description);
        for (index, leaf) in payable {
            if paid.get(&U256::from(index)) != Some(&leaf.amount) {
                self.violation(format!("leaf {index} of {} was paid {:?}", leaf.amount, paid.get(&U256::from(index))));
            }
        }
    }

    /// No post succeeded twice, and none offered more than its cap.
    fn check_posts(&mut self) {
        let caps = super::nodes::settings(false);
        let cap = u128::from(caps.max_fee_gwei) * 1_000_000_000;
        let mut nonces = BTreeSet::new();
        for (post, attempts) in self.sequencer.outbox.all() {
            if let Some(nonce) = post.nonce
                && !nonces.insert(nonce)
            {
                self.violation(format!("nonce {nonce} has two posts"));
            }
            if let Some(dear) = attempts.iter().find(|attempt| attempt.max_fee_per_gas > cap) {
                self.violation(format!("post {} offered {} wei per gas", post.key, dear.max_fee_per_gas));
            }
            let reader = self.l1.reader().clone();
            let mined = attempts.iter().filter(|a| reader.tx_location(&a.tx_hash).unwrap().is_some()).count();
            if mined > 1 {
                self.violation(format!("post {} was mined {mined} times", post.key));
            }
        }
    }

    /// The sequencer came to the same end.
    fn check_sequencer(&mut self, judge: &View) {
        let Some(status) = self.sequencer.running.as_ref().map(|sequencer| sequencer.status()) else { return };
        if status.synced && status.stage == Stage::Closed && status.latest.hash != judge.head.hash {
            self.violation(format!(
                "the sequencer closed with block {:?}, the judge with {:?}",
                status.latest, judge.head
            ));
        }
    }
}
