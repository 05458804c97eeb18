//! The append-only tree over receipts whose root every claim carries.
//!
//! Depth 40; leaf i at position i, the empty leaf is 0, a node is `keccak256(left ‖ right)`. Only the frontier is kept:
//! the left nodes that wait for their right sibling.

use crate::Receipt;
use alloy_primitives::{B256, U256, keccak256};
use std::sync::LazyLock;

/// Levels below the root.
pub const RECEIPT_TREE_DEPTH: usize = 40;

/// Roots of empty subtrees by height.
static EMPTY: LazyLock<[B256; RECEIPT_TREE_DEPTH]> = LazyLock::new(|| {
    let mut empty = [B256::ZERO; RECEIPT_TREE_DEPTH];
    for height in 1..RECEIPT_TREE_DEPTH {
        empty[height] = node(&empty[height - 1], &empty[height - 1]);
    }
    empty
});

fn node(left: &B256, right: &B256) -> B256 {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(left.as_slice());
    bytes[32..].copy_from_slice(right.as_slice());
    keccak256(bytes)
}

/// Leaf of a receipt: `keccak256(abi.encode(globalIndex, block, index, txHash, status, gasUsed, logsHash))`.
pub fn receipt_leaf(global_index: u64, block: u64, index: u64, receipt: &Receipt) -> B256 {
    let number = |n: u64| U256::from(n).to_be_bytes::<32>();
    let words = [
        number(global_index),
        number(block),
        number(index),
        receipt.tx_hash.0,
        number(u64::from(receipt.status)),
        number(receipt.gas_used),
        receipt.logs_hash.0,
    ];
    keccak256(words.as_flattened())
}

/// The frontier of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptTree {
    count: u64,
    /// `frontier[h]` counts where bit h of `count` is set; 0 elsewhere.
    frontier: [B256; RECEIPT_TREE_DEPTH],
}

impl Default for ReceiptTree {
    fn default() -> Self {
        Self { count: 0, frontier: [B256::ZERO; RECEIPT_TREE_DEPTH] }
    }
}

/// The frontier before and after a block; only heights that differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeChange {
    pub(crate) old_count: u64,
    pub(crate) new_count: u64,
    pub(crate) nodes: Vec<(u8, B256, B256)>,
}

impl TreeChange {
    pub(crate) fn size_bytes(&self) -> usize {
        self.nodes.len() * size_of::<(u8, B256, B256)>()
    }
}

impl ReceiptTree {
    /// Number of leaves.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Appends a leaf.
    pub fn push(&mut self, leaf: B256) {
        let mut carry = leaf;
        for height in 0..RECEIPT_TREE_DEPTH {
            if self.count >> height & 1 == 0 {
                self.frontier[height] = carry;
                break;
            }
            carry = node(&self.frontier[height], &carry);
            self.frontier[height] = B256::ZERO;
        }
        self.count += 1;
    }

    /// The root; 40 hashes.
    pub fn root(&self) -> B256 {
        let mut right = B256::ZERO;
        for height in 0..RECEIPT_TREE_DEPTH {
            right = if self.count >> height & 1 == 1 {
                node(&self.frontier[height], &right)
            } else {
                node(&right, &EMPTY[height])
            };
        }
        right
    }

    /// What it takes to get from `self` to `new` and back.
    pub(crate) fn change_to(&self, new: &Self) -> TreeChange {
        let pairs = self.frontier.iter().zip(&new.frontier).enumerate();
        let nodes = pairs.filter(|(_, (old, new))| old != new).map(|(h, (old, new))| (h as u8, *old, *new));
        TreeChange { old_count: self.count, new_count: new.count, nodes: nodes.collect() }
    }

    /// Takes a block's change, or its undo, in.
    pub(crate) fn apply(&mut self, change: &TreeChange, direction: crate::trie::Direction) {
        self.count = *direction.pick(&change.old_count, &change.new_count);
        for (height, old, new) in &change.nodes {
            if let Some(node) = self.frontier.get_mut(usize::from(*height)) {
                *node = *direction.pick(old, new);
            }
        }
    }

    /// Count and frontier, for a checkpoint.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.count.to_be_bytes().to_vec();
        self.frontier.iter().for_each(|node| out.extend_from_slice(node.as_slice()));
        out
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, nodes) = bytes.split_first_chunk::<8>()?;
        let mut tree = Self { count: u64::from_be_bytes(*count), ..Self::default() };
        if nodes.len() != 32 * RECEIPT_TREE_DEPTH {
            return None;
        }
        for (node, bytes) in tree.frontier.iter_mut().zip(nodes.chunks_exact(32)) {
            *node = B256::from_slice(bytes);
        }
        Some(tree)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::trie::Direction;

    fn naive_root(leaves: &[B256]) -> B256 {
        let mut layer = leaves.to_vec();
        for empty in EMPTY.iter() {
            if layer.len() % 2 == 1 || layer.is_empty() {
                layer.push(*empty);
            }
            if layer.len() == 1 {
                layer.push(*empty);
            }
            layer = layer.chunks(2).map(|pair| node(&pair[0], &pair[1])).collect();
        }
        layer[0]
    }

    #[test]
    fn root_equals_the_whole_tree_and_undo_restores() {
        let mut tree = ReceiptTree::default();
        let mut leaves = Vec::new();
        let mut steps = Vec::new();
        for n in 0..70u64 {
            let before = tree.clone();
            for k in 0..n % 4 {
                let leaf = keccak256([n as u8, k as u8]);
                tree.push(leaf);
                leaves.push(leaf);
            }
            assert_eq!(tree.root(), naive_root(&leaves));
            steps.push((before.clone(), before.change_to(&tree), tree.clone()));
        }
        assert_eq!(ReceiptTree::from_bytes(&tree.to_bytes()), Some(tree.clone()));
        for (before, change, after) in steps.into_iter().rev() {
            let mut forward = before.clone();
            forward.apply(&change, Direction::Forward);
            assert_eq!(forward, after);
            tree.apply(&change, Direction::Back);
            assert_eq!(tree, before);
        }
        assert_eq!(ReceiptTree::from_bytes(&[0; 9]), None);
    }

    #[test]
    fn the_empty_root_is_that_of_empty_leaves() {
        let root = (0..RECEIPT_TREE_DEPTH).fold(B256::ZERO, |child, _| node(&child, &child));
        assert_eq!(ReceiptTree::default().root(), root);
    }

    #[test]
    fn leaf_is_the_abi_encoding() {
        let receipt = Receipt {
            state_root: None,
            tx_hash: B256::repeat_byte(1),
            ty: 2,
            status: true,
            cumulative_gas_used: 5,
            gas_used: 5,
            logs: vec![],
            bloom: Default::default(),
            contract_address: None,
            deposit_nonce: None,
            logs_hash: crate::receipt::logs_hash(&[]),
        };
        assert_eq!(receipt.logs_hash, keccak256([0xc0]));
        let mut bytes = vec![0; 7 * 32];
        bytes[31] = 9;
        bytes[63] = 3;
        bytes[95] = 1;
        bytes[96..128].fill(1);
        bytes[159] = 1;
        bytes[191] = 5;
        bytes[192..].copy_from_slice(receipt.logs_hash.as_slice());
        assert_eq!(receipt_leaf(9, 3, 1, &receipt), keccak256(bytes));
    }
}
