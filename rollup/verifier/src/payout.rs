//! Claiming on L1 what the settlement says: anyone may send, the recipients are paid. Leaf by leaf here, each with its
//! own proof; many neighbours at once in [`pay_settled`](crate::pay_settled).

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent, SolValue};
use mayfly_contracts::{
    l2::L2Registry::CollectionRegistered,
    settlement::Settlement,
    types,
    vault::Vault::{self, ClaimSkipped, Claimed},
};
use mayfly_l1::{BlockTag, L1Client, L1Error, Sender, SubmitOptions, TransactionReceipt, TxIntent};
use mayfly_rollup::{
    RollupInfo,
    settlement::{AssetKind, Leaf, Tree},
};

use crate::VerifierError;

/// Leaves in one transaction.
pub(crate) const LEAVES_PER_TX: usize = 50;
/// Gas that most leaves stay below, proof and calldata included; one that needs more leaves its
/// followers to the next transaction.
const GAS_PER_LEAF: u64 = 220_000;
/// What the Vault wants to see left before it starts a leaf, and the transaction itself.
pub(crate) const BASE_GAS: u64 = 800_000;

/// A leaf with what it takes to claim it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payout {
    /// Its position.
    pub index: u64,
    /// The leaf.
    pub leaf: Leaf,
    /// Siblings from the leaf up.
    pub proof: Vec<B256>,
}

impl Payout {
    /// The leaf as the Vault takes it.
    pub fn l1_leaf(&self) -> types::Leaf {
        l1_leaf(self.index, &self.leaf)
    }
}

/// The leaf at `index` as the Vault takes it.
pub(crate) fn l1_leaf(index: u64, leaf: &Leaf) -> types::Leaf {
    types::Leaf {
        index: U256::from(index),
        kind: leaf.kind as u8,
        token: leaf.token,
        tokenId: leaf.token_id,
        amount: leaf.amount,
        recipient: leaf.recipient,
    }
}

/// What came of claiming.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PayoutReport {
    /// Indexes of the leaves paid now.
    pub paid: BTreeSet<u64>,
    /// Indexes of leaves whose recipient or asset refused; they stay claimable.
    pub skipped: BTreeSet<u64>,
    /// Leaves that were paid before, or by somebody else at the same time.
    pub already: usize,
    /// The transactions.
    pub transactions: Vec<B256>,
    /// L1 gas used.
    pub gas_used: u64,
}

/// The payouts of one recipient, or of everybody; of many leaves the proofs are far larger than the tree.
pub fn payouts(leaves: &[Leaf], tree: &Tree, recipient: Option<Address>) -> Result<Vec<Payout>, VerifierError> {
    payouts_where(leaves, tree, |leaf| recipient.is_none_or(|recipient| recipient == leaf.recipient))
}

/// The payouts of some leaves.
pub fn payouts_where(
    leaves: &[Leaf],
    tree: &Tree,
    wanted: impl Fn(&Leaf) -> bool,
) -> Result<Vec<Payout>, VerifierError> {
    let wanted = leaves.iter().enumerate().filter(|(_, leaf)| wanted(leaf));
    wanted.map(|(index, leaf)| Ok(Payout { index: index as u64, leaf: *leaf, proof: tree.proof(index)? })).collect()
}

/// Checks that the rollup is settled with exactly these leaves.
pub async fn check_settled(l1: &L1Client, info: &RollupInfo, root: B256) -> Result<(), VerifierError> {
    let claim = l1.call(info.settlement, &Settlement::settledClaimCall {}, BlockTag::Latest).await?;
    if claim.is_zero() {
        return Err(VerifierError::NotSettled);
    }
    let settled = l1.call(info.settlement, &Settlement::settlementRootCall {}, BlockTag::Latest).await?;
    if settled == root { Ok(()) } else { Err(VerifierError::OtherLeaves { found: root, settled }) }
}

/// Those of the payouts that were not claimed yet.
pub async fn open_payouts(l1: &L1Client, vault: Address, all: Vec<Payout>) -> Result<Vec<Payout>, VerifierError> {
    let calls: Vec<_> = all.iter().map(|payout| Vault::isClaimedCall { index: U256::from(payout.index) }).collect();
    let claimed = l1.calls(vault, &calls, BlockTag::Latest).await?;
    Ok(all.into_iter().zip(claimed).filter(|(_, claimed)| !claimed).map(|(payout, _)| payout).collect())
}

/// Claims everything that is open, in batches. What is refused is skipped; descriptions of collections
/// are not payable, see [`describe_collections`].
pub async fn pay_out(
    sender: &Sender,
    vault: Address,
    payouts: Vec<Payout>,
    submit: &SubmitOptions,
) -> Result<PayoutReport, VerifierError> {
    let payable: Vec<_> = payouts.into_iter().filter(|payout| payout.leaf.kind != AssetKind::Description).collect();
    let all = payable.len();
    let mut open = open_payouts(sender.client(), vault, payable).await?;
    let mut report = PayoutReport { already: all - open.len(), ..PayoutReport::default() };
    while !open.is_empty() {
        let batch = &open[..open.len().min(LEAVES_PER_TX)];
        let done = claim_batch(sender, vault, batch, submit, &mut report).await?;
        open.retain(|payout| !done.contains(&payout.index));
    }
    report.sort_out(sender.client(), vault).await?;
    Ok(report)
}

