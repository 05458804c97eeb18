//! `debug_*`: blocks, receipts and transactions as bytes, and traces of what executed.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::common::TraceResult;
use alloy_rpc_types_trace::geth::{GethDebugTracerType, GethDebugTracingCallOptions, GethDebugTracingOptions};
use mayfly_evm::SealedBlock;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

use super::backend::Rollup;
use super::call::Run;
use super::dispatch::{Reply, reply};
use super::errors::{self, REJECTED, RpcError, SERVER};
use super::params::{Json, Params};
use super::shapes;
use super::transactions;

/// `debug_getRawHeader`: RLP.
pub(crate) fn raw_header(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let block = named_block(rollup, params)?;
    reply(&encoded(&block.header))
}

/// `debug_getRawBlock`: RLP.
pub(crate) fn raw_block(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let block = named_block(rollup, params)?;
    reply(&Bytes::from(shapes::raw_block(&block)))
}

/// `debug_getRawReceipts`: EIP-2718, one by one.
pub(crate) fn raw_receipts(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let block = named_block(rollup, params)?;
    let raw = |receipt: &mayfly_evm::Receipt| {
        let mut out = Vec::new();
        receipt.encode_2718(&mut out);
        Bytes::from(out)
    };
    reply(&block.receipts.iter().map(raw).collect::<Vec<_>>())
}

/// `debug_getRawTransaction`: EIP-2718; no bytes if there is no such transaction.
pub(crate) fn raw_transaction(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("transaction hash")?;
    params.end()?;
    let found = transactions::locate(rollup, hash)?;
    let tx = found.and_then(|(block, index)| block.transactions.get(index).cloned());
    reply(&tx.map(|tx| Bytes::from(tx.tx.encode_2718())).unwrap_or_default())
}

/// `debug_traceTransaction`.
pub(crate) fn trace_transaction(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("transaction hash")?;
    let options = options(rollup, params)?;
    params.end()?;
    let (block, index) = traced_transaction(rollup, hash)?;
    let most_bytes = rollup.limits.max_response_bytes;
    reply(&rollup.reader.trace_transaction(&block, index, &options, most_bytes).map_err(errors::reading)?)
}

/// `debug_traceBlockByNumber`.
pub(crate) fn trace_block_by_number(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let number: BlockNumberOrTag = params.required("block number")?;
    trace_block(rollup, number.into(), params)
}

/// `debug_traceBlockByHash`.
pub(crate) fn trace_block_by_hash(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let hash: B256 = params.required("block hash")?;
    trace_block(rollup, hash.into(), params)
}

fn trace_block(rollup: &Rollup, id: BlockId, params: &mut Params<'_>) -> Reply {
    let options = options(rollup, params)?;
    params.end()?;
    let block = traceable(existing(rollup, id)?)?;
    let most_bytes = rollup.limits.max_response_bytes;
    let mut answer = Answer::new(most_bytes);
    rollup.reader.trace_block(&block, &options, most_bytes, |hash, trace| {
        answer.push(&TraceResult::<_, String>::new_success(trace, Some(hash)))
    })?;
    reply(&answer.items)
}

/// `debug_traceCall`.
pub(crate) fn trace_call(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Json(request) = params.required::<Json<TransactionRequest>>("transaction")?;
    let block: BlockId = params.optional("block")?.unwrap_or_default();
    let options = params.optional::<Json<GethDebugTracingCallOptions>>("options")?;
    params.end()?;
    let options = options.map(|Json(options)| options).unwrap_or_default();
    allowed(rollup, &options.tracing_options)?;
    if options.tx_index.is_some() {
        return Err(RpcError::params("txIndex is not supported: a call is traced on the state after a block"));
    }
    let run = Run::new(rollup, request, block, options.state_overrides, options.block_overrides)?;
    let (tracing, most_bytes) = (&options.tracing_options, rollup.limits.max_response_bytes);
    let trace = rollup.reader.trace_call(&run.message, &run.context, &run.overrides, tracing, most_bytes);
    reply(&trace.map_err(errors::reading)?)
}

/// The parts of an answer, which together have a limit.
pub(crate) struct Answer {
    pub(crate) items: Vec<Box<RawValue>>,
    left_bytes: usize,
    most_bytes: usize,
}

impl Answer {
    pub(crate) const fn new(most_bytes: usize) -> Self {
        Self { items: Vec::new(), left_bytes: most_bytes, most_bytes }
    }

    pub(crate) fn push(&mut self, item: &impl serde::Serialize) -> Result<(), RpcError> {
        let item = to_raw_value(item).map_err(RpcError::internal)?;
        let left = self.left_bytes.checked_sub(item.get().len() + 1);
        self.left_bytes = left.ok_or_else(|| {
            let most = self.most_bytes;
            RpcError::new(REJECTED, format!("response too large: over {most} bytes"))
        })?;
        self.items.push(item);
        Ok(())
    }
}

/// The block that holds a transaction to trace, and its place there.
pub(crate) fn traced_transaction(rollup: &Rollup, hash: B256) -> Result<(Arc<SealedBlock>, usize), RpcError> {
    let found = transactions::locate(rollup, hash)?;
    found.ok_or_else(|| RpcError::new(SERVER, "transaction not found"))
}

/// A block, which must exist.
pub(crate) fn existing(rollup: &Rollup, id: BlockId) -> Result<Arc<SealedBlock>, RpcError> {
    rollup.block(id)?.ok_or_else(|| {
        let name = match id {
            BlockId::Hash(hash) => hash.block_hash.to_string(),
            BlockId::Number(BlockNumberOrTag::Number(number)) => format!("#{number}"),
            BlockId::Number(tag) => tag.to_string(),
        };
        RpcError::new(SERVER, format!("block {name} not found"))
    })
}

/// A block that transactions of a chain could have made: any but genesis.
pub(crate) fn traceable(block: Arc<SealedBlock>) -> Result<Arc<SealedBlock>, RpcError> {
    if block.number() == 0 { Err(RpcError::new(SERVER, "genesis is not traceable")) } else { Ok(block) }
}

fn named_block(rollup: &Rollup, params: &mut Params<'_>) -> Result<Arc<SealedBlock>, RpcError> {
    let id: BlockId = params.required("block")?;
    params.end()?;
    existing(rollup, id)
}

fn options(rollup: &Rollup, params: &mut Params<'_>) -> Result<GethDebugTracingOptions, RpcError> {
    let options = params.optional::<Json<GethDebugTracingOptions>>("options")?;
    let options = options.map(|Json(options)| options).unwrap_or_default();
    allowed(rollup, &options)?;
    Ok(options)
}

/// What is not built in is a program, which runs only where the operator lets it.
fn allowed(rollup: &Rollup, options: &GethDebugTracingOptions) -> Result<(), RpcError> {
    match &options.tracer {
        Some(GethDebugTracerType::JsTracer(code)) if !code.is_empty() && !rollup.limits.js_tracers => {
            let shown: String = code.chars().take(64).collect();
            Err(RpcError::params(format!("tracer: {shown:?} is not built in, and this node runs no JavaScript")))
        }
        _ => Ok(()),
    }
}

fn encoded(value: &impl Encodable) -> Bytes {
    alloy_rlp::encode(value).into()
}
