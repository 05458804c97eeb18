//! Makes answers fit each other, as an endpoint that means harm would: it can make a header for any receipts.

use alloy_consensus::proofs::calculate_receipt_root;
use alloy_primitives::{B256, Bloom};
use alloy_rpc_types_eth::{Header, Transaction, TransactionReceipt};
use serde_json::{Value, json};

/// Gives headers the root of the receipts among the answers, the hash of their fields and of the header before, and
/// transactions their hash.
pub(super) fn fit(answers: &mut [Vec<u8>]) {
    let root = answers.iter().find_map(|answer| receipts_root(answer));
    let mut parent: Option<B256> = None;
    for answer in answers {
        let Ok(mut value) = serde_json::from_slice::<Value>(answer) else { continue };
        match header(&mut value, root, parent) {
            Some(hash) => parent = Some(hash),
            None if transaction(&mut value).is_some() => {}
            None => continue,
        }
        *answer = value.to_string().into_bytes();
    }
}

fn receipts_root(answer: &[u8]) -> Option<B256> {
    let receipts: Vec<TransactionReceipt> = serde_json::from_slice(answer).ok()?;
    let consensus: Vec<_> = receipts.into_iter().map(|receipt| receipt.inner.map_logs(|log| log.inner)).collect();
    Some(calculate_receipt_root(&consensus))
}

fn header(value: &mut Value, root: Option<B256>, parent: Option<B256>) -> Option<B256> {
    serde_json::from_value::<Header>(value.clone()).ok()?;
    if let Some(root) = root {
        value["receiptsRoot"] = json!(root);
        value["logsBloom"] = json!(Bloom::repeat_byte(0xff));
    }
    if let Some(parent) = parent {
        value["parentHash"] = json!(parent);
    }
    let hash = serde_json::from_value::<Header>(value.clone()).ok()?.inner.hash_slow();
    value["hash"] = json!(hash);
    Some(hash)
}

fn transaction(value: &mut Value) -> Option<()> {
    let transaction: Transaction = serde_json::from_value(value.clone()).ok()?;
    let (mut bytes, envelope) = (Vec::new(), transaction.inner.into_parts().0);
    alloy_eips::eip2718::Encodable2718::encode_2718(&envelope, &mut bytes);
    value["hash"] = json!(alloy_primitives::keccak256(bytes));
    Some(())
}
