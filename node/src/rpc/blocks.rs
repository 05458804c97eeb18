//! Blocks: by number, tag and hash; counts, receipts of a block, uncles (a rollup has none).

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64};
use mayfly_evm::SealedBlock;

use super::backend::Rollup;
use super::dispatch::{Reply, null, reply};
use super::params::Params;
use super::shapes;

/// `eth_blockNumber`.
pub(crate) fn number(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&U64::from(rollup.reader.head().header.number))
}

/// `eth_getBlockByNumber`.
pub(crate) fn by_number(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let number: BlockNumberOrTag = params.required("block number")?;
    block(rollup, number.into(), params)
}

/// `eth_getBlockByHash`.
pub(crate) fn by_hash(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("block hash")?;
    block(rollup, hash.into(), params)
}

fn block(rollup: &Rollup, id: BlockId, params: &mut Params<'_>) -> Reply {
    let whole = params.optional("full transactions")?.unwrap_or(false);
    params.end()?;
    match rollup.block(id)? {
        Some(block) => reply(&shapes::block(rollup.reader.spec(), &block, whole)),
        None => null(),
    }
}

/// `eth_getBlockTransactionCountByNumber`.
pub(crate) fn count_by_number(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let number: BlockNumberOrTag = params.required("block number")?;
    params.end()?;
    count(rollup, number.into(), |block| block.transactions.len())
}

/// `eth_getBlockTransactionCountByHash`.
pub(crate) fn count_by_hash(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("block hash")?;
    params.end()?;
    count(rollup, hash.into(), |block| block.transactions.len())
}

/// `eth_getUncleCountByBlockNumber`.
pub(crate) fn uncles_by_number(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let number: BlockNumberOrTag = params.required("block number")?;
    params.end()?;
    count(rollup, number.into(), |block| block.ommers.len())
}

/// `eth_getUncleCountByBlockHash`.
pub(crate) fn uncles_by_hash(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("block hash")?;
    params.end()?;
    count(rollup, hash.into(), |block| block.ommers.len())
}

fn count(rollup: &Rollup, id: BlockId, of: impl FnOnce(&SealedBlock) -> usize) -> Reply {
    match rollup.block(id)? {
        Some(block) => reply(&U64::from(of(&block))),
        None => null(),
    }
}

/// `eth_getUncleByBlockNumberAndIndex`.
pub(crate) fn uncle_by_number(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let number: BlockNumberOrTag = params.required("block number")?;
    uncle(rollup, number.into(), params)
}

/// `eth_getUncleByBlockHashAndIndex`.
pub(crate) fn uncle_by_hash(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("block hash")?;
    uncle(rollup, hash.into(), params)
}

fn uncle(rollup: &Rollup, id: BlockId, params: &mut Params<'_>) -> Reply {
    let index: u64 = params.required("uncle index")?;
    params.end()?;
    let block = rollup.block(id)?;
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    match block.as_ref().and_then(|block| block.ommers.get(index)) {
        Some(header) => reply(&shapes::uncle(header)),
        None => null(),
    }
}

/// `eth_getBlockReceipts`.
pub(crate) fn receipts(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let id: BlockId = params.required("block")?;
    params.end()?;
    match rollup.block(id)? {
        Some(block) => reply(&shapes::receipts(rollup.reader.spec(), &block)),
        None => null(),
    }
}

/// `eth_syncing`: blocks are served as they become durable; nothing is fetched from peers.
pub(crate) fn syncing(_: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&false)
}
