//! Fees: the base fee is 0 and nobody needs to tip.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{U64, U256};
use serde::Serialize;

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{self, RpcError};
use super::params::{Json, Number, Params};

/// Percentiles one `eth_feeHistory` may ask for.
const MAX_PERCENTILES: usize = 100;

/// `eth_gasPrice` and `eth_maxPriorityFeePerGas`: gas is free.
pub(crate) fn zero(_: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&U64::ZERO)
}

/// `eth_blobBaseFee`: the minimum, as with every header's excess blob gas of 0. No rollup takes blobs.
pub(crate) fn blob_base_fee(_: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&U64::from(1))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeeHistory {
    oldest_block: U64,
    base_fee_per_gas: Vec<U64>,
    gas_used_ratio: Vec<f64>,
    base_fee_per_blob_gas: Vec<U64>,
    blob_gas_used_ratio: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<Vec<Vec<U256>>>,
}

/// `eth_feeHistory`.
pub(crate) fn history(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Number(count) = params.required("block count")?;
    let newest: BlockNumberOrTag = params.required("newest block")?;
    let percentiles = params.optional::<Json<Vec<f64>>>("reward percentiles")?.map(|Json(list)| list);
    params.end()?;
    check_percentiles(percentiles.as_deref().unwrap_or_default())?;
    let newest = rollup.number(newest)?;
    let head = rollup.reader.head().header.number;
    if newest > head {
        return Err(RpcError::params(format!("request beyond head block: requested {newest}, head {head}")));
    }
    let count = count.min(rollup.limits.max_fee_history_blocks).min(newest + 1);
    let oldest = newest + 1 - count;
    let mut gas_used_ratio = Vec::new();
    let mut reward = Vec::new();
    for number in oldest..=newest {
        let Some(block) = rollup.reader.block_by_number(number).map_err(errors::reading)? else {
            return Err(RpcError::unknown_block(number));
        };
        let header = &block.header;
        gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        if let Some(percentiles) = &percentiles {
            reward.push(rewards(&block, percentiles));
        }
    }
    let blocks = gas_used_ratio.len();
    reply(&FeeHistory {
        oldest_block: U64::from(oldest),
        base_fee_per_gas: vec![U64::ZERO; blocks + 1],
        base_fee_per_blob_gas: vec![U64::from(1); blocks + 1],
        blob_gas_used_ratio: vec![0.0; blocks],
        gas_used_ratio,
        reward: percentiles.map(|_| reward),
    })
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    let count = percentiles.len();
    if count > MAX_PERCENTILES {
        return Err(RpcError::params(format!("{count} reward percentiles, at most {MAX_PERCENTILES}")));
    }
    let rising = percentiles.windows(2).all(|pair| pair[0] <= pair[1]);
    match percentiles.iter().find(|percentile| !(0.0..=100.0).contains(*percentile)) {
        Some(bad) => Err(RpcError::params(format!("invalid reward percentile: {bad}"))),
        None if !rising => Err(RpcError::params("invalid reward percentile: not ascending")),
        None => Ok(()),
    }
}

/// Tips at these percentiles of the block's gas, cheapest first.
fn rewards(block: &mayfly_evm::SealedBlock, percentiles: &[f64]) -> Vec<U256> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or(0);
    let paid = block.transactions.iter().zip(&block.receipts).filter(|(tx, _)| !tx.tx.is_deposit());
    let mut tips: Vec<(u128, u64)> = paid
        .map(|(tx, receipt)| {
            (tx.tx.effective_gas_price(base_fee).saturating_sub(u128::from(base_fee)), receipt.gas_used)
        })
        .collect();
    tips.sort_unstable();
    let total_gas: u64 = tips.iter().map(|(_, gas)| gas).sum();
    let at = |percentile: &f64| {
        let threshold = (total_gas as f64 * percentile / 100.0) as u64;
        let mut gas_below = 0u64;
        let reached = tips.iter().find(|(_, gas)| {
            gas_below += gas;
            gas_below >= threshold
        });
        U256::from(reached.map_or(0, |(tip, _)| *tip))
    };
    percentiles.iter().map(at).collect()
}
