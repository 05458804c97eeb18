//! Roots and proofs.

use super::{
    Spread, Trie, TrieValue,
    arena::{NodeId, Slot},
    tree::{Leaf, nibble},
};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{
    EMPTY_ROOT_HASH, Nibbles, TrieMask,
    nodes::{BranchNodeRef, ExtensionNodeRef, LeafNodeRef, RlpNode},
};

/// Leaves that are one piece of work.
const PIECE_LEAVES: usize = if cfg!(test) { 8 } else { 1_024 };
/// Nodes shorter than a hash stand inside their parent.
const INLINE_BELOW_BYTES: usize = 32;

/// Buffers of one walk.
#[derive(Default)]
struct Walk {
    value: Vec<u8>,
    rlp: Vec<u8>,
    stack: Vec<RlpNode>,
}

impl<V: TrieValue + Send> Trie<V> {
    /// A trie of all this. Keys go in in their order, so that what is near in the trie is near in memory; hashing leaves,
    /// which is most of the work, is spread.
    pub(super) fn of(mut entries: Vec<(B256, V)>, spread: &impl Spread) -> Self {
        entries.sort_unstable_by_key(|(key, _)| *key);
        let mut trie = Self::default();
        entries.into_iter().for_each(|(key, value)| trie.insert(key, value));
        // Where each leaf's own path begins. No slot was freed: every branch is one of the trie.
        let mut starts = vec![0; trie.leaves.len()];
        for branch in trie.branches.as_slice() {
            for child in &branch.children {
                if let Some(Slot::Leaf(leaf)) = child.slot() {
                    starts[leaf as usize] = usize::from(branch.depth) + 1;
                }
            }
        }
        let leaves = trie.leaves.as_mut_slice().chunks_mut(PIECE_LEAVES).zip(starts.chunks(PIECE_LEAVES));
        spread.map(leaves.collect(), |(leaves, starts)| {
            let mut walk = Walk::default();
            for (leaf, at) in leaves.iter_mut().zip(starts) {
                leaf.node = leaf.reference(*at, &mut walk);
            }
        });
        trie
    }
}

impl<V: TrieValue> Leaf<V> {
    /// As a parent that ends at nibble `at` holds it.
    fn reference(&self, at: usize, walk: &mut Walk) -> RlpNode {
        walk.value.clear();
        self.value.encode_value(&mut walk.value);
        walk.rlp.clear();
        let path = Nibbles::unpack(self.key).slice(at..);
        LeafNodeRef::new(&path, &walk.value).rlp(&mut walk.rlp)
    }
}

impl<V: TrieValue> Trie<V> {
    /// The root; computes the references that changed.
    pub fn root(&mut self) -> B256 {
        if self.root.is_none() {
            return EMPTY_ROOT_HASH;
        }
        let mut walk = Walk::default();
        let node = self.reference(self.root, 0, &mut walk);
        node.as_hash().unwrap_or_else(|| keccak256(node.as_slice()))
    }

    /// The nodes on the way to a key, root first; proves its value or its absence. Call [`Self::root`] first.
    pub fn proof(&self, key: &B256) -> Vec<Bytes> {
        let mut proof = Vec::new();
        let mut node = self.root;
        let mut at = 0;
        loop {
            match node.slot() {
                None => return proof,
                Some(Slot::Leaf(index)) => {
                    let leaf = &self.leaves[index];
                    push(&mut proof, self.leaf_rlp(&leaf.key, &leaf.value, at));
                    return proof;
                }
                Some(Slot::Branch(index)) => {
                    let branch = &self.branches[index];
                    let depth = usize::from(branch.depth);
                    let rlp = self.branch_rlp(index);
                    if depth > at {
                        let path = Nibbles::unpack(self.any_key(index)).slice(at..depth);
                        let mut out = Vec::new();
                        ExtensionNodeRef::new(&path, &RlpNode::from_rlp(&rlp)).encode(&mut out);
                        push(&mut proof, out);
                        if Nibbles::unpack(key).slice(at..depth) != path {
                            return proof;
                        }
                    }
                    push(&mut proof, rlp);
                    node = branch.children[nibble(key, depth)];
                    at = depth + 1;
                }
            }
        }
    }

    /// A node's reference as its parent, which ends at nibble `at`, holds it.
    fn reference(&mut self, node: NodeId, at: usize, walk: &mut Walk) -> RlpNode {
        match node.slot() {
            None => RlpNode::default(),
            Some(Slot::Leaf(index)) => {
                let leaf = &mut self.leaves[index];
                if leaf.node.is_empty() {
                    leaf.node = leaf.reference(at, walk);
                }
                leaf.node.clone()
            }
            Some(Slot::Branch(index)) => {
                if self.branches[index].node.is_empty() {
                    let node = self.branch_reference(index, at, walk);
                    self.branches[index].node = node;
                }
                self.branches[index].node.clone()
            }
        }
    }

    fn branch_reference(&mut self, index: u32, at: usize, walk: &mut Walk) -> RlpNode {
        let depth = usize::from(self.branches[index].depth);
        let children = self.branches[index].children;
        let start = walk.stack.len();
        let mut mask = TrieMask::default();
        for (way, child) in children.into_iter().enumerate().filter(|(_, child)| !child.is_none()) {
            let node = self.reference(child, depth + 1, walk);
            walk.stack.push(node);
            mask.set_bit(way as u8);
        }
        walk.rlp.clear();
        let node = BranchNodeRef::new(&walk.stack[start..], mask).rlp(&mut walk.rlp);
        walk.stack.truncate(start);
        if depth == at {
            return node;
        }
        let path = Nibbles::unpack(self.any_key(index)).slice(at..depth);
        walk.rlp.clear();
        ExtensionNodeRef::new(&path, &node).rlp(&mut walk.rlp)
    }

