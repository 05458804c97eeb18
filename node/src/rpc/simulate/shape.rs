//! How simulated blocks look on the wire.

use alloy_consensus::transaction::Recovered;
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::Transaction;
use mayfly_evm::{CallStatus, ChainSpec, LogEntry, SimulatedBlock, SimulatedCall};
use serde::Serialize;
use serde_json::Value;

use super::super::errors::{self, RpcError};
use super::super::shapes::LogShape;

/// A block with what its calls did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlockShape<'a> {
    hash: B256,
    #[serde(flatten)]
    header: &'a Header,
    size: U64,
    uncles: [B256; 0],
    transactions: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawals: Option<&'a [Withdrawal]>,
    calls: Vec<CallShape>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallShape {
    return_data: Bytes,
    logs: Vec<LogShape>,
    gas_used: U64,
    max_used_gas: U64,
    status: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RpcError>,
}

/// `whole` = with transactions instead of their hashes.
pub(super) fn blocks<'a>(
    spec: &ChainSpec,
    blocks: &'a [SimulatedBlock],
    whole: bool,
) -> Result<Vec<BlockShape<'a>>, RpcError> {
    blocks.iter().map(|one| block(spec, one, whole)).collect()
}

fn block<'a>(spec: &ChainSpec, block: &'a SimulatedBlock, whole: bool) -> Result<BlockShape<'a>, RpcError> {
    let transactions = (0..block.transactions.len()).map(|index| match whole {
        true => transaction(spec, block, index),
        false => serde_json::to_value(block.transactions[index].envelope.tx_hash()).map_err(RpcError::internal),
    });
    Ok(BlockShape {
        hash: block.hash,
        header: &block.header,
        size: U64::from(block.size_bytes()),
        uncles: [],
        transactions: transactions.collect::<Result<_, _>>()?,
        withdrawals: block.header.withdrawals_root.map(|_| &*block.withdrawals),
        calls: block.calls.iter().enumerate().map(|(index, one)| call(block, index, one)).collect(),
    })
}

fn transaction(spec: &ChainSpec, block: &SimulatedBlock, index: usize) -> Result<Value, RpcError> {
    let tx = &block.transactions[index];
    let paid = tx.envelope.effective_gas_price(block.header.base_fee_per_gas);
    let shape = Transaction {
        effective_gas_price: Some(if spec.prices.free_gas { 0 } else { paid }),
        inner: Recovered::new_unchecked(tx.envelope.clone(), tx.sender),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        transaction_index: Some(index as u64),
        block_timestamp: Some(block.header.timestamp),
    };
    let mut shape = serde_json::to_value(shape).map_err(RpcError::internal)?;
    if tx.envelope.is_legacy() {
        // No signature: not even the 27 that stands for none of a chain id.
        shape["v"] = Value::from("0x0");
    }
    Ok(shape)
}

fn call(block: &SimulatedBlock, index: usize, call: &SimulatedCall) -> CallShape {
    let place = |(index_in_block, log): &(usize, alloy_primitives::Log)| LogEntry {
        log: log.clone(),
        block_number: block.header.number,
        block_hash: block.hash,
        block_timestamp: block.header.timestamp,
        tx_hash: *block.transactions[index].envelope.tx_hash(),
        tx_index: index,
        log_index: *index_in_block,
    };
    let (return_data, error) = match &call.status {
        CallStatus::Success => (call.output.clone(), None),
        CallStatus::Reverted => (Bytes::new(), Some(RpcError::reverted(&call.output))),
        CallStatus::Halted(reason) => (Bytes::new(), Some(RpcError::new(errors::EXECUTION, reason.clone()))),
    };
    CallShape {
        return_data,
        logs: call.logs.iter().map(|log| LogShape::new(place(log), false)).collect(),
        gas_used: U64::from(call.gas_used),
        max_used_gas: U64::from(call.max_gas_used),
        status: U64::from(u8::from(error.is_none())),
        error,
    }
}
