//! Append-only trees of fixed depth: leaf i stands at position i, an empty leaf is 0, a node is
//! the hash of its children in order. The messenger keeps one of depth 32, receipts one of 40.

use crate::error::SettlementError;
use alloy_primitives::{B256, keccak256};

/// The root over `leaves`.
pub fn append_root(leaves: &[B256], depth: usize) -> B256 {
    layers(leaves, depth, |_, _| ())
}

/// The siblings of leaf `index`, from the leaf up; exactly `depth` of them.
///
/// # Errors
/// If there is no such leaf.
pub fn append_proof(leaves: &[B256], index: usize, depth: usize) -> Result<Vec<B256>, SettlementError> {
    if index >= leaves.len() {
        return Err(SettlementError::NoLeaf { index, count: leaves.len() });
    }
    let mut proof = Vec::with_capacity(depth);
    layers(leaves, depth, |layer, empty| {
        let sibling = (index >> proof.len()) ^ 1;
        proof.push(layer.get(sibling).copied().unwrap_or(empty));
    });
    Ok(proof)
}

/// Whether `proof` leads from `leaf` at `index` to `root`.
pub fn verify_append(root: B256, leaf: B256, index: u64, proof: &[B256]) -> bool {
    let within = proof.len() >= 64 || index >> proof.len() == 0;
    let step = |node: B256, (height, sibling): (usize, &B256)| {
        let right = height < 64 && index >> height & 1 == 1;
        if right { hash_children(*sibling, node) } else { hash_children(node, *sibling) }
    };
    within && proof.iter().enumerate().fold(leaf, step) == root
}

fn layers(leaves: &[B256], depth: usize, mut visit: impl FnMut(&[B256], B256)) -> B256 {
    let mut layer = leaves.to_vec();
    let mut empty = B256::ZERO;
    for _ in 0..depth {
        visit(&layer, empty);
        layer = layer.chunks(2).map(|pair| hash_children(pair[0], pair.get(1).copied().unwrap_or(empty))).collect();
        empty = hash_children(empty, empty);
    }
    layer.first().copied().unwrap_or(empty)
}

fn hash_children(left: B256, right: B256) -> B256 {
    keccak256([left.0, right.0].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_leaf_is_provable_at_its_place_only() {
        for count in 1..20_u8 {
            let leaves: Vec<B256> = (0..count).map(|at| keccak256([at])).collect();
            let root = append_root(&leaves, 32);
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = append_proof(&leaves, index, 32).unwrap();
                assert_eq!(proof.len(), 32);
                assert!(verify_append(root, *leaf, index as u64, &proof));
                assert!(!verify_append(root, *leaf, index as u64 + 1, &proof));
                assert!(!verify_append(root, *leaf, index as u64 + (1 << 32), &proof));
            }
            assert!(append_proof(&leaves, count.into(), 32).is_err());
        }
    }

    #[test]
    fn the_empty_tree_has_the_root_of_zeros() {
        let mut empty = B256::ZERO;
        for depth in 0..33 {
            assert_eq!(append_root(&[], depth), empty);
            empty = hash_children(empty, empty);
        }
    }
}