/// One transaction; returns the leaves it settled one way or the other.
async fn claim_batch(
    sender: &Sender,
    vault: Address,
    batch: &[Payout],
    submit: &SubmitOptions,
    report: &mut PayoutReport,
) -> Result<BTreeSet<u64>, VerifierError> {
    let call = Vault::claimBatchCall {
        leaves: batch.iter().map(Payout::l1_leaf).collect(),
        proofs: batch.iter().map(|payout| payout.proof.clone()).collect(),
    };
    report.send(sender, vault, &call, BASE_GAS + GAS_PER_LEAF * batch.len() as u64, submit).await
}

impl PayoutReport {
    /// Sends a call that claims many leaves; returns those it settled one way or the other, of which there is one at
    /// least.
    pub(crate) async fn send(
        &mut self,
        sender: &Sender,
        vault: Address,
        call: &impl SolCall,
        gas_limit: u64,
        submit: &SubmitOptions,
    ) -> Result<BTreeSet<u64>, VerifierError> {
        // An estimate would find the least gas that does not revert, which pays nobody.
        let submit = SubmitOptions { gas_limit: Some(gas_limit), ..submit.clone() };
        let receipt = sender.send_and_confirm(&TxIntent::call(vault, call.abi_encode()), &submit).await?;
        self.transactions.push(receipt.transaction_hash);
        self.gas_used += receipt.gas_used;
        let paid = indexes::<Claimed>(&receipt, vault, |event| event.index);
        let skipped = indexes::<ClaimSkipped>(&receipt, vault, |event| event.index);
        self.paid.extend(&paid);
        self.skipped.extend(&skipped);
        if paid.is_empty() && skipped.is_empty() {
            return Err(L1Error::Inconsistent("a batch of claims paid and skipped nothing".into()).into());
        }
        Ok(paid.union(&skipped).copied().collect())
    }

    /// Tells those that refused from those that somebody else paid in between.
    pub(crate) async fn sort_out(&mut self, l1: &L1Client, vault: Address) -> Result<(), VerifierError> {
        let skipped: Vec<u64> = self.skipped.iter().copied().collect();
        let calls: Vec<_> = skipped.iter().map(|index| Vault::isClaimedCall { index: U256::from(*index) }).collect();
        let claimed = l1.calls(vault, &calls, BlockTag::Latest).await?;
        for (index, _) in skipped.iter().zip(claimed).filter(|(_, claimed)| *claimed) {
            self.skipped.remove(index);
            self.already += usize::from(!self.paid.contains(index));
        }
        Ok(())
    }
}

fn indexes<E: SolEvent>(receipt: &TransactionReceipt, vault: Address, index: impl Fn(&E) -> U256) -> BTreeSet<u64> {
    let logs = receipt.inner.logs().iter().filter(|log| log.address() == vault);
    let events = logs.filter_map(|log| E::decode_log(&log.inner).ok());
    events.filter_map(|event| u64::try_from(index(&event.data)).ok()).collect()
}

/// What a description leaf commits to.
fn description(registered: &CollectionRegistered) -> U256 {
    let texts = (registered.name.clone(), registered.symbol.clone(), registered.baseURI.clone());
    keccak256(texts.abi_encode_params()).into()
}

/// Gives collections born on the rollup their names on L1; those already named, and those that an
/// organiser's own minter names, are left alone. Returns how many were named.
pub async fn describe_collections(
    sender: &Sender,
    info: &RollupInfo,
    payouts: Vec<Payout>,
    registered: &[CollectionRegistered],
    submit: &SubmitOptions,
) -> Result<usize, VerifierError> {
    if !info.config.minter.is_zero() {
        return Ok(0);
    }
    let described: Vec<_> = payouts.into_iter().filter(|payout| payout.leaf.kind == AssetKind::Description).collect();
    let mut named = 0;
    for payout in open_payouts(sender.client(), info.vault, described).await? {
        let described = |registered: &&CollectionRegistered| {
            registered.collection == payout.leaf.token && description(registered) == payout.leaf.token_id
        };
        let Some(texts) = registered.iter().find(described) else { continue };
        let call = Vault::describeCollectionCall {
            name: texts.name.clone(),
            symbol: texts.symbol.clone(),
            baseURI: texts.baseURI.clone(),
            leaf: payout.l1_leaf(),
            proof: payout.proof,
        };
        sender.transact(info.vault, &call, U256::ZERO, submit).await?;
        named += 1;
    }
    Ok(named)
}
