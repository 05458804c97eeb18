//! Blocks, transactions, receipts, accounts, logs and filters, read back.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use serde_json::{Value, json};

use crate::chain::{LOGGER, ROLLUP, recovered};
use crate::server::{Server, config};

fn quantity(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().strip_prefix("0x").unwrap(), 16).unwrap()
}

/// Two blocks: a deposit and a call of the logger; then a contract creation.
async fn history() -> (Server, [std::sync::Arc<mayfly_evm::SealedBlock>; 2]) {
    let server = Server::start(config()).await;
    let blocks = {
        let mut chain = server.chain.lock();
        let deposit = chain.deposit(Address::repeat_byte(0x11), 77);
        let call = chain.sign(TxKind::Call(LOGGER), 0, Bytes::from_static(b"hello"));
        let first = chain.block(&[deposit, recovered(call)]);
        let create = chain.sign(TxKind::Create, 0, Bytes::from_static(&[0x5f, 0x5f, 0xf3]));
        let second = chain.block(&[recovered(create)]);
        [first, second]
    };
    (server, blocks)
}

#[tokio::test]
async fn blocks_by_every_name() {
    let (server, [first, second]) = history().await;
    assert_eq!(server.call("eth_blockNumber", json!([])).await.unwrap(), "0x2");
    let by_number = server.call("eth_getBlockByNumber", json!(["0x1", false])).await.unwrap();
    let by_hash = server.call("eth_getBlockByHash", json!([first.hash, false])).await.unwrap();
    assert_eq!(by_number, by_hash);
    assert_eq!(by_number["hash"], json!(first.hash));
    assert_eq!(by_number["baseFeePerGas"], "0x0");
    assert_eq!(by_number["transactions"], json!([first.transactions[0].hash(), first.transactions[1].hash()]));
    assert_eq!(by_number["withdrawals"], json!([]));
    for field in ["parentHash", "stateRoot", "receiptsRoot", "logsBloom", "mixHash", "nonce", "size", "uncles"] {
        assert!(by_number.get(field).is_some(), "{field}");
    }
    let latest = server.call("eth_getBlockByNumber", json!(["latest", true])).await.unwrap();
    assert_eq!(latest["hash"], json!(second.hash));
    assert_eq!(latest["transactions"][0]["hash"], json!(second.transactions[0].hash()));
    assert_eq!(server.call("eth_getBlockByNumber", json!(["0x9", false])).await.unwrap(), Value::Null);
    assert_eq!(server.call("eth_getBlockByHash", json!([B256::ZERO, false])).await.unwrap(), Value::Null);
    assert_eq!(server.call("eth_getBlockTransactionCountByNumber", json!(["0x1"])).await.unwrap(), "0x2");
    assert_eq!(server.call("eth_getUncleCountByBlockNumber", json!(["0x1"])).await.unwrap(), "0x0");

    server.rollup.marks.posted(1, 0);
    let safe = server.call("eth_getBlockByNumber", json!(["safe", false])).await.unwrap();
    assert_eq!(safe["number"], "0x1");
    let finalized = server.call("eth_getBlockByNumber", json!(["finalized", false])).await.unwrap();
    assert_eq!(finalized["number"], "0x0");
}

/// The client library recomputes what it can from what we show.
#[tokio::test]
async fn a_client_library_reads_blocks_and_recomputes_their_hashes() {
    let (server, [first, second]) = history().await;
    let whole = server.call("eth_getBlockByNumber", json!(["0x2", true])).await.unwrap();
    let block: alloy_rpc_types_eth::Block = serde_json::from_value(whole).unwrap();
    assert_eq!(block.header.inner.hash_slow(), second.hash);
    let tx = block.transactions.as_transactions().unwrap()[0].clone();
    assert_eq!(*tx.inner.inner().tx_hash(), second.transactions[0].hash());
    let header = server.call("eth_getBlockByNumber", json!(["0x1", false])).await.unwrap();
    let block: alloy_rpc_types_eth::Block = serde_json::from_value(header).unwrap();
    assert_eq!(block.header.inner.hash_slow(), first.hash);
    // Header, two transactions, empty lists: the RLP length of the block.
    let raw = server.call("eth_getRawTransactionByHash", json!([first.transactions[1].hash()])).await.unwrap();
    let raw: Bytes = serde_json::from_value(raw).unwrap();
    assert_eq!(keccak256(&raw), first.transactions[1].hash());
}

