//! How much one reader of the past may read.

use crate::EvmError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Rows of an index that one view of an old state may read: about a second's work.
const MAX_ROWS: u64 = 1 << 20;
/// A block that is read back counts as so many rows.
pub(crate) const ROWS_A_BLOCK: u64 = 128;

/// What is left of it.
#[derive(Debug)]
pub(crate) struct ReadBudget(AtomicU64);

impl Default for ReadBudget {
    fn default() -> Self {
        Self(AtomicU64::new(MAX_ROWS))
    }
}

impl ReadBudget {
    /// Takes rows off.
    ///
    /// # Errors
    /// [`EvmError::TooManyReads`] once nothing is left.
    pub(crate) fn spend(&self, rows: u64) -> Result<(), EvmError> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(rows));
        left.map(drop).map_err(|_| EvmError::TooManyReads)
    }

    #[cfg(test)]
    pub(crate) fn of(rows: u64) -> Self {
        Self(AtomicU64::new(rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_is_gone() {
        let budget = ReadBudget::of(10);
        assert!(budget.spend(7).is_ok() && budget.spend(3).is_ok());
        assert!(matches!(budget.spend(1), Err(EvmError::TooManyReads)));
    }
}
