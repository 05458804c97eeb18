//! Recovering many senders at once.

use crate::{RecoveredTx, Transaction, TransactionError};
use rayon::prelude::*;

/// Recovers the senders of many transactions on all cores, in order.
pub fn recover_all(txs: Vec<Transaction>) -> Vec<Result<RecoveredTx, TransactionError>> {
    txs.into_par_iter().map(Transaction::recover).collect()
}
