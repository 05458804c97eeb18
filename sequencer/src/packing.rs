//! How many batches blocks fill, one after the other, if nothing in them compresses.

use std::cmp::Ordering;

use mayfly_rollup::batch::MOST_FRAME_BYTES;

/// See the module. The poster takes as much into a batch at least (`BatchEncoder::encode_next`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Packing {
    batch_bytes: usize,
    batches: u64,
    /// In the last of them.
    last_bytes: usize,
}

impl Packing {
    /// Nothing yet, for batches that hold so much.
    pub(crate) const fn new(batch_bytes: usize) -> Self {
        Self { batch_bytes, batches: 0, last_bytes: 0 }
    }

    /// The same, without what it holds.
    pub(crate) const fn emptied(self) -> Self {
        Self::new(self.batch_bytes)
    }

    pub(crate) const fn batches(self) -> u64 {
        self.batches
    }

    /// A block of so many bytes follows.
    pub(crate) fn add(&mut self, bytes: usize) {
        if self.batches == 0 || self.last_bytes + bytes > self.batch_bytes {
            (self.batches, self.last_bytes) = (self.batches + 1, MOST_FRAME_BYTES);
        }
        self.last_bytes += bytes;
    }

    /// How large a block may follow so that all fit `most` batches.
    pub(crate) fn room(self, most: u64) -> usize {
        match self.batches.cmp(&most) {
            // It has one to itself, whatever its size.
            Ordering::Less => usize::MAX,
            Ordering::Equal if most == 0 => 0,
            Ordering::Equal => self.batch_bytes.saturating_sub(self.last_bytes),
            Ordering::Greater => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(blocks: &[usize]) -> Packing {
        let mut packing = Packing::new(MOST_FRAME_BYTES + 130);
        blocks.iter().for_each(|bytes| packing.add(*bytes));
        packing
    }

    #[test]
    fn blocks_are_not_split() {
        assert_eq!(packed(&[]).batches(), 0);
        assert_eq!((packed(&[60, 70]).batches(), packed(&[60, 71]).batches()), (1, 2));
        // Hardly more than half of each is used.
        assert_eq!(packed(&[128, 10, 128, 10]).batches(), 4);
        assert_eq!(packed(&[500, 1]).batches(), 2, "a large one has one to itself");
    }

    #[test]
    fn room_is_what_the_last_of_the_allowed_batches_has_left() {
        let two = packed(&[100, 100]);
        assert_eq!([1, 2, 3].map(|most| two.room(most)), [0, 30, usize::MAX]);
        assert_eq!([0, 1].map(|most| packed(&[]).room(most)), [0, usize::MAX]);
        assert_eq!(packed(&[500]).room(1), 0);
        assert_eq!(two.emptied(), packed(&[]));
    }
}
