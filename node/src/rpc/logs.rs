//! `eth_getLogs`.

use alloy_eips::{BlockId, BlockNumberOrTag};
use mayfly_evm::EvmError;

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{self, RpcError};
use super::filter::LogFilter;
use super::params::Params;
use super::shapes::LogShape;

/// `eth_getLogs`.
pub(crate) fn get(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let filter: LogFilter = params.required("filter")?;
    params.end()?;
    filter.check(&rollup.limits)?;
    answer(rollup, &filter)
}

/// The logs a filter's own range holds.
pub(crate) fn answer(rollup: &Rollup, filter: &LogFilter) -> Reply {
    if let Some(hash) = filter.block_hash {
        let block = rollup.block(BlockId::from(hash))?.ok_or_else(|| RpcError::unknown_block(hash))?;
        return reply(&filter.shapes(&block, false).collect::<Vec<_>>());
    }
    let from = rollup.number(filter.from.unwrap_or(BlockNumberOrTag::Latest))?;
    let to = rollup.number(filter.to.unwrap_or(BlockNumberOrTag::Latest))?;
    let head = rollup.reader.head().header.number;
    if from > to {
        return Err(RpcError::params(format!("invalid block range params: from {from} to {to}")));
    }
    if to > head {
        return Err(RpcError::params(format!("block range extends beyond current head block: {to} over {head}")));
    }
    between(rollup, filter, from, to)
}

/// The logs of these blocks, both included.
pub(crate) fn between(rollup: &Rollup, filter: &LogFilter, from: u64, to: u64) -> Reply {
    let (span, limits) = (to - from + 1, &rollup.limits);
    if span > limits.max_log_blocks && !filter.values.is_selective() {
        return Err(errors::reading(EvmError::RangeTooWide(span, limits.max_log_blocks)));
    }
    let wanted = mayfly_evm::LogFilter { from, to, max_results: limits.max_log_results, ..filter.values.clone() };
    let found = rollup.reader.logs(&wanted).map_err(errors::reading)?;
    reply(&found.into_iter().map(|entry| LogShape::new(entry, false)).collect::<Vec<_>>())
}
