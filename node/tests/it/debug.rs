//! Raw blocks and traces, and the pool of a node that only follows.

use alloy_consensus::{Block, Header, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use alloy_rlp::Decodable;
use mayfly_node::rpc::RpcLimits;
use serde_json::{Value, json};

use crate::chain::{LOGGER, REVERTER, recovered};
use crate::server::{Server, config};

fn bytes(value: Value) -> Bytes {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn raw_bytes_are_what_the_hashes_are_of() {
    let server = Server::start(config()).await;
    let block = {
        let mut chain = server.chain.lock();
        let txs = [
            chain.sign(TxKind::Call(LOGGER), 0, Bytes::from_static(b"raw")),
            chain.sign(TxKind::Create, 0, Bytes::new()),
        ];
        chain.block(&txs.map(recovered))
    };
    for id in [json!("latest"), json!("0x1"), json!(block.hash)] {
        let header = bytes(server.call("debug_getRawHeader", json!([id])).await.unwrap());
        assert_eq!(keccak256(&header), block.hash);
        let raw = bytes(server.call("debug_getRawBlock", json!([id])).await.unwrap());
        let size = server.call("eth_getBlockByNumber", json!(["0x1", false])).await.unwrap()["size"].clone();
        assert_eq!(size, format!("{:#x}", raw.len()));
        let decoded = Block::<TxEnvelope, Header>::decode(&mut &raw[..]).unwrap();
        assert_eq!(decoded.header.hash_slow(), block.hash);
        let receipts = server.call("debug_getRawReceipts", json!([id])).await.unwrap();
        let receipts: Vec<Bytes> = serde_json::from_value(receipts).unwrap();
        let root =
            alloy_trie::root::ordered_trie_root_with_encoder(&receipts, |receipt, out| out.extend_from_slice(receipt));
        assert_eq!(root, block.header.receipts_root);
        for (tx, decoded) in block.transactions.iter().zip(&decoded.body.transactions) {
            assert_eq!(*decoded.tx_hash(), tx.hash());
            let raw = bytes(server.call("debug_getRawTransaction", json!([tx.hash()])).await.unwrap());
            assert_eq!(keccak256(raw), tx.hash());
        }
    }
    assert_eq!(server.call("debug_getRawTransaction", json!([B256::ZERO])).await.unwrap(), "0x");
    for method in ["debug_getRawHeader", "debug_getRawBlock", "debug_getRawReceipts"] {
        let error = server.call(method, json!(["0x9"])).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!("block #9 not found")), "{method}");
        assert_eq!(server.call(method, json!(["2"])).await.unwrap_err()["code"], -32602);
    }
}

#[tokio::test]
async fn traces_say_what_executed() {
    let server = Server::start(config()).await;
    let block = {
        let mut chain = server.chain.lock();
        let deposit = chain.deposit(LOGGER, 77);
        let txs = [
            chain.sign(TxKind::Call(Address::repeat_byte(0x77)), 5, Bytes::new()),
            chain.sign(TxKind::Call(REVERTER), 0, Bytes::from_static(b"raw!")),
        ];
        let [transfer, revert] = txs.map(recovered);
        chain.block(&[deposit, transfer, revert])
    };
    let transfer = json!({ "gas": 21_000, "failed": false, "returnValue": "0x", "structLogs": [] });
    let hashes: Vec<B256> = block.transactions.iter().map(|tx| tx.hash()).collect();
    assert_eq!(server.call("debug_traceTransaction", json!([hashes[1]])).await.unwrap(), transfer);
    let calls = json!({ "tracer": "callTracer" });
    let whole = server.call("debug_traceBlockByNumber", json!(["latest", calls])).await.unwrap();
    assert_eq!(server.call("debug_traceBlockByHash", json!([block.hash, calls])).await.unwrap(), whole);
    for (entry, hash) in whole.as_array().unwrap().iter().zip(&hashes) {
        let alone = server.call("debug_traceTransaction", json!([hash, calls])).await.unwrap();
        assert_eq!(entry, &json!({ "txHash": hash, "result": alone }));
    }
    let wallet = server.chain.lock().signer.address();
    let output = hex!(
        "08c379a0" "0000000000000000000000000000000000000000000000000000000000000020"
        "0000000000000000000000000000000000000000000000000000000000000004"
        "6e6f706500000000000000000000000000000000000000000000000000000000"
    );
    let reverted = json!({
        "type": "CALL", "from": wallet, "to": REVERTER, "value": "0x0", "gas": "0x989680",
        "gasUsed": format!("{:#x}", block.receipts[2].gas_used), "input": "0x72617721",
        "output": Bytes::from(output), "error": "execution reverted", "revertReason": "nope",
    });
    assert_eq!(whole[2]["result"], reverted);
    assert_eq!(
        whole[0]["result"],
        json!({
            "type": "CALL", "from": "0x4d617966000000000000000000000000000000ff", "to": LOGGER, "value": "0x4d",
            "gas": "0x5208", "gasUsed": "0x5208", "input": "0x",
        })
    );
    let selectors =
        server.call("debug_traceTransaction", json!([hashes[2], { "tracer": "4byteTracer" }])).await.unwrap();
    assert_eq!(selectors, json!({ "0x72617721-0": 1 }));
    let flat = server.call("trace_transaction", json!([hashes[2]])).await.unwrap();
    assert_eq!((&flat[0]["error"], &flat[0]["transactionPosition"]), (&json!("Reverted"), &json!(2)));
    assert_eq!(server.call("trace_block", json!(["latest"])).await.unwrap().as_array().unwrap().len(), 3);
    let types = json!(["trace", "stateDiff", "vmTrace"]);
    let replayed = server.call("trace_replayTransaction", json!([hashes[1], types])).await.unwrap();
    assert_eq!(replayed["stateDiff"]["0x7777777777777777777777777777777777777777"]["balance"], json!({ "+": "0x5" }));
    let all = server.call("trace_replayBlockTransactions", json!(["0x1", types])).await.unwrap();
    assert_eq!((&all[1]["transactionHash"], &all[1]["trace"]), (&json!(hashes[1]), &replayed["trace"]));
}

