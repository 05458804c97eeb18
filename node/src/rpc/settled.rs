//! The settlement leaves of a closed chain, ready to be proven.

use alloy_primitives::{Address, B256, U64, U256};
use mayfly_rollup::SettlementError;
use mayfly_rollup::settlement::{Leaf, Tree, leaf_hash};
use serde::Serialize;

/// Leaves and tree of a close block.
#[derive(Debug)]
pub struct Settled {
    rollup: Address,
    leaves: Vec<Leaf>,
    tree: Tree,
    /// Leaf indexes, by recipient.
    by_recipient: Vec<u64>,
}

/// A leaf as `Vault.claim` takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeafShape {
    index: U64,
    kind: u8,
    token: Address,
    token_id: U256,
    amount: U256,
    recipient: Address,
    hash: B256,
    #[serde(skip_serializing_if = "Option::is_none")]
    proof: Option<Vec<B256>>,
}

impl Settled {
    /// From the sorted, merged leaves of the close block.
    pub fn new(rollup: Address, leaves: Vec<Leaf>) -> Result<Self, SettlementError> {
        let tree = Tree::new(rollup, &leaves)?;
        let mut by_recipient: Vec<u64> = (0..leaves.len() as u64).collect();
        by_recipient.sort_by_key(|index| leaves.get(*index as usize).map(|leaf| leaf.recipient));
        Ok(Self { rollup, leaves, tree, by_recipient })
    }

    /// The settlement root.
    pub fn root(&self) -> B256 {
        self.tree.root()
    }

    /// Number of leaves.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether nobody gets anything.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The leaves of one recipient, in order.
    pub(crate) fn of(&self, recipient: Address) -> impl Iterator<Item = u64> + '_ {
        let whose = move |index: &u64| self.leaves.get(*index as usize).map(|leaf| leaf.recipient);
        let start = self.by_recipient.partition_point(|index| whose(index) < Some(recipient));
        self.by_recipient.iter().skip(start).copied().take_while(move |index| whose(index) == Some(recipient))
    }

    /// Leaf `index`; `None` if there are fewer.
    pub(crate) fn leaf(&self, index: u64, with_proof: bool) -> Option<LeafShape> {
        let at = usize::try_from(index).ok()?;
        let leaf = self.leaves.get(at)?;
        let proof = if with_proof { Some(self.tree.proof(at).ok()?) } else { None };
        Some(LeafShape {
            index: U64::from(index),
            kind: leaf.kind as u8,
            token: leaf.token,
            token_id: leaf.token_id,
            amount: leaf.amount,
            recipient: leaf.recipient,
            hash: leaf_hash(self.rollup, index, leaf),
            proof,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use mayfly_rollup::settlement::{AssetKind, merge, verify};

    #[test]
    fn every_leaf_of_a_recipient_is_found_and_proves() {
        let rollup = Address::repeat_byte(1);
        let leaf = |who: u8, id: u64| Leaf {
            kind: AssetKind::Erc721,
            token: Address::repeat_byte(9),
            token_id: U256::from(id),
            recipient: Address::repeat_byte(who),
            amount: U256::ONE,
        };
        let leaves = merge((0..20).map(|id| leaf((id % 3 + 1) as u8, id)));
        let settled = Settled::new(rollup, leaves).unwrap();
        let mut total = 0;
        for who in 1..=3 {
            for index in settled.of(Address::repeat_byte(who)) {
                let shape = settled.leaf(index, true).unwrap();
                assert_eq!(shape.recipient, Address::repeat_byte(who));
                assert!(verify(settled.root(), shape.hash, &shape.proof.unwrap()));
                total += 1;
            }
        }
        assert_eq!(total, 20);
        assert_eq!(settled.of(Address::repeat_byte(7)).count(), 0);
        assert!(settled.leaf(20, false).is_none());
    }
}
