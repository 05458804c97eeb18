//! Fees. On a rollup the base fee is 0 and nobody needs to tip.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{U64, U128, U256};
use mayfly_evm::{ChainSpec, SealedBlock};
use serde::Serialize;

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{self, RpcError};
use super::params::{List, Number, Params};

/// Percentiles one `eth_feeHistory` may ask for.
const MAX_PERCENTILES: usize = 100;

/// Blocks whose tips make the suggestion.
const TIP_BLOCKS: u64 = 20;
/// Of the tips that were paid.
const TIP_PERCENTILE: f64 = 60.0;

/// `eth_gasPrice`: the next block's base fee and a usual tip; 0 on a rollup, where gas is free.
pub(crate) fn gas_price(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&(usual_tip(rollup)? + U256::from(next_base_fee(rollup))))
}

/// `eth_maxPriorityFeePerGas`: a usual tip.
pub(crate) fn priority_fee(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&usual_tip(rollup)?)
}

/// `eth_baseFee`: of the next block.
pub(crate) fn base_fee(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&U64::from(next_base_fee(rollup)))
}

/// `eth_blobBaseFee`: of the next block; the minimum on a rollup, which takes no blobs.
pub(crate) fn blob_base_fee(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&U128::from(next_blob_fee(rollup, &rollup.reader.head())))
}

fn next_base_fee(rollup: &Rollup) -> u64 {
    let (head, spec) = (rollup.reader.head(), rollup.reader.spec());
    let fork = spec.spec_id(head.number() + 1, head.timestamp());
    spec.next_base_fee(&head.header, fork).unwrap_or_default()
}

/// What a blob's gas costs in the child of a block.
fn next_blob_fee(rollup: &Rollup, parent: &SealedBlock) -> u128 {
    let (spec, number, time) = (rollup.reader.spec(), parent.number() + 1, parent.timestamp());
    spec.blob_price(number, time, spec.next_excess_blob_gas(&parent.header, time)).blob_gasprice
}

fn usual_tip(rollup: &Rollup) -> Result<U256, RpcError> {
    if rollup.archive.is_none() {
        return Ok(U256::ZERO);
    }
    let (spec, head) = (rollup.reader.spec(), rollup.reader.head().number());
    let mut tips = Vec::new();
    for number in head.saturating_sub(TIP_BLOCKS - 1)..=head {
        let block = rollup.reader.block_by_number(number).map_err(errors::reading)?;
        tips.extend(
            block
                .filter(|block| !block.transactions.is_empty())
                .iter()
                .flat_map(|b| rewards(spec, b, &[TIP_PERCENTILE])),
        );
    }
    tips.sort_unstable();
    Ok(tips.get(tips.len() / 2).copied().unwrap_or_default())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeeHistory {
    oldest_block: U64,
    base_fee_per_gas: Vec<U64>,
    gas_used_ratio: Vec<f64>,
    base_fee_per_blob_gas: Vec<U128>,
    blob_gas_used_ratio: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<Vec<Vec<U256>>>,
}

/// `eth_feeHistory`.
pub(crate) fn history(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Number(count) = params.required("block count")?;
    let newest: BlockNumberOrTag = params.required("newest block")?;
    let percentiles = params.optional::<List<Vec<f64>>>("reward percentiles")?.map(|List(list)| list);
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
    let (mut base_fee_per_gas, mut base_fee_per_blob_gas) = (Vec::new(), Vec::new());
    let mut blob_gas_used_ratio = Vec::new();
    let spec = rollup.reader.spec();
    let mut reward = Vec::new();
    for number in oldest..=newest {
        let Some(block) = rollup.reader.block_by_number(number).map_err(errors::reading)? else {
            return Err(RpcError::unknown_block(number));
        };
        let header = &block.header;
        gas_used_ratio.push(header.gas_used as f64 / header.gas_limit.max(1) as f64);
        base_fee_per_gas.push(U64::from(header.base_fee_per_gas.unwrap_or_default()));
        base_fee_per_blob_gas.push(U128::from(spec.blob_price_of(header)));
        let most_blob_gas = spec.blob_params(number, header.timestamp).map_or(0, |rule| rule.max_blob_gas_per_block());
        blob_gas_used_ratio.push(header.blob_gas_used.unwrap_or_default() as f64 / most_blob_gas.max(1) as f64);
        if number == newest {
            let fork = spec.spec_id(number + 1, header.timestamp);
            base_fee_per_gas.push(U64::from(spec.next_base_fee(header, fork).unwrap_or_default()));
            base_fee_per_blob_gas.push(U128::from(next_blob_fee(rollup, &block)));
        }
        if let Some(percentiles) = &percentiles {
            reward.push(rewards(spec, &block, percentiles));
        }
    }
    reply(&FeeHistory {
        oldest_block: U64::from(oldest),
        base_fee_per_gas,
        base_fee_per_blob_gas,
        blob_gas_used_ratio,
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
fn rewards(spec: &ChainSpec, block: &SealedBlock, percentiles: &[f64]) -> Vec<U256> {
    let base_fee = block.header.base_fee_per_gas.unwrap_or(0);
    let paid = block.transactions.iter().zip(&block.receipts).filter(|(tx, _)| !tx.tx.is_deposit());
    let mut tips: Vec<(u128, u64)> = paid
        .map(|(tx, receipt)| (spec.gas_price(&tx.tx, base_fee).saturating_sub(u128::from(base_fee)), receipt.gas_used))
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
