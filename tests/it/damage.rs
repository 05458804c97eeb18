//! A node whose files are damaged while it is down, and one whose L1 is down when it starts.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::hex;
use mayfly_e2e::environment::Environment;
use mayfly_e2e::wallet::{Message, Wallet};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// The block whose record is damaged: one that is on L1.
const HIT: u64 = 2;

async fn call(url: &str, method: &str, params: Value) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    reqwest::Client::new().post(url).json(&body).send().await.unwrap().json().await.unwrap()
}

/// Sends a transaction and answers with its hash once it is in a block.
async fn send(url: &str, chain_id: &Value, wallet: &mut Wallet) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    let envelope = wallet.sign_envelope(chain_id.as_u64().unwrap(), &Message::call(wallet.address, vec![7; 40]));
    let raw = json!([hex::encode_prefixed(envelope.encoded_2718())]);
    loop {
        let answer = call(url, "eth_sendRawTransactionSync", raw.clone()).await;
        if answer["result"].is_object() {
            return answer["result"]["transactionHash"].clone();
        }
        assert!(Instant::now() < deadline, "{answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !done().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_loses_no_answer() {
    let mut environment = Environment::start(1).await;
    let rollup = environment.create_rollup(0, "one").await;
    let url = |environment: &Environment| format!("{}/one", environment.node(0).rpc_url().trim_end_matches('/'));
    let mut wallet = Wallet::new(1);
    let mut hashes = Vec::new();
    for _ in 0..10 {
        hashes.push(send(&url(&environment), &rollup["chain_id"], &mut wallet).await);
    }
    let at = url(&environment);
    until("a batch on l1", async || {
        let safe = call(&at, "eth_getBlockByNumber", json!(["safe", false])).await;
        u64::from_str_radix(&safe["result"]["number"].as_str().unwrap()[2..], 16).unwrap() >= HIT
    })
    .await;
    for _ in 0..5 {
        hashes.push(send(&at, &rollup["chain_id"], &mut wallet).await);
    }
    environment.stop_node(0).await;

    let mut rollups = fs::read_dir(environment.data_dir(0).join("rollups")).unwrap();
    let dir = rollups.next().unwrap().unwrap().path();
    let log = dir.join("chain/log/00000001.log");
    let mut bytes = fs::read(&log).unwrap();
    let records: Vec<usize> = (0..bytes.len() - 4).filter(|at| bytes[*at..].starts_with(b"MFR1")).collect();
    assert!(records.len() > hashes.len());
    bytes[records[HIT as usize] + 60] ^= 0x20;
    fs::write(&log, bytes).unwrap();
    let stands = dir.join("sequencer/stands.json");
    let whole = fs::read(&stands).unwrap();
    fs::write(&stands, &whole[..whole.len() / 2]).unwrap();

    environment.start_node(0).await;
    let at = url(&environment);
    // New ones are taken once L1 was read and what was answered is back.
    send(&at, &rollup["chain_id"], &mut wallet).await;
    assert!(dir.join("chain.damaged-1").is_dir() && dir.join("sequencer/stands.damaged").is_file());
    let status = environment.rollup(0, &["status", "one"]).await;
    let mut missing = Vec::new();
    for hash in &hashes {
        if call(&at, "eth_getTransactionReceipt", json!([hash])).await["result"].is_null() {
            missing.push(hash);
        }
    }
    assert!(missing.is_empty(), "{missing:?} {status}");
    environment.stop().await;
}
