//! Blocks that never were, under roots and hashes that fit them.

use crate::answer::Endpoint;
use alloy_consensus::proofs::calculate_receipt_root;
use alloy_primitives::U64;
use alloy_rpc_types_eth::{Header, TransactionReceipt};
use serde_json::{Value, json};

/// A lie about blocks: of one that holds something, another time and the hash to it.
pub fn make_up_time(answer: &mut Value) {
    let block = &mut answer["result"];
    let Ok(mut header) = serde_json::from_value::<Header>(block.clone()) else { return };
    if block["transactions"].as_array().is_some_and(|transactions| !transactions.is_empty()) {
        header.inner.timestamp += 1;
        block["timestamp"] = json!(U64::from(header.inner.timestamp));
        block["hash"] = json!(header.inner.hash_slow());
    }
}

/// Every log of a block is told twice.
pub(crate) async fn log_twice(endpoint: &Endpoint, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let (status, bytes) = endpoint.forward(path, body).await;
    let (Ok(asked), Ok(mut said)) = (serde_json::from_slice::<Value>(body), serde_json::from_slice(&bytes)) else {
        return (status, bytes);
    };
    match (&asked, &mut said) {
        (Value::Array(calls), Value::Array(answers)) => {
            for answer in answers {
                if let Some(call) = calls.iter().find(|call| call["id"] == answer["id"]) {
                    forge(endpoint, call, answer).await;
                }
            }
        }
        (call, answer) => forge(endpoint, call, answer).await,
    }
    (status, said.to_string().into_bytes())
}

async fn forge(endpoint: &Endpoint, call: &Value, answer: &mut Value) {
    let result = &mut answer["result"];
    match call["method"].as_str() {
        Some("eth_getBlockReceipts") => repeat_logs(result),
        Some("eth_getBlockByNumber") => {
            let mut receipts = endpoint.call("eth_getBlockReceipts", json!([result["number"]])).await;
            repeat_logs(&mut receipts);
            give_receipts(result, receipts);
        }
        _ => {}
    }
}

/// Makes these receipts those of the block, which has another hash then.
pub fn give_receipts(block: &mut Value, receipts: Value) {
    let Ok(mut header) = serde_json::from_value::<Header>(block.clone()) else { return };
    let Ok(receipts) = serde_json::from_value::<Vec<TransactionReceipt>>(receipts) else { return };
    let receipts: Vec<_> = receipts.into_iter().map(|receipt| receipt.inner.map_logs(|log| log.inner)).collect();
    header.inner.receipts_root = calculate_receipt_root(&receipts);
    block["receiptsRoot"] = json!(header.inner.receipts_root);
    block["hash"] = json!(header.inner.hash_slow());
}

/// Tells every log twice.
pub fn repeat_logs(receipts: &mut Value) {
    for receipt in receipts.as_array_mut().into_iter().flatten() {
        if let Some(logs) = receipt["logs"].as_array_mut() {
            logs.extend_from_within(..);
        }
    }
}
