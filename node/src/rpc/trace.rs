//! `trace_*`: calls, changes and steps of what executed, flat.

use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_primitives::map::HashSet;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::parity::{TraceResultsWithTransactionHash, TraceType};

use super::backend::Rollup;
use super::call::Run;
use super::debug::{Answer, existing, traceable, traced_transaction};
use super::dispatch::{Reply, null, reply};
use super::errors::{self, RpcError};
use super::params::{Json, List, Params};
use super::transactions;

/// `trace_transaction`: its calls.
pub(crate) fn transaction(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("transaction hash")?;
    params.end()?;
    let Some((block, index)) = transactions::locate(rollup, hash)? else { return null() };
    flat(rollup, &block, Some(index))
}

/// `trace_block`: the calls of all its transactions.
pub(crate) fn block(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let id: BlockId = params.required("block")?;
    params.end()?;
    match rollup.block(id)? {
        Some(block) if block.number() > 0 => flat(rollup, &block, None),
        Some(_) => reply(&[(); 0]),
        None => null(),
    }
}

fn flat(rollup: &Rollup, block: &mayfly_evm::SealedBlock, only: Option<usize>) -> Reply {
    let most_bytes = rollup.limits.max_response_bytes;
    let mut answer = Answer::new(most_bytes);
    rollup
        .reader
        .flat_traces(block, only, most_bytes, |traces| traces.iter().try_for_each(|trace| answer.push(trace)))?;
    reply(&answer.items)
}

/// `trace_replayTransaction`.
pub(crate) fn replay_transaction(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("transaction hash")?;
    let types = types(params)?;
    params.end()?;
    let (block, index) = traced_transaction(rollup, hash)?;
    let most_bytes = rollup.limits.max_response_bytes;
    let mut answer = Answer::new(most_bytes);
    rollup.reader.replayed_traces(&block, Some(index), &types, most_bytes, |_, traces| answer.push(&traces))?;
    answer.items.pop().ok_or_else(|| RpcError::internal("no trace of a transaction"))
}

/// `trace_replayBlockTransactions`.
pub(crate) fn replay_block(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let id: BlockId = params.required("block")?;
    let types = types(params)?;
    params.end()?;
    let block = traceable(existing(rollup, id)?)?;
    let most_bytes = rollup.limits.max_response_bytes;
    let mut answer = Answer::new(most_bytes);
    rollup.reader.replayed_traces(&block, None, &types, most_bytes, |transaction_hash, full_trace| {
        answer.push(&TraceResultsWithTransactionHash { full_trace, transaction_hash })
    })?;
    reply(&answer.items)
}

/// `trace_call`.
pub(crate) fn call(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Json(request) = params.required::<Json<TransactionRequest>>("transaction")?;
    let types = types(params)?;
    let block: BlockId = params.optional("block")?.unwrap_or_default();
    params.end()?;
    let run = Run::new(rollup, request, block, None, None)?;
    let most_bytes = rollup.limits.max_response_bytes;
    let traces = rollup.reader.replayed_call(&run.message, &run.context, &run.overrides, &types, most_bytes);
    reply(&traces.map_err(errors::reading)?)
}

/// Some of `trace`, `vmTrace` and `stateDiff`.
fn types(params: &mut Params<'_>) -> Result<HashSet<TraceType>, RpcError> {
    let List(types) = params.required::<List<HashSet<TraceType>>>("trace types")?;
    Ok(types)
}
