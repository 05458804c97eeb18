//! The tree: finding, inserting, removing.

use super::arena::{Arena, NodeId, Slot};
use alloy_primitives::B256;
use alloy_trie::nodes::RlpNode;

/// What a leaf holds.
pub trait TrieValue {
    /// Appends the bytes that the trie commits to.
    fn encode_value(&self, out: &mut Vec<u8>);
}

/// The end of a path. `node` is empty while the reference must be computed.
#[derive(Clone, Debug)]
pub(super) struct Leaf<V> {
    pub(super) key: B256,
    pub(super) value: V,
    pub(super) node: RlpNode,
}

/// A fork after `depth` nibbles. If its parent ends earlier, an extension lies between; its path is read from any
/// leaf below, and `node` is then the extension's reference.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) children: [NodeId; 16],
    pub(super) depth: u8,
    pub(super) node: RlpNode,
}

/// A trie of 32-byte keys.
#[derive(Clone, Debug)]
pub struct Trie<V> {
    pub(super) leaves: Arena<Leaf<V>>,
    pub(super) branches: Arena<Branch>,
    pub(super) root: NodeId,
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { leaves: Arena::default(), branches: Arena::default(), root: NodeId::NONE }
    }
}

/// Nibble `index` of a key.
pub(super) fn nibble(key: &B256, index: usize) -> usize {
    let byte = key.0[index / 2];
    usize::from(if index.is_multiple_of(2) { byte >> 4 } else { byte & 15 })
}

/// How many nibbles two different keys share at the front.
fn shared_nibbles(a: &B256, b: &B256) -> usize {
    let byte = a.0.iter().zip(&b.0).position(|(a, b)| a != b).unwrap_or(32);
    let half = usize::from(byte < 32 && a.0[byte] >> 4 == b.0[byte] >> 4);
    byte * 2 + half
}

impl<V> Trie<V> {
    /// Number of keys.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether there is no key.
    pub const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The value of a key.
    pub fn get(&self, key: &B256) -> Option<&V> {
        let mut node = self.root;
        loop {
            match node.slot() {
                None => return None,
                Some(Slot::Leaf(index)) => {
                    let leaf = &self.leaves[index];
                    return (leaf.key == *key).then_some(&leaf.value);
                }
                Some(Slot::Branch(index)) => {
                    let branch = &self.branches[index];
                    node = branch.children[nibble(key, usize::from(branch.depth))];
                }
            }
        }
    }

    /// Sets the value of a key.
    pub fn insert(&mut self, key: B256, value: V) {
        let mut parent = None;
        let mut at = 0;
        let mut node = self.root;
        loop {
            match node.slot() {
                None => {
                    let leaf = self.new_leaf(key, value);
                    return self.replace(parent, leaf);
                }
                Some(Slot::Leaf(index)) => {
                    let leaf = &mut self.leaves[index];
                    leaf.node = RlpNode::default();
                    if leaf.key == key {
                        leaf.value = value;
                        return;
                    }
                    let other = leaf.key;
                    return self.fork(parent, node, &other, key, value);
                }
                Some(Slot::Branch(index)) => {
                    let depth = usize::from(self.branches[index].depth);
                    self.branches[index].node = RlpNode::default();
                    if depth > at {
                        let other = *self.any_key(index);
                        if shared_nibbles(&other, &key) < depth {
                            return self.fork(parent, node, &other, key, value);
                        }
                    }
                    let way = nibble(&key, depth);
                    parent = Some((index, way));
                    at = depth + 1;
                    node = self.branches[index].children[way];
                }
            }
        }
    }

    /// Removes a key and returns its value.
    pub fn remove(&mut self, key: &B256) -> Option<V>
    where
        V: Clone,
    {
        let mut path: Vec<(u32, usize)> = Vec::new();
        let mut node = self.root;
        let leaf = loop {
            match node.slot() {
                None => return None,
                Some(Slot::Leaf(index)) if self.leaves[index].key == *key => break index,
                Some(Slot::Leaf(_)) => return None,
                Some(Slot::Branch(index)) => {
                    let branch = &self.branches[index];
                    let way = nibble(key, usize::from(branch.depth));
                    path.push((index, way));
                    node = branch.children[way];
                }
            }
        };
        for (index, _) in &path {
            self.branches[*index].node = RlpNode::default();
        }
        self.leaves.remove(leaf);
        let value = self.leaves[leaf].value.clone();
        let Some((branch, way)) = path.pop() else {
            self.root = NodeId::NONE;
            return Some(value);
        };
        let children = &mut self.branches[branch].children;
        children[way] = NodeId::NONE;
        let mut left = children.iter().filter(|child| !child.is_none());
        if let (Some(&only), None) = (left.next(), left.next()) {
            self.touch(only);
            self.branches.remove(branch);
            self.replace(path.last().copied(), only);
        }
        Some(value)
    }

    /// Any key below a branch: all share the path to it.
    pub(super) fn any_key(&self, mut branch: u32) -> &B256 {
        loop {
            let first = self.branches[branch].children.iter().find_map(|child| child.slot());
            match first.expect("a branch has at least two children") {
                Slot::Leaf(index) => return &self.leaves[index].key,
                Slot::Branch(index) => branch = index,
            }
        }
    }

    fn new_leaf(&mut self, key: B256, value: V) -> NodeId {
        NodeId::leaf(self.leaves.insert(Leaf { key, value, node: RlpNode::default() }))
    }

    /// Puts a branch above `node` that leads to it and to a new leaf.
    fn fork(&mut self, parent: Option<(u32, usize)>, node: NodeId, other: &B256, key: B256, value: V) {
        let depth = shared_nibbles(other, &key);
        let mut children = [NodeId::NONE; 16];
        children[nibble(other, depth)] = node;
        children[nibble(&key, depth)] = self.new_leaf(key, value);
        let depth = u8::try_from(depth).expect("keys have 64 nibbles");
        let branch = self.branches.insert(Branch { children, depth, node: RlpNode::default() });
        self.replace(parent, NodeId::branch(branch));
    }

    fn replace(&mut self, parent: Option<(u32, usize)>, node: NodeId) {
        match parent {
            None => self.root = node,
            Some((branch, way)) => self.branches[branch].children[way] = node,
        }
    }

    /// Forgets a node's reference: its path changed.
    fn touch(&mut self, node: NodeId) {
        match node.slot() {
            Some(Slot::Leaf(index)) => self.leaves[index].node = RlpNode::default(),
            Some(Slot::Branch(index)) => self.branches[index].node = RlpNode::default(),
            None => {}
        }
    }
}
