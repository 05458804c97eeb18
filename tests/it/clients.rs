//! Unmodified viem and ethers against a node, from wallets that hold nothing.

use mayfly_e2e::program::{DevStack, client};
use serde_json::{Value, json};

#[tokio::test]
async fn viem_and_ethers_work_from_empty_wallets() {
    let stack = DevStack::start().await;
    let rollup = stack.create_rollup("clients").await;
    let url = &rollup["rpc_url"];

    let minted = client("mint", &json!({ "url": url, "wallets": 20 })).await;
    assert_eq!(minted["transactions"], 40);
    let latency = |name: &str| minted[name].as_f64().unwrap();
    assert!(latency("receipt_p50_ms") > 0.0 && latency("receipt_p50_ms") <= latency("receipt_p99_ms"));

    let ethers = client("ethers", &json!({ "url": url })).await;
    assert_eq!((&ethers["revert"], &ethers["gas_price"]), (&json!("ERC20InsufficientBalance"), &json!(0)));

    let viem = client("viem", &json!({ "url": url })).await;
    assert_eq!(viem["revert"], "ERC1155InsufficientBalance");
    stack.stop().await;
}

/// What each refused transaction is answered with: a code, and a word of the message that wallets look for.
const REFUSALS: [(&str, i64, &str); 12] = [
    ("nonce_too_low", -32000, "nonce too low"),
    ("already_known", -32000, "already known"),
    ("insufficient_funds", -32000, "insufficient funds"),
    ("intrinsic_gas", -32000, "intrinsic gas"),
    ("gas_limit", -32000, "gas limit"),
    ("wrong_chain", -32000, "chain"),
    ("blob_type", -32000, ""),
    ("trailing_bytes", -32000, ""),
    ("not_a_transaction", -32000, ""),
    ("malformed_hex", -32602, ""),
    ("missing_parameter", -32602, ""),
    ("unknown_method", -32601, "eth_nope"),
];

#[tokio::test]
async fn refused_transactions_say_what_wallets_understand() {
    let stack = DevStack::start().await;
    let rollup = stack.create_rollup("refusals").await;
    let answers = client("errors", &json!({ "url": rollup["rpc_url"] })).await;
    stack.stop().await;
    let wrong: Vec<_> = REFUSALS
        .iter()
        .filter(|(case, code, text)| {
            let Value::Object(error) = &answers[case] else { return true };
            error["code"] != json!(code) || !error["message"].as_str().unwrap_or_default().contains(text)
        })
        .map(|(case, ..)| format!("{case}: {}", answers[case]))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(answers.as_object().unwrap().len(), REFUSALS.len());
}
