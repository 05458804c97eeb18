//! Two nodes on one L1, each with a rollup of its own.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, U256, hex};
use mayfly_e2e::environment::Environment;
use mayfly_e2e::wallet::{Message, Wallet};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn call(url: &Value, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let answer = reqwest::Client::new().post(url.as_str().unwrap()).json(&body).send().await.unwrap();
    answer.json().await.unwrap()
}

/// Sends a transaction of `wallet` on `rollup` and answers with its receipt, or the error.
async fn send(rollup: &Value, wallet: &mut Wallet) -> Value {
    let envelope = wallet.sign_envelope(rollup["chain_id"].as_u64().unwrap(), &Message::call(wallet.address, vec![]));
    call(&rollup["rpc_url"], "eth_sendRawTransactionSync", json!([hex::encode_prefixed(envelope.encoded_2718())])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_sequence_their_own_rollups_and_nothing_else() {
    let mut environment = Environment::start(2).await;
    let one = environment.create_rollup(0, "one").await;
    let two = environment.create_rollup(1, "two").await;
    assert_ne!(one["chain_id"], two["chain_id"]);

    let mut wallet = Wallet::new(1);
    let receipt = send(&one, &mut wallet).await["result"].clone();
    assert_eq!(receipt["status"], "0x1");
    // The other node knows neither the rollup nor its transactions.
    let elsewhere = format!("{}/one", environment.node(1).rpc_url().trim_end_matches('/'));
    let unknown = call(&json!(elsewhere), "eth_chainId", json!([])).await;
    assert!(unknown["error"]["message"].as_str().unwrap().contains("one"), "{unknown}");
    let mut stranger = Wallet::new(2);
    let foreign = stranger.sign_envelope(one["chain_id"].as_u64().unwrap(), &Message::call(Address::ZERO, vec![]));
    let foreign = json!([hex::encode_prefixed(foreign.encoded_2718())]);
    let refused = call(&two["rpc_url"], "eth_sendRawTransaction", foreign).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("chain"), "{refused}");

    // A deposit arrives where it was sent, and only there.
    let to = Address::repeat_byte(0xaa).to_string();
    environment.rollup(0, &["deposit", "one", "--eth", "1", "--to", &to]).await;
    let balance = async |rollup: &Value| call(&rollup["rpc_url"], "eth_getBalance", json!([to, "latest"])).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while balance(&one).await["result"] != json!(U256::from(10).pow(U256::from(18))) {
        assert!(Instant::now() < deadline, "the deposit does not arrive");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(balance(&two).await["result"], "0x0");

    // One node's rest is none of the other's; what it answered is there when it is back.
    environment.stop_node(0).await;
    assert_eq!(send(&two, &mut Wallet::new(3)).await["result"]["status"], "0x1");
    environment.start_node(0).await;
    let again = json!(format!("{}/one", environment.node(0).rpc_url().trim_end_matches('/')));
    let found = call(&again, "eth_getTransactionReceipt", json!([receipt["transactionHash"]])).await;
    assert_eq!(found["result"]["blockHash"], receipt["blockHash"]);
    environment.stop().await;
}