#[tokio::test]
async fn transactions_and_receipts_with_deposit_fields() {
    let (server, [first, second]) = history().await;
    let [deposit, call] = [&first.transactions[0], &first.transactions[1]];

    let shown = server.call("eth_getTransactionByHash", json!([deposit.hash()])).await.unwrap();
    assert_eq!((&shown["type"], &shown["mint"], &shown["gasPrice"]), (&json!("0x7e"), &json!("0x4d"), &json!("0x0")));
    assert_eq!(shown["sourceHash"], json!(B256::with_last_byte(1)));
    assert_eq!(shown["from"], "0x4d617966000000000000000000000000000000ff");
    let receipt = server.call("eth_getTransactionReceipt", json!([deposit.hash()])).await.unwrap();
    assert_eq!((&receipt["depositNonce"], &receipt["depositReceiptVersion"]), (&json!("0x0"), &json!("0x1")));
    assert_eq!(receipt["status"], "0x1");

    let shown = server.call("eth_getTransactionByBlockNumberAndIndex", json!(["0x1", "0x1"])).await.unwrap();
    assert_eq!(shown, server.call("eth_getTransactionByHash", json!([call.hash()])).await.unwrap());
    assert_eq!((&shown["type"], &shown["transactionIndex"]), (&json!("0x2"), &json!("0x1")));
    assert_eq!(shown["from"], json!(call.sender));
    let receipt = server.call("eth_getTransactionReceipt", json!([call.hash()])).await.unwrap();
    let parsed: alloy_rpc_types_eth::TransactionReceipt = serde_json::from_value(receipt.clone()).unwrap();
    assert_eq!(parsed.transaction_hash, call.hash());
    assert!(parsed.status() && parsed.contract_address.is_none());
    let log = &receipt["logs"][0];
    assert_eq!(log["data"], json!(Bytes::from_static(b"hello")));
    assert_eq!((&log["logIndex"], &log["removed"]), (&json!("0x0"), &json!(false)));
    let all = server.call("eth_getBlockReceipts", json!(["0x1"])).await.unwrap();
    assert_eq!(all[1], receipt);

    let receipt = server.call("eth_getTransactionReceipt", json!([second.transactions[0].hash()])).await.unwrap();
    assert_eq!(receipt["contractAddress"], json!(second.transactions[0].sender.create(1)));
    assert_eq!(receipt["to"], Value::Null);
    for method in ["eth_getTransactionByHash", "eth_getTransactionReceipt", "eth_getRawTransactionByHash"] {
        assert_eq!(server.call(method, json!([B256::ZERO])).await.unwrap(), Value::Null, "{method}");
    }
    let none = server.call("eth_getTransactionByBlockHashAndIndex", json!([first.hash, "0x2"])).await.unwrap();
    assert_eq!(none, Value::Null);
}

#[tokio::test]
async fn accounts_now_and_before() {
    let (server, [first, _]) = history().await;
    let depositor = Address::repeat_byte(0x11);
    let wallet = server.chain.lock().signer.address();
    assert_eq!(server.call("eth_getBalance", json!([depositor, "latest"])).await.unwrap(), "0x4d");
    assert_eq!(server.call("eth_getBalance", json!([depositor])).await.unwrap(), "0x4d");
    assert_eq!(server.call("eth_getBalance", json!([depositor, "earliest"])).await.unwrap(), "0x0");
    assert_eq!(server.call("eth_getTransactionCount", json!([wallet, "pending"])).await.unwrap(), "0x2");
    assert_eq!(server.call("eth_getTransactionCount", json!([wallet, "0x1"])).await.unwrap(), "0x1");
    let by_hash = json!([wallet, { "blockHash": first.hash, "requireCanonical": true }]);
    assert_eq!(server.call("eth_getTransactionCount", by_hash).await.unwrap(), "0x1");
    let slot = server.call("eth_getStorageAt", json!([LOGGER, "0x0", "latest"])).await.unwrap();
    assert_eq!(slot, json!(B256::from(U256::from(5))));
    assert_eq!(server.call("eth_getStorageAt", json!([LOGGER, B256::ZERO, "0x0"])).await.unwrap(), json!(B256::ZERO));
    assert_eq!(server.call("eth_getCode", json!([wallet, "latest"])).await.unwrap(), "0x");
    let code = server.call("eth_getCode", json!([LOGGER, "latest"])).await.unwrap();
    assert!(code.as_str().unwrap().len() > 10);
    assert_eq!(server.call("eth_accounts", json!([])).await.unwrap(), json!([]));
    let error = server.call("eth_getBalance", json!([depositor, "0x9"])).await.unwrap_err();
    assert_eq!((&error["code"], &error["message"]), (&json!(-32001), &json!("header not found: 9")));
    assert!(server.directory.get(Some(&format!("{ROLLUP:?}"))).is_some());
}