#[tokio::test]
async fn calls_are_traced_with_overrides_and_change_nothing() {
    let server = Server::start(config()).await;
    server.chain.lock().block(&[]);
    let probe = Address::repeat_byte(0x99);
    let options = json!({
        "stateOverrides": { (probe.to_string()): { "code": "0x435f55" } }, "blockOverrides": { "number": "0x64" },
    });
    let trace =
        server.call("debug_traceCall", json!([{ "to": probe, "gas": "0x186a0" }, "latest", options])).await.unwrap();
    let slot = |value: u64| B256::from(U256::from(value));
    assert_eq!(
        trace,
        json!({
            "gas": 43_104, "failed": false, "returnValue": "0x",
            "structLogs": [
                { "pc": 0, "op": "NUMBER", "gas": 79_000, "gasCost": 2, "depth": 1, "stack": [] },
                { "pc": 1, "op": "PUSH0", "gas": 78_998, "gasCost": 2, "depth": 1, "stack": ["0x64"] },
                { "pc": 2, "op": "SSTORE", "gas": 78_996, "gasCost": 22_100, "depth": 1, "stack": ["0x64", "0x0"],
                  "storage": { (slot(0).to_string()): slot(100) } },
                { "pc": 3, "op": "STOP", "gas": 56_896, "gasCost": 0, "depth": 1, "stack": [] },
            ],
        })
    );
    let parity = server.call("trace_call", json!([{ "to": probe }, ["trace"], "latest"])).await.unwrap();
    assert_eq!((&parity["output"], &parity["trace"][0]["action"]["callType"]), (&json!("0x"), &json!("call")));
    assert_eq!(server.call("eth_getStorageAt", json!([probe, "0x0"])).await.unwrap(), json!(B256::ZERO));
}

#[tokio::test]
async fn what_cannot_be_traced_is_an_error() {
    let limits = RpcLimits { max_response_bytes: 20_000, ..RpcLimits::default() };
    let server = Server::start(mayfly_node::http::HttpConfig { limits, ..config() }).await;
    let genesis = server.call("eth_getBlockByNumber", json!(["0x0", false])).await.unwrap()["hash"].clone();
    // Counts down from its input.
    let spin = server.chain.lock().sign(TxKind::Create, 0, hex!("61ffff 5b 6001 9003 80 6003 57").into());
    let block = server.chain.lock().block(&[recovered(spin)]);
    let hash = block.transactions[0].hash();
    let one = B256::with_last_byte(1);
    for (method, params, code, message) in [
        ("debug_traceTransaction", json!([one]), -32000, "transaction not found".to_owned()),
        ("debug_traceBlockByHash", json!([one]), -32000, format!("block {one} not found")),
        ("debug_traceBlockByNumber", json!(["0x9"]), -32000, "block #9 not found".into()),
        ("debug_traceBlockByNumber", json!(["3"]), -32602, "invalid argument 0".into()),
        ("debug_traceBlockByHash", json!([genesis]), -32000, "genesis is not traceable".into()),
        ("debug_traceTransaction", json!([hash, { "tracer": "{ step() {} }" }]), -32602, "tracer: ".into()),
        (
            "debug_traceTransaction",
            json!([hash, { "tracer": "callTracer", "tracerConfig": { "withLog": 1 } }]),
            -32602,
            "tracer: ".into(),
        ),
        ("debug_traceTransaction", json!([hash]), -32003, "response too large: ".into()),
        ("debug_traceBlockByNumber", json!(["0x1"]), -32003, "response too large: ".into()),
    ] {
        let error = server.call(method, params).await.unwrap_err();
        assert_eq!(error["code"], code, "{method}: {error}");
        assert!(error["message"].as_str().unwrap().starts_with(&message), "{method}: {error}");
    }
    let few = server.call("debug_traceTransaction", json!([hash, { "limit": 3 }])).await.unwrap();
    assert_eq!(few["structLogs"].as_array().unwrap().len(), 3);
    assert!(server.call("debug_traceTransaction", json!([hash, { "tracer": "callTracer" }])).await.is_ok());
}

