//! What a transaction costs before it runs.

use super::ChainReader;
use crate::{RecoveredTx, execute::tx_env};
use revm::context_interface::cfg::gas::calculate_initial_tx_gas_for_tx;

impl ChainReader {
    /// The least gas limit with which a block after the head could hold a transaction.
    pub fn intrinsic_gas(&self, tx: &RecoveredTx) -> u64 {
        let head = self.head();
        let fork = self.spec().spec_id(head.number() + 1, head.timestamp());
        let gas = calculate_initial_tx_gas_for_tx(tx_env(tx, self.spec().prices.free_gas), fork, None);
        gas.initial_total_gas().max(gas.floor_gas())
    }
}
