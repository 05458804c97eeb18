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
            let next = layer.par_chunks(2).map(|pair| match pair {
                [left, right] => hash_pair(*left, *right),
                odd => odd[0],
            });
            let next = next.collect();
            layers.push(next);
        }
        Self { layers }
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
        let count = self.layers[0].len();
        if index >= count {
            return Err(SettlementError::NoLeaf { index, count });
        }
        let siblings = self.layers.iter().enumerate().map(|(height, layer)| layer.get((index >> height) ^ 1));
        Ok(siblings.flatten().copied().collect())
    }
}

/// Whether `proof` leads from `leaf` to `root`.
pub fn verify(root: B256, leaf: B256, proof: &[B256]) -> bool {
    proof.iter().fold(leaf, |node, sibling| hash_pair(node, *sibling)) == root
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
}
