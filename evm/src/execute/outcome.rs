//! What executing a transaction gives.

use crate::Receipt;
use alloy_primitives::{Address, Bytes};

/// The result of an executed transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxOutcome {
    /// Its receipt, as the block will hold it.
    pub receipt: Receipt,
    /// The contract it created, if it succeeded in that.
    pub contract_address: Option<Address>,
    /// Return or revert data; created code is not repeated here.
    pub output: Bytes,
}
