//! Claiming neighbouring leaves together: one proof serves a whole node of the tree, so that a leaf costs little more than
//! what its payment costs. For settlements of any size; nothing here grows with the number of leaves but the report.

use std::{collections::BTreeSet, ops::Range};

use alloy_primitives::{Address, B256, U256};
use mayfly_contracts::vault::Vault;
use mayfly_l1::{BlockTag, L1Client, Sender, SubmitOptions};
use mayfly_rollup::settlement::{AssetKind, Leaf, Tree};

use crate::{
    Payout, PayoutReport, VerifierError, pay_out,
    payout::{BASE_GAS, LEAVES_PER_TX, l1_leaf},
};

/// Leaves under one proof, at most; a power of two.
const RANGE_LEAVES: usize = 128;
/// Gas that most leaves stay below; one that needs more leaves its followers to the next transaction. A transaction of
/// a full range stays below the 2²⁴ gas of EIP-7825.
const GAS_PER_LEAF: u64 = 100_000;
/// Gas for bringing and hashing a leaf, paid or not.
const GAS_PER_ROW: u64 = 4_000;
/// A leaf of a range costs so much less than one with a proof of its own that it is worth to bring so many leaves that
/// are not paid.
const ROWS_PER_LEAF: usize = 6;
/// Leaves of one word of the Vault's record of claims.
const WORD_LEAVES: usize = 256;
/// Words that are asked for together.
const WORDS_AT_ONCE: usize = 100;

/// A node of the tree with the leaves to be paid.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    leaves: Range<usize>,
    /// Bit i is leaf `leaves.start + i`.
    chosen: U256,
}

/// Claims of a settlement what is `wanted` by index and leaf, and open: neighbours together, others leaf by leaf. What is
/// refused is skipped; descriptions of collections are not payable.
pub async fn pay_settled(
    sender: &Sender,
    vault: Address,
    leaves: &[Leaf],
    tree: &Tree,
    wanted: impl Fn(usize, &Leaf) -> bool,
    submit: &SubmitOptions,
) -> Result<PayoutReport, VerifierError> {
    let wanted = |index: &usize| {
        let leaf = &leaves[*index];
        leaf.kind != AssetKind::Description && wanted(*index, leaf)
    };
    let mut report = PayoutReport::default();
    let mut scattered: Vec<Payout> = Vec::new();
    let of_word = |word: usize| word * WORD_LEAVES..leaves.len().min((word + 1) * WORD_LEAVES);
    let words = 0..leaves.len().div_ceil(WORD_LEAVES);
    let touched: Vec<usize> = words.filter(|word| of_word(*word).any(|index| wanted(&index))).collect();
    for words in touched.chunks(WORDS_AT_ONCE) {
        for (word, claimed) in words.iter().zip(claimed_words(sender.client(), vault, words).await?) {
            let is_open = |index: usize| !claimed.bit(index % WORD_LEAVES);
            let (open, paid): (Vec<usize>, Vec<usize>) =
                of_word(*word).filter(|index| wanted(index)).partition(|index| is_open(*index));
            report.already += paid.len();
            for half in open.chunk_by(|a, b| a / RANGE_LEAVES == b / RANGE_LEAVES) {
                match plan(half, leaves.len()) {
                    Some(run) => claim_run(sender, vault, leaves, tree, run, submit, &mut report).await?,
                    None => {
                        for index in half {
                            let (leaf, proof) = (leaves[*index], tree.proof(*index)?);
                            scattered.push(Payout { index: *index as u64, leaf, proof });
                        }
                    }
                }
            }
            if scattered.len() >= LEAVES_PER_TX {
                report.add(pay_out(sender, vault, std::mem::take(&mut scattered), submit).await?);
            }
        }
    }
    if !scattered.is_empty() {
        report.add(pay_out(sender, vault, scattered, submit).await?);
    }
    report.sort_out(sender.client(), vault).await?;
    Ok(report)
}

/// The smallest node over these leaves, all of one aligned range, if it does not bring too many others.
fn plan(open: &[usize], all: usize) -> Option<Run> {
    let (first, last) = (*open.first()?, *open.last()?);
    let mut size = 1;
    while first / size != last / size {
        size *= 2;
    }
    let start = first / size * size;
    let leaves = start..all.min(start + size);
    let chosen = open.iter().fold(U256::ZERO, |chosen, index| chosen | U256::ONE << (index - start));
    (leaves.len() <= open.len() * ROWS_PER_LEAF).then_some(Run { leaves, chosen })
}

/// Pays a node's chosen leaves, in as many transactions as greedy recipients make it take.
async fn claim_run(
    sender: &Sender,
    vault: Address,
    leaves: &[Leaf],
    tree: &Tree,
    mut run: Run,
    submit: &SubmitOptions,
    report: &mut PayoutReport,
) -> Result<(), VerifierError> {
    let start = run.leaves.start;
    let proof: Vec<B256> = tree.range_proof(start, run.leaves.len())?;
    let rows: Vec<_> = run.leaves.clone().map(|index| l1_leaf(index as u64, &leaves[index])).collect();
    while !run.chosen.is_zero() {
        let gas = BASE_GAS + GAS_PER_ROW * rows.len() as u64 + GAS_PER_LEAF * run.chosen.count_ones() as u64;
        let call = Vault::claimRangeCall { leaves: rows.clone(), chosen: run.chosen, proof: proof.clone() };
        let done: BTreeSet<u64> = report.send(sender, vault, &call, gas, submit).await?;
        for index in done {
            run.chosen.set_bit(index as usize - start, false);
        }
    }
    Ok(())
}

/// Which leaves of these words were claimed.
async fn claimed_words(l1: &L1Client, vault: Address, words: &[usize]) -> Result<Vec<U256>, VerifierError> {
    let calls: Vec<_> = words.iter().map(|word| Vault::claimedWordCall { word: U256::from(*word) }).collect();
    Ok(l1.calls(vault, &calls, BlockTag::Latest).await?)
}

impl PayoutReport {
    fn add(&mut self, other: Self) {
        self.paid.extend(other.paid);
        self.skipped.extend(other.skipped);
        self.already += other.already;
        self.transactions.extend(other.transactions);
        self.gas_used += other.gas_used;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_plan_takes_the_smallest_node_and_no_crowd_of_strangers() {
        let run = |open: &[usize], all| plan(open, all).map(|run| (run.leaves, run.chosen.to::<u64>()));
        assert_eq!(run(&[5], 100), Some((5..6, 1)));
        assert_eq!(run(&[4, 5, 7], 100), Some((4..8, 0b1011)));
        assert_eq!(run(&[3, 4], 100), Some((0..8, 0b1_1000)));
        assert_eq!(run(&[96, 98], 99), Some((96..99, 0b101)), "the last node is short");
        let many: Vec<usize> = (128..256).collect();
        assert_eq!(plan(&many, 1_000).unwrap().leaves, 128..256);
        assert_eq!(run(&[0, 127], 1_000), None, "two of 128");
        assert_eq!(run(&[], 1_000), None);
    }
}
