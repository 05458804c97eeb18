//! Where a block's overlay reads from.

use super::AccountInfo;
use alloy_primitives::{Address, B256, U256};
use revm::{bytecode::Bytecode, database_interface::DBErrorMarker};

/// BLOCKHASH reaches this many blocks back.
const HASHES: u64 = 256;

/// A state that execution can read. It stands still while it is read.
pub(crate) trait StateSource {
    /// An account, if it exists.
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError>;
    /// A slot; 0 where nothing was stored.
    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError>;
    /// Code by hash.
    fn code(&self, hash: &B256) -> Result<Bytecode, StateError>;
    /// Hash of a recent block; 0 for others.
    fn block_hash(&self, number: u64) -> Result<B256, StateError>;
    /// Every slot of an account that is not 0: for the accounts that lose their storage.
    fn slots(&self, address: &Address) -> Result<Vec<(U256, U256)>, StateError>;
}

/// Why a state could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// The state moved on too far, or was reverted, while it was read.
    #[error("state of block {0} is not available")]
    Unavailable(u64),
    /// More was read of an old state than one call may read.
    #[error("the state of block {0} takes more reads than one call may make")]
    TooManyReads(u64),
    /// A code hash without code: the state is damaged.
    #[error("no code with hash {0}")]
    MissingCode(B256),
}

impl DBErrorMarker for StateError {}

/// The last 256 block hashes.
#[derive(Clone, Debug, Default)]
pub(crate) struct HashRing {
    /// Block number of the newest.
    head: u64,
    hashes: std::collections::VecDeque<B256>,
}

impl HashRing {
    /// Adds the hash of the next block; any other block starts the ring anew.
    pub(crate) fn push(&mut self, number: u64, hash: B256) {
        if number != self.head + 1 {
            self.hashes.clear();
        }
        if self.hashes.len() as u64 == HASHES {
            self.hashes.pop_front();
        }
        self.head = number;
        self.hashes.push_back(hash);
    }

    /// Hash of a block; 0 if it is not among the last 256.
    pub(crate) fn get(&self, number: u64) -> B256 {
        let back = self.head.checked_sub(number).and_then(|back| usize::try_from(back).ok());
        let index = back.and_then(|back| self.hashes.len().checked_sub(back + 1));
        index.and_then(|index| self.hashes.get(index)).copied().unwrap_or_default()
    }

    /// First block of a ring whose newest is `head`.
    pub(crate) const fn first(head: u64) -> u64 {
        head.saturating_sub(HASHES - 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn ring_reaches_256_back_and_starts_anew_on_a_gap() {
        let mut ring = HashRing::default();
        let hash = |n: u64| B256::from(U256::from(n + 1));
        (0..1_000).for_each(|n| ring.push(n, hash(n)));
        assert_eq!(ring.get(999), hash(999));
        assert_eq!(ring.get(744), hash(744));
        assert_eq!(HashRing::first(999), 744);
        assert_eq!(ring.get(743), B256::ZERO);
        assert_eq!(ring.get(1_000), B256::ZERO);
        ring.push(500, hash(500));
        assert_eq!(ring.get(500), hash(500));
        assert_eq!(ring.get(499), B256::ZERO);
    }
}
