//! How many batches blocks fill, one after the other, if nothing in them compresses.

use std::cmp::Ordering;

/// Counted in a payload beside the encodings of its transactions: for each block,
const BLOCK_BYTES: usize = 32;
/// and for each transaction.
const TRANSACTION_BYTES: usize = 16;

/// What a block of so many transactions, with encodings of so many bytes, takes in a payload at most.
pub(crate) const fn encoded_bytes(bytes: usize, transactions: usize) -> usize {
    bytes + BLOCK_BYTES + TRANSACTION_BYTES * transactions
}

/// See the module. The poster fills a batch with what comes next for as long as it fits, too.
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
            (self.batches, self.last_bytes) = (self.batches + 1, 0);
        }
        self.last_bytes += bytes;
    }

    /// How large a block may follow so that all fit `most` batches.
    pub(crate) fn room(self, most: u64) -> usize {
        match self.batches.cmp(&most) {
            // One of its own, whatever its size.
            Ordering::Less => usize::MAX,
            Ordering::Equal => self.batch_bytes.saturating_sub(self.last_bytes),
            Ordering::Greater => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(blocks: &[usize]) -> Packing {
        let mut packing = Packing::new(130);
        blocks.iter().for_each(|bytes| packing.add(*bytes));
        packing
    }

    #[test]
    fn blocks_are_not_split() {
        assert_eq!(packed(&[]).batches(), 0);
        assert_eq!(packed(&[60, 70, 1]).batches(), 2);
        // Hardly more than half of each is used.
        assert_eq!(packed(&[128, 10, 128, 10]).batches(), 4);
        assert_eq!(packed(&[500, 1]).batches(), 2, "a large one has one to itself");
    }

    #[test]
    fn room_is_what_the_last_of_the_allowed_batches_has_left() {
        let two = packed(&[100, 100]);
        assert_eq!([1, 2, 3].map(|most| two.room(most)), [0, 30, usize::MAX]);
        assert_eq!((packed(&[]).room(1), packed(&[500]).room(1)), (usize::MAX, 0));
        assert_eq!(two.emptied(), packed(&[]));
    }
}
