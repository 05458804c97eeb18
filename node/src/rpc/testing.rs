//! `testing_*`: for test suites, on an imported chain under `--dev` only.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes, U256};
use mayfly_evm::{RecoveredTx, Transaction};
use serde::Serialize;
use serde_json::{Value, json};

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{INVALID_PARAMS, METHOD_NOT_FOUND, RpcError, SERVER};
use super::params::{Json, List, Params};
use crate::archive::{BuildError, Built, PayloadAttributes, without_blobs};

/// `testing_buildBlockV1`: a block on the head that nobody keeps.
pub(crate) fn build_block(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let archive = rollup.archive.as_ref().filter(|archive| archive.dev);
    let archive =
        archive.ok_or_else(|| RpcError::new(METHOD_NOT_FOUND, "testing methods are off: start with --dev"))?;
    let parent: B256 = params.required("parent block hash")?;
    let Json(mut attributes) = params.required::<Json<PayloadAttributes>>("payload attributes")?;
    let transactions = params.optional::<List<Vec<Bytes>>>("transactions")?.map(|List(list)| list);
    attributes.extra_data = params.optional::<Bytes>("extra data")?.unwrap_or_default();
    params.end()?;
    let head = rollup.reader.head();
    if parent != head.hash {
        return Err(RpcError::new(
            INVALID_PARAMS,
            format!("blocks are built on the head {}, not on {parent}", head.hash),
        ));
    }
    let decode = |(index, raw): (usize, Bytes)| {
        let refuse = |error: &dyn std::fmt::Display| RpcError::params(format!("transaction {index}: {error}"));
        let tx = Transaction::decode_ethereum(&raw).map_err(|error| refuse(&error))?;
        let tx = match tx.as_signed().and_then(|tx| tx.as_eip4844()).is_some_and(|tx| tx.tx().sidecar().is_some()) {
            true => without_blobs(tx).map_err(|error| refuse(&error))?,
            false => tx,
        };
        tx.recover().map(Arc::new).map_err(|error| refuse(&error))
    };
    let transactions = transactions
        .map(|list| list.into_iter().enumerate().map(decode).collect::<Result<Vec<Arc<RecoveredTx>>, _>>())
        .transpose()?;
    let built = archive.build(attributes, transactions).map_err(|error| match error {
        BuildError::Transaction { .. } => RpcError::new(SERVER, error.to_string()),
        BuildError::Evm(mayfly_evm::EvmError::Attributes(why)) => RpcError::params(why),
        BuildError::Evm(error) => RpcError::internal(error),
    })?;
    reply(&payload(&built))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    execution_payload: Value,
    block_value: U256,
    blobs_bundle: Value,
    execution_requests: Vec<Bytes>,
    should_override_builder: bool,
}

fn payload(built: &Built) -> Envelope {
    let block = &built.block;
    let header = &block.header;
    let hex = |number: u64| U256::from(number);
    let transactions: Vec<Bytes> = block.transactions.iter().map(|tx| tx.tx.encode_2718().into()).collect();
    Envelope {
        execution_payload: json!({
            "parentHash": header.parent_hash,
            "feeRecipient": header.beneficiary,
            "stateRoot": header.state_root,
            "receiptsRoot": header.receipts_root,
            "logsBloom": header.logs_bloom,
            "prevRandao": header.mix_hash,
            "blockNumber": hex(header.number),
            "gasLimit": hex(header.gas_limit),
            "gasUsed": hex(header.gas_used),
            "timestamp": hex(header.timestamp),
            "extraData": header.extra_data,
            "baseFeePerGas": hex(header.base_fee_per_gas.unwrap_or_default()),
            "blockHash": block.hash,
            "transactions": transactions,
            "withdrawals": block.withdrawals,
            "blobGasUsed": hex(header.blob_gas_used.unwrap_or_default()),
            "excessBlobGas": hex(header.excess_blob_gas.unwrap_or_default()),
        }),
        block_value: built.value,
        blobs_bundle: json!({"commitments": [], "proofs": [], "blobs": []}),
        execution_requests: built.requests.iter().cloned().collect(),
        should_override_builder: false,
    }
}
