//! Blocks that nobody keeps: what `testing_buildBlockV1` answers.

use std::sync::Arc;

use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7685::Requests;
use alloy_primitives::{Address, B256, Bytes, U256};
use mayfly_evm::{BlockAttributes, Chain, Consensus, EvmError, RecoveredTx, Refusal, SealedBlock};
use serde::Deserialize;

/// The gas limit that blocks move to.
const TARGET_GAS_LIMIT: u64 = 60_000_000;
/// A block's gas limit may differ from its parent's by less than this part of it.
const GAS_LIMIT_PART: u64 = 1_024;

/// What the consensus layer says of a block, and the extra data.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PayloadAttributes {
    #[serde(with = "alloy_serde::quantity")]
    timestamp: u64,
    prev_randao: B256,
    suggested_fee_recipient: Address,
    withdrawals: Vec<Withdrawal>,
    parent_beacon_block_root: B256,
    #[serde(skip)]
    pub(crate) extra_data: Bytes,
}

/// Why a block cannot be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// A transaction does not fit.
    #[error("transaction {index}: {refusal}")]
    Transaction {
        /// Which.
        index: usize,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// The attributes cannot be, or the node failed.
    #[error(transparent)]
    Evm(#[from] EvmError),
}

/// A block, its requests, and what its beneficiary earns.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) block: SealedBlock,
    pub(crate) requests: Requests,
    pub(crate) value: U256,
}

/// Builds on the head. A transaction that does not fit is an error if `strict`, else it is left out.
pub(super) fn build(
    chain: &mut Chain,
    attributes: PayloadAttributes,
    transactions: &[Arc<RecoveredTx>],
    strict: bool,
) -> Result<Built, BuildError> {
    let parent = chain.head().header.gas_limit;
    let PayloadAttributes { timestamp, prev_randao, suggested_fee_recipient, withdrawals, .. } = attributes;
    let mut builder = chain.begin(BlockAttributes {
        timestamp,
        prev_randao,
        parent_beacon_block_root: attributes.parent_beacon_block_root,
        extra_data: attributes.extra_data,
        gas_limit: next_gas_limit(parent),
        beneficiary: suggested_fee_recipient,
        consensus: Consensus { withdrawals, ..Consensus::default() },
    })?;
    for (index, tx) in transactions.iter().enumerate() {
        match builder.execute(tx) {
            Err(Refusal::Fatal(error)) => return Err(error.into()),
            Err(refusal) if strict => return Err(BuildError::Transaction { index, refusal: Box::new(refusal) }),
            Err(refusal) => tracing::debug!(%refusal, tx = %tx.hash(), "left out of a block"),
            Ok(_) => {}
        }
    }
    let preview = builder.preview()?;
    let value = earned(&preview.block);
    Ok(Built { block: preview.block, requests: preview.requests, value })
}

/// As far to the target as one block may go.
fn next_gas_limit(parent: u64) -> u64 {
    let step = (parent / GAS_LIMIT_PART).saturating_sub(1);
    TARGET_GAS_LIMIT.clamp(parent.saturating_sub(step), parent.saturating_add(step))
}

fn earned(block: &SealedBlock) -> U256 {
    let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
    let tip = |(tx, receipt): (&Arc<RecoveredTx>, &mayfly_evm::Receipt)| {
        let tip = tx.tx.effective_gas_price(base_fee).saturating_sub(u128::from(base_fee));
        U256::from(tip) * U256::from(receipt.gas_used)
    };
    block.transactions.iter().zip(&block.receipts).map(tip).fold(U256::ZERO, U256::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gas_limits_move_to_the_target_step_by_step() {
        assert_eq!(next_gas_limit(200_000_000), 199_804_689);
        assert_eq!(next_gas_limit(TARGET_GAS_LIMIT), TARGET_GAS_LIMIT);
        assert_eq!(next_gas_limit(TARGET_GAS_LIMIT - 1), TARGET_GAS_LIMIT);
        assert_eq!(next_gas_limit(30_720_000), 30_720_000 + 29_999);
        assert_eq!(next_gas_limit(0), 0);
    }
}
