//! Slots for nodes, reused after removal.

/// Bits of a [`NodeId`] that index an arena; the highest says which.
const INDEX_MASK: u32 = (1 << 31) - 1;
const BRANCH_BIT: u32 = 1 << 31;

/// Which node: a leaf, a branch, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// Where a node is that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Leaf(u32),
    Branch(u32),
}

impl NodeId {
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) const fn leaf(index: u32) -> Self {
        Self(index)
    }

    pub(super) const fn branch(index: u32) -> Self {
        Self(index | BRANCH_BIT)
    }

    pub(super) const fn is_none(self) -> bool {
        self.0 == u32::MAX
    }

    pub(super) const fn slot(self) -> Option<Slot> {
        if self.is_none() {
            None
        } else if self.0 & BRANCH_BIT == 0 {
            Some(Slot::Leaf(self.0))
        } else {
            Some(Slot::Branch(self.0 & INDEX_MASK))
        }
    }
}

/// Values at stable indexes.
#[derive(Clone, Debug)]
pub(super) struct Arena<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { items: Vec::new(), free: Vec::new() }
    }
}

impl<T> Arena<T> {
    pub(super) fn insert(&mut self, item: T) -> u32 {
        if let Some(index) = self.free.pop() {
            self.items[index as usize] = item;
            return index;
        }
        let index = u32::try_from(self.items.len()).ok().filter(|index| *index < INDEX_MASK);
        self.items.push(item);
        index.expect("2^31 nodes take more memory than there is")
    }

    /// Frees a slot; what was in it stays until the slot is used again.
    pub(super) fn remove(&mut self, index: u32) {
        self.free.push(index);
    }

    /// All slots, freed ones too.
    pub(super) fn as_slice(&self) -> &[T] {
        &self.items
    }

    /// All slots, freed ones too.
    pub(super) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.items
    }

    pub(super) fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }
}

impl<T> std::ops::Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        &self.items[index as usize]
    }
}

impl<T> std::ops::IndexMut<u32> for Arena<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        &mut self.items[index as usize]
    }
}
