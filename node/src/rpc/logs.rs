//! `eth_getLogs`.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Bloom, BloomInput};

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{self, RpcError};
use super::filter::LogFilter;
use super::params::Params;
use super::shapes;

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
        return reply(&shapes::logs_where(&block, false, |log| filter.matches(log)));
    }
    let from = rollup.number(filter.from.unwrap_or(BlockNumberOrTag::Latest))?;
    let to = rollup.number(filter.to.unwrap_or(BlockNumberOrTag::Latest))?;
    let head = rollup.reader.head().header.number;
    if from > to {
        return Err(RpcError::params(format!("invalid block range params: from {from} to {to}")));
    }
    if from > head {
        return Err(RpcError::params(format!("block range extends beyond current head block: {from} over {head}")));
    }
    between(rollup, filter, from, to.min(head))
}

/// The logs of these blocks, both included.
pub(crate) fn between(rollup: &Rollup, filter: &LogFilter, from: u64, to: u64) -> Reply {
    let (span, limits) = (to - from + 1, &rollup.limits);
    if span > limits.max_log_blocks {
        return Err(errors::reading(mayfly_evm::EvmError::RangeTooWide(span, limits.max_log_blocks)));
    }
    let sieve = Sieve::new(filter);
    let mut blocks = Vec::new();
    let mut found = 0usize;
    for number in from..=to {
        let Some(block) = rollup.reader.block_by_number(number).map_err(errors::reading)? else { continue };
        if !sieve.may_hold(&block.header.logs_bloom) {
            continue;
        }
        let wanted = block.receipts.iter().flat_map(|receipt| &receipt.logs).filter(|log| filter.matches(log));
        found += wanted.count();
        if found > limits.max_log_results {
            return Err(errors::reading(mayfly_evm::EvmError::TooManyResults(limits.max_log_results)));
        }
        blocks.push(block);
    }
    let logs: Vec<_> =
        blocks.iter().flat_map(|block| shapes::logs_where(block, false, |log| filter.matches(log))).collect();
    reply(&logs)
}

/// The filter as blooms, hashed once for all blocks.
struct Sieve(Vec<Vec<Bloom>>);

impl Sieve {
    fn new(filter: &LogFilter) -> Self {
        let bloom = |raw: &[u8]| Bloom::from(BloomInput::Raw(raw));
        let addresses = filter.addresses.iter().map(|address| bloom(address.as_slice())).collect();
        let topics = filter.topics.iter().map(|topics| topics.iter().map(|topic| bloom(topic.as_slice())).collect());
        Self(std::iter::once(addresses).chain(topics).collect())
    }

    fn may_hold(&self, block: &Bloom) -> bool {
        self.0.iter().all(|any| any.is_empty() || any.iter().any(|bloom| block.contains(bloom)))
    }
}