    fn leaf_rlp(&self, key: &B256, value: &V, at: usize) -> Vec<u8> {
        let mut encoded = Vec::new();
        value.encode_value(&mut encoded);
        let path = Nibbles::unpack(key).slice(at..);
        let mut out = Vec::new();
        LeafNodeRef::new(&path, &encoded).encode(&mut out);
        out
    }

    fn branch_rlp(&self, index: u32) -> Vec<u8> {
        let branch = &self.branches[index];
        let mut stack = Vec::with_capacity(16);
        let mut mask = TrieMask::default();
        for (way, child) in branch.children.iter().enumerate() {
            match child.slot() {
                None => continue,
                Some(Slot::Leaf(leaf)) => stack.push(self.leaves[leaf].node.clone()),
                Some(Slot::Branch(branch)) => stack.push(self.branches[branch].node.clone()),
            }
            mask.set_bit(way as u8);
        }
        let mut out = Vec::new();
        BranchNodeRef::new(&stack, mask).encode(&mut out);
        out
    }
}

/// Adds a node to a proof unless it stands inside its parent.
fn push(proof: &mut Vec<Bytes>, rlp: Vec<u8>) {
    if proof.is_empty() || rlp.len() >= INLINE_BELOW_BYTES {
        proof.push(rlp.into());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::super::spread::InTurn;
    use super::*;
    use alloy_primitives::U256;
    use alloy_trie::{HashBuilder, proof::verify_proof};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn encoded(value: &U256) -> Vec<u8> {
        let mut out = Vec::new();
        value.encode_value(&mut out);
        out
    }

    fn oracle(map: &BTreeMap<B256, U256>) -> B256 {
        let mut builder = HashBuilder::default();
        for (key, value) in map {
            builder.add_leaf(Nibbles::unpack(key), &encoded(value));
        }
        builder.root()
    }

    /// Keys with long shared prefixes, so that extensions and inline nodes occur.
    fn key() -> impl Strategy<Value = B256> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(B256::from),
            (0u8..4, 0usize..32, 0u8..4).prop_map(|(a, position, b)| {
                let mut key = [a * 0x11; 32];
                key[position] ^= b << 4 | b;
                B256::from(key)
            }),
            (0u8..3, 0u8..=255).prop_map(|(a, b)| {
                let mut key = [a; 32];
                key[31] = b;
                B256::from(key)
            }),
        ]
    }

    fn value() -> impl Strategy<Value = U256> {
        prop_oneof![(0u64..300).prop_map(U256::from), any::<[u8; 32]>().prop_map(U256::from_be_bytes),]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn root_equals_hash_builder(steps in prop::collection::vec((key(), value(), 0u8..8), 1..200)) {
            let mut trie = Trie::default();
            let mut map = BTreeMap::new();
            for (step, (key, value, what)) in steps.into_iter().enumerate() {
                if what < 2 && !map.is_empty() {
                    let at = usize::from(key.0[31]) % map.len();
                    let victim = *map.keys().nth(at).unwrap();
                    prop_assert_eq!(trie.remove(&victim), map.remove(&victim));
                } else {
                    trie.insert(key, value);
                    map.insert(key, value);
                }
                prop_assert_eq!(trie.remove(&B256::repeat_byte(0xee)), map.remove(&B256::repeat_byte(0xee)));
                if step % 5 == 0 {
                    prop_assert_eq!(trie.root(), oracle(&map));
                }
            }
            prop_assert_eq!(trie.root(), oracle(&map));
            prop_assert_eq!(trie.len(), map.len());
            for (key, value) in &map {
                prop_assert_eq!(trie.get(key), Some(value));
            }
        }

        #[test]
        fn made_at_once_it_is_the_same(entries in prop::collection::btree_map(key(), value(), 0..300)) {
            let mut trie = Trie::of(entries.clone().into_iter().rev().collect(), &InTurn);
            prop_assert_eq!(trie.root(), oracle(&entries));
            for key in entries.keys().take(20) {
                let mut fewer = entries.clone();
                trie.remove(key);
                fewer.remove(key);
                prop_assert_eq!(trie.root(), oracle(&fewer));
                trie.insert(*key, entries[key]);
            }
            prop_assert_eq!(trie.root(), oracle(&entries));
        }

        #[test]
        fn proofs_verify(entries in prop::collection::btree_map(key(), value(), 0..60), absent in key()) {
            let mut trie = Trie::default();
            for (key, value) in &entries {
                trie.insert(*key, *value);
            }
            let root = trie.root();
            for (key, value) in &entries {
                let proof = trie.proof(key);
                verify_proof(root, Nibbles::unpack(key), Some(encoded(value)), &proof).unwrap();
                verify_proof(root, Nibbles::unpack(key), Some(encoded(&(*value ^ U256::ONE))), &proof).unwrap_err();
                verify_proof(root, Nibbles::unpack(key), None, &proof).unwrap_err();
            }
            if !entries.contains_key(&absent) {
                verify_proof(root, Nibbles::unpack(absent), None, &trie.proof(&absent)).unwrap();
            }
        }
    }
}
