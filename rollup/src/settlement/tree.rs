//! The settlement tree: layers of hashes of sorted pairs; a last odd node moves up unchanged.

use super::leaf::{Leaf, leaf_hash};
use crate::error::SettlementError;
use alloy_primitives::{Address, B256, keccak256};
use rayon::prelude::*;

/// Most leaves of one tree: 25 layers.
pub const MAX_LEAVES: usize = 1 << 25;

/// All layers of a settlement tree, leaves first.
#[derive(Debug, Clone)]
pub struct Tree {
    layers: Vec<Vec<B256>>,
}

impl Tree {
    /// Builds the tree over sorted leaves.
    ///
    /// # Errors
    /// If there are more than [`MAX_LEAVES`].
    pub fn new(rollup: Address, leaves: &[Leaf]) -> Result<Self, SettlementError> {
        if leaves.len() > MAX_LEAVES {
            return Err(SettlementError::TooMany(leaves.len()));
        }
        let hashes = leaves.par_iter().enumerate().map(|(index, leaf)| leaf_hash(rollup, index as u64, leaf));
        Ok(Self::from_hashes(hashes.collect()))
    }

    /// The tree over leaf hashes.
    pub fn from_hashes(leaves: Vec<B256>) -> Self {
        let mut layers = vec![leaves];
        while let Some(layer) = layers.last().filter(|layer| layer.len() > 1) {
            let next = layer.par_chunks(2).map(node_over).collect();
            layers.push(next);
        }
        Self { layers }
    }

    /// How many leaves there are.
    pub fn count(&self) -> usize {
        self.layers[0].len()
    }

    /// The root; 0 without leaves.
    pub fn root(&self) -> B256 {
        self.layers.last().and_then(|layer| layer.first()).copied().unwrap_or_default()
    }

    /// The siblings of leaf `index`, from the leaf up.
    ///
    /// # Errors
    /// If there is no such leaf.
    pub fn proof(&self, index: usize) -> Result<Vec<B256>, SettlementError> {
        let count = self.count();
        if index >= count {
            return Err(SettlementError::NoLeaf { index, count });
        }
        Ok(self.siblings(index, 0))
    }

    /// The siblings of the node whose leaves are `first .. first + count`, from that node up: one proof for all of
    /// them. Such a run starts at a multiple of a power of two and is that long, or ends with the last leaf.
    ///
    /// # Errors
    /// If no node has exactly these leaves.
    pub fn range_proof(&self, first: usize, count: usize) -> Result<Vec<B256>, SettlementError> {
        let all = self.count();
        let none = SettlementError::NoRange { first, count, all };
        if count == 0 || count > all || first > all - count {
            return Err(none);
        }
        let height = count.next_power_of_two().trailing_zeros() as usize;
        let is_node = first.is_multiple_of(1 << height) && all.min(first + (1 << height)) == first + count;
        if is_node { Ok(self.siblings(first, height)) } else { Err(none) }
    }

    fn siblings(&self, index: usize, height: usize) -> Vec<B256> {
        let layers = self.layers.iter().enumerate().skip(height);
        layers.filter_map(|(height, layer)| layer.get((index >> height) ^ 1)).copied().collect()
    }
}

/// Whether `proof` leads from `leaf` to `root`.
pub fn verify(root: B256, leaf: B256, proof: &[B256]) -> bool {
    proof.iter().fold(leaf, |node, sibling| hash_pair(node, *sibling)) == root
}

/// Whether `proof` leads from the node over `leaves`, the hashes of neighbours, to `root`: what the Vault checks of a
/// range.
pub fn verify_range(root: B256, leaves: Vec<B256>, proof: &[B256]) -> bool {
    let mut layer = leaves;
    while layer.len() > 1 {
        layer = layer.chunks(2).map(node_over).collect();
    }
    layer.first().is_some_and(|node| verify(root, *node, proof))
}

/// The node over two children, or over a last odd one.
fn node_over(children: &[B256]) -> B256 {
    match children {
        [left, right] => hash_pair(*left, *right),
        odd => odd[0],
    }
}

fn hash_pair(a: B256, b: B256) -> B256 {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    keccak256([low.0, high.0].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_leaf_of_every_small_tree_is_provable_and_nothing_else() {
        for count in 0..40_u8 {
            let leaves: Vec<B256> = (0..count).map(|at| keccak256([at])).collect();
            let tree = Tree::from_hashes(leaves.clone());
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = tree.proof(index).unwrap();
                assert!(verify(tree.root(), *leaf, &proof));
                assert!(!verify(tree.root(), keccak256([200]), &proof));
            }
            assert!(tree.proof(count.into()).is_err());
        }
        assert_eq!(Tree::from_hashes(Vec::new()).root(), B256::ZERO);
    }
    #[test]
    fn a_run_of_leaves_is_provable_if_it_is_a_node_and_else_not() {
        for count in 1..40_usize {
            let leaves: Vec<B256> = (0..count).map(|at| keccak256([at as u8])).collect();
            let tree = Tree::from_hashes(leaves.clone());
            let all = tree.count();
            let mut nodes = 0;
            for first in 0..count {
                for len in 1..=count - first {
                    let run = leaves[first..first + len].to_vec();
                    let Ok(proof) = tree.range_proof(first, len) else {
                        let proofs = (0..7).map(|height| tree.siblings(first, height));
                        let found = proofs.filter(|proof| verify_range(tree.root(), run.clone(), proof)).count();
                        assert_eq!(found, 0, "{first} {len} of {all}");
                        continue;
                    };
                    nodes += 1;
                    assert!(verify_range(tree.root(), run.clone(), &proof), "{first} {len} of {all}");
                    let mut wrong = run.clone();
                    wrong[len - 1] = keccak256([200]);
                    assert!(!verify_range(tree.root(), wrong, &proof));
                    assert!(!verify_range(tree.root(), [&run[..], &[run[0]]].concat(), &proof));
                    assert!(len == 1 || !verify_range(tree.root(), run[1..].to_vec(), &proof));
                }
            }
            // A binary tree has one node less above its leaves than it has leaves.
            assert_eq!(nodes, 2 * count - 1);
            assert!(tree.range_proof(0, count + 1).is_err() && tree.range_proof(0, 0).is_err());
            assert!(tree.range_proof(usize::MAX, 1).is_err() && tree.range_proof(0, usize::MAX / 2 + 2).is_err());
        }
        assert!(!verify_range(B256::ZERO, Vec::new(), &[]));
    }
}