#[tokio::test]
async fn logs_by_range_hash_address_and_topic() {
    let mut small = config();
    small.limits.max_log_blocks = 3;
    small.limits.max_log_results = 2;
    let server = Server::start(small).await;
    let first = {
        let mut chain = server.chain.lock();
        let first = chain.call(LOGGER, 0, b"a");
        chain.call(Address::repeat_byte(9), 1, b"");
        chain.call(LOGGER, 0, b"b");
        first
    };
    let count = async |filter: Value| {
        let logs = server.call("eth_getLogs", json!([filter])).await;
        logs.map(|logs| logs.as_array().unwrap().len())
    };
    let wallet = B256::left_padding_from(server.chain.lock().signer.address().as_slice());
    let all = json!({ "fromBlock": "0x1", "toBlock": "latest" });
    assert_eq!(count(all).await.unwrap(), 2);
    assert_eq!(count(json!({})).await.unwrap(), 1);
    assert_eq!(count(json!({ "blockHash": first.hash })).await.unwrap(), 1);
    assert_eq!(count(json!({ "fromBlock": "0x1", "address": [LOGGER], "topics": [null, wallet] })).await.unwrap(), 2);
    assert_eq!(count(json!({ "fromBlock": "0x1", "topics": [wallet] })).await.unwrap(), 0);
    assert_eq!(count(json!({ "fromBlock": "0x1", "address": ROLLUP })).await.unwrap(), 0);
    for (filter, code) in [
        (json!({ "fromBlock": "0x3", "toBlock": "0x1" }), -32602),
        (json!({ "fromBlock": "0x9" }), -32602),
        (json!({ "fromBlock": "0x0", "toBlock": "latest" }), -32005),
        (json!({ "blockHash": B256::ZERO }), -32001),
        (json!({ "blockHash": B256::ZERO, "fromBlock": "0x1" }), -32602),
    ] {
        assert_eq!(count(filter.clone()).await.unwrap_err()["code"], code, "{filter}");
    }
    server.chain.lock().call(LOGGER, 0, b"c");
    server.chain.lock().call(LOGGER, 0, b"d");
    let error = count(json!({ "fromBlock": "0x3" })).await.unwrap_err();
    assert_eq!(error["message"], "query returned more than 2 results");
}

#[tokio::test]
async fn polling_filters_tell_each_block_and_log_once() {
    let server = Server::start(config()).await;
    let blocks = server.call("eth_newBlockFilter", json!([])).await.unwrap();
    let logs = server.call("eth_newFilter", json!([{ "address": LOGGER }])).await.unwrap();
    let changes = async |id: &Value| server.call("eth_getFilterChanges", json!([id])).await.unwrap();
    assert_eq!(changes(&blocks).await, json!([]));
    let sealed = server.chain.lock().call(LOGGER, 0, b"a");
    assert_eq!(changes(&blocks).await, json!([sealed.hash]));
    assert_eq!(changes(&blocks).await, json!([]));
    assert_eq!(changes(&logs).await.as_array().unwrap().len(), 1);
    assert_eq!(changes(&logs).await, json!([]));
    // What replaces an undone block is told.
    let replacement = {
        let mut chain = server.chain.lock();
        chain.chain.revert_to(0).unwrap();
        chain.nonce = 0;
        chain.call(LOGGER, 0, b"other")
    };
    assert_eq!(changes(&blocks).await, json!([replacement.hash]));
    assert_eq!(changes(&logs).await.as_array().unwrap().len(), 1);
    let all = server.call("eth_getFilterLogs", json!([logs])).await.unwrap();
    assert_eq!(all.as_array().unwrap().len(), 1);
    assert_eq!(server.call("eth_uninstallFilter", json!([logs])).await.unwrap(), true);
    assert_eq!(server.call("eth_uninstallFilter", json!([logs])).await.unwrap(), false);
    let error = server.call("eth_getFilterChanges", json!([logs])).await.unwrap_err();
    assert_eq!(error["code"], -32001);
}

#[tokio::test]
async fn fee_history_is_free_and_bounded() {
    let (server, _) = history().await;
    let fees = server.call("eth_feeHistory", json!(["0x5", "latest", [10.0, 90.0]])).await.unwrap();
    assert_eq!((&fees["oldestBlock"], &fees["baseFeePerGas"]), (&json!("0x0"), &json!(["0x0", "0x0", "0x0", "0x0"])));
    assert_eq!(fees["reward"][2], json!(["0x0", "0x0"]));
    assert!(fees["gasUsedRatio"][1].as_f64().unwrap() > 0.0);
    for bad in [json!(["0x1", "latest", [90, 10]]), json!(["0x1", "latest", [101]]), json!(["0x1", "0x9"])] {
        assert_eq!(server.call("eth_feeHistory", bad).await.unwrap_err()["code"], -32602);
    }
    assert_eq!(quantity(&server.call("eth_gasPrice", json!([])).await.unwrap()), 0);
    assert_eq!(quantity(&server.call("eth_maxPriorityFeePerGas", json!([])).await.unwrap()), 0);
}