/// Counts steps, and what a call and its end say.
const COUNTER: &str = "{ steps: 0, ops: [], \
    setup: function(config) { this.most = JSON.parse(JSON.stringify(config)).most }, \
    step: function(log, db) { this.steps++; if (this.ops.length < this.most) this.ops.push(log.op.toString()) }, \
    fault: function(log, db) {}, \
    result: function(ctx, db) { return { steps: this.steps, ops: this.ops, type: ctx.type, gas: ctx.gasUsed } } }";

#[tokio::test]
async fn a_tracer_in_javascript_runs_where_the_operator_lets_it() {
    let limits = RpcLimits { js_tracers: true, ..RpcLimits::default() };
    let open = Server::start(mayfly_node::http::HttpConfig { limits, ..config() }).await;
    let block = open.chain.lock().call(LOGGER, 0, b"abc");
    let counter = json!({ "tracer": COUNTER, "tracerConfig": { "most": 2 } });
    let plain = open.call("debug_traceTransaction", json!([block.transactions[0].hash()])).await.unwrap();
    let steps = plain["structLogs"].as_array().unwrap().len();
    let counted = json!({ "steps": steps, "ops": ["CALLDATASIZE", "PUSH0"], "type": "CALL", "gas": plain["gas"] });
    let hash = block.transactions[0].hash();
    assert_eq!(open.call("debug_traceTransaction", json!([hash, counter])).await.unwrap(), counted);
    let all = open.call("debug_traceBlockByNumber", json!(["latest", counter])).await.unwrap();
    assert_eq!(all, json!([{ "txHash": hash, "result": counted }]));
    let call = json!({ "to": LOGGER, "data": "0x616263" });
    assert_eq!(open.call("debug_traceCall", json!([call, "latest", counter])).await.unwrap()["steps"], steps);

    // What a program does wrong is the client's error, and ends.
    for program in [
        "callTracr",
        "{",
        "5",
        "{ result: function() {} }",
        "{ step: function() { throw 'no' }, fault: function() {}, result: function() {} }",
        "{ step: function() { while (true) {} }, fault: function() {}, result: function() {} }",
        "{ fault: function() {}, result: function() { return nothing } }",
        "{ fault: function() {}, result: function() { for (;;) {} } }",
    ] {
        let answer = open.call("debug_traceTransaction", json!([hash, { "tracer": program }])).await;
        let error = answer.expect_err(program);
        assert_eq!(error["code"], -32602, "{program}: {error}");
        assert!(error["message"].as_str().unwrap().starts_with("tracer: "), "{program}: {error}");
    }

    let closed = Server::start(config()).await;
    let hash = closed.chain.lock().call(LOGGER, 0, b"abc").transactions[0].hash();
    for (method, first) in [
        ("debug_traceTransaction", json!(hash)),
        (
            "debug_traceBlockByHash",
            closed.call("eth_getBlockByNumber", json!(["0x1", false])).await.unwrap()["hash"].clone(),
        ),
        ("debug_traceBlockByNumber", json!("0x1")),
    ] {
        let error = closed.call(method, json!([first, counter])).await.unwrap_err();
        assert!(error["message"].as_str().unwrap().contains("runs no JavaScript"), "{method}: {error}");
    }
    let error = closed.call("debug_traceCall", json!([call, "latest", counter])).await.unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("runs no JavaScript"), "{error}");
}

/// It takes its time for every step, and there are many: the transaction is left before it ends.
#[tokio::test]
async fn a_tracer_that_takes_too_long_is_stopped() {
    let limits = RpcLimits { js_tracers: true, ..RpcLimits::default() };
    let server = Server::start(mayfly_node::http::HttpConfig { limits, ..config() }).await;
    let spin = server.chain.lock().sign(TxKind::Create, 0, hex!("61ffff 5b 6001 9003 80 6003 57").into());
    let hash = server.chain.lock().block(&[recovered(spin)]).transactions[0].hash();
    let slow = "{ step: function() { for (var i = 0; i < 100000; i++) {} }, fault: function() {}, result: function() { return 1 } }";
    for (method, first) in [("debug_traceTransaction", json!(hash)), ("debug_traceBlockByNumber", json!("0x1"))] {
        let error = server.call(method, json!([first, { "tracer": slow }])).await.unwrap_err();
        let said = (&error["code"], &error["message"]);
        assert_eq!(said, (&json!(-32602), &json!("tracer: the tracer took too long")), "{method}");
    }
}

#[tokio::test]
async fn a_follower_has_an_empty_pool() {
    let server = Server::start(config()).await;
    let empty = json!({ "pending": {}, "queued": {} });
    assert_eq!(server.call("txpool_content", json!([])).await.unwrap(), empty);
    assert_eq!(server.call("txpool_inspect", json!([])).await.unwrap(), empty);
    assert_eq!(server.call("txpool_contentFrom", json!([Address::ZERO])).await.unwrap(), empty);
    assert_eq!(server.call("txpool_status", json!([])).await.unwrap(), json!({ "pending": "0x0", "queued": "0x0" }));
    assert_eq!(server.call("txpool_contentFrom", json!([])).await.unwrap_err()["code"], -32602);
}
