//! Transactions and their receipts: by hash, and by place in a block.

use std::sync::Arc;

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, Bytes};
use mayfly_evm::SealedBlock;

use super::backend::Rollup;
use super::dispatch::{Call, Caller, Pending, Reply, Service, null, reply};
use super::errors::{self, RpcError};
use super::params::Params;
use super::shapes;

/// The block that holds a transaction, and its place there.
pub(crate) fn locate(rollup: &Rollup, hash: B256) -> Result<Option<(Arc<SealedBlock>, usize)>, RpcError> {
    let Some((number, index)) = rollup.reader.tx_location(&hash).map_err(errors::reading)? else {
        return Ok(None);
    };
    let block = rollup.reader.block_by_number(number).map_err(errors::reading)?;
    Ok(block.filter(|block| block.transactions.get(index).is_some_and(|tx| tx.hash() == hash)).map(|b| (b, index)))
}

/// `eth_getTransactionByHash`; one that waits for a block is shown without one.
pub(crate) fn by_hash<'a>(service: &'a Service, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let mut params = Params::read(call.params)?;
        let hash: B256 = params.required("transaction hash")?;
        params.end()?;
        let rollup = Arc::clone(&caller.rollup);
        let look = |rollup: Arc<Rollup>| {
            move || match locate(&rollup, hash)? {
                Some((block, index)) => reply(&shapes::transaction(rollup.reader.spec(), &block, index)),
                None => null(),
            }
        };
        if rollup.holds(hash.into()) {
            return look(rollup)();
        }
        let found = service.heavy(caller, look(Arc::clone(&rollup))).await?;
        if found.get() != "null" {
            return Ok(found);
        }
        match rollup.pooled(hash).await {
            Some(waiting) => reply(&shapes::waiting(&waiting)),
            // It may have left the pool for a block meanwhile, which is in memory then.
            None if rollup.holds(hash.into()) => look(rollup)(),
            None => null(),
        }
    })
}

/// `eth_getTransactionReceipt`.
pub(crate) fn receipt(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("transaction hash")?;
    params.end()?;
    match locate(rollup, hash)? {
        Some((block, index)) => reply(&shapes::receipt(rollup.reader.spec(), &block, index)),
        None => null(),
    }
}

/// `eth_getTransactionByBlockNumberAndIndex`.
pub(crate) fn by_block_number(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let number: BlockNumberOrTag = params.required("block number")?;
    by_place(rollup, number.into(), params)
}

/// `eth_getTransactionByBlockHashAndIndex`.
pub(crate) fn by_block_hash(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("block hash")?;
    by_place(rollup, hash.into(), params)
}

fn by_place(rollup: &Rollup, id: BlockId, params: &mut Params<'_>) -> Reply {
    let index: u64 = params.required("transaction index")?;
    params.end()?;
    let block = rollup.block(id)?;
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    reply(&block.and_then(|block| shapes::transaction(rollup.reader.spec(), &block, index)))
}

/// `eth_getRawTransactionByHash`.
pub(crate) fn raw_by_hash(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("transaction hash")?;
    params.end()?;
    let found = locate(rollup, hash)?;
    let tx = found.and_then(|(block, index)| block.transactions.get(index).cloned());
    match tx {
        Some(tx) => reply(&Bytes::from(tx.tx.encode_2718())),
        None => null(),
    }
}
