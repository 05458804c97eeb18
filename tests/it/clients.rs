//! Unmodified clients against a node, from wallets that hold nothing. Others: scripts/interop.sh.

use alloy_primitives::{Address, B256};
use mayfly_e2e::program::{DevStack, client, recount, run};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn clients_work_from_empty_wallets() {
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

    for (library, events) in [("web3", 1), ("wagmi", 2)] {
        let said = client(library, &json!({ "url": url })).await;
        assert_eq!((&said["revert"], &said["events"]), (&json!("ERC20InsufficientBalance"), &json!(events)));
    }
    let cast = client("cast", &json!({ "url": url })).await;
    assert_eq!((&cast["logs"], &cast["supply"]), (&json!(2), &json!(1_000)));
    let forge = client("forge", &json!({ "url": url })).await;
    assert_eq!(forge["scripts"], json!({ "slow": 4, "fast": 4 }));
    stack.stop().await;
}

#[tokio::test]
async fn what_was_deposited_and_not_withdrawn_is_recounted_from_a_live_node() {
    let stack = DevStack::start().await;
    let rollup = stack.create_rollup("assets").await;
    run(&stack.data_dir, &["rollup", "deposit", "assets", "--eth", "2"]).await;
    let user = stack.state["accounts"][0].clone();
    let url = rollup["rpc_url"].as_str().unwrap();
    until_funded(url, &user["address"]).await;
    let quarter = "250000000000000000";
    let args = json!({ "url": url, "key": user["private_key"], "to": format!("{:#x}", Address::repeat_byte(0xaa)), "amount": quarter });
    let withdrawn = client("withdraw", &args).await;
    assert_eq!((&withdrawn["message"]["amount"], &withdrawn["message"]["index"]), (&json!(quarter), &json!("0")));

    let l1 = stack.state["l1_url"].as_str().unwrap();
    let counted = recount(&["--rpc", url, "--l1", l1, "--rollup", rollup["rollup"].as_str().unwrap(), "--roots"]).await;
    stack.stop().await;
    assert_eq!(counted["nativeFound"], "2000000000000000000");
    let leaves = counted["leaves"].as_array().unwrap();
    assert_eq!((leaves.len(), &leaves[0]["amount"]), (1, &json!("1750000000000000000")));
    assert_eq!(
        leaves[0]["recipient"].as_str().unwrap().to_lowercase(),
        user["address"].as_str().unwrap().to_lowercase()
    );
    assert_ne!(counted["withdrawalRoot"], json!(B256::ZERO));
}

async fn until_funded(url: &str, address: &Value) {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": [address, "latest"] });
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = reqwest::Client::new().post(url).json(&call).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        if answer["result"].as_str().is_some_and(|balance| balance != "0x0") {
            return;
        }
        assert!(Instant::now() < deadline, "the deposit does not arrive: {answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
