//! Traces of transactions, deposits and messages.

use crate::common::*;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_rpc_types_trace::geth::GethDebugTracingOptions;
use mayfly_evm::{BlockContext, CallMessage, Chain, EvmError, RecoveredTx, SealedBlock, Transaction};
use op_alloy_consensus::TxDeposit;
use serde_json::{Value, json};
use std::sync::Arc;

const MOST_BYTES: usize = 1 << 20;
/// Calls [`STORE_AT`] and [`REVERT_AT`] with its input, creates an empty contract and logs topic 7.
const OUTER_AT: Address = Address::repeat_byte(0xb1);

fn outer() -> String {
    let call = |to: Address| format!("5f5f365f5f73{}5af150", hex::encode(to));
    format!("365f5f37{}{}5f5f5ff05060075f5fa100", call(STORE_AT), call(REVERT_AT))
}

fn start() -> Chain {
    let mut genesis = with_contracts();
    genesis.accounts.push(contract(OUTER_AT, &outer()));
    Chain::create(None, spec(), &genesis).unwrap()
}

fn block(chain: &mut Chain, txs: &[Arc<RecoveredTx>]) -> Arc<SealedBlock> {
    let block = add_block(chain, txs);
    chain.flush().unwrap();
    block
}

fn options(options: Value) -> GethDebugTracingOptions {
    serde_json::from_value(options).unwrap()
}

fn trace(chain: &Chain, block: &SealedBlock, index: usize, how: Value) -> Value {
    let trace = chain.reader().trace_transaction(block, index, &options(how), MOST_BYTES).unwrap();
    serde_json::to_value(trace).unwrap()
}

fn deposit(change: impl FnOnce(&mut TxDeposit)) -> Arc<RecoveredTx> {
    let mut deposit = TxDeposit {
        source_hash: B256::repeat_byte(5),
        from: Address::repeat_byte(0xd0),
        to: TxKind::Call(Address::repeat_byte(0xd1)),
        mint: 100,
        value: U256::from(60),
        gas_limit: 100_000,
        is_system_transaction: false,
        input: Bytes::new(),
    };
    change(&mut deposit);
    Arc::new(Transaction::deposit(deposit).recover().unwrap())
}

/// A block that stores 9 at slot 1, and then calls [`OUTER_AT`], which stores 2 there.
fn nested() -> (Chain, Arc<SealedBlock>, Bytes) {
    let mut chain = start();
    let wallet = Wallet::new(0);
    let input = words(&[U256::from(1), U256::from(2)]);
    let first = wallet.call(0, TxKind::Call(STORE_AT), 0, words(&[U256::from(1), U256::from(9)]));
    let second = wallet.call(1, TxKind::Call(OUTER_AT), 0, input.clone());
    let block = block(&mut chain, &[first, second]);
    (chain, block, input)
}

fn word(value: u64) -> B256 {
    B256::from(U256::from(value))
}

fn created() -> Address {
    OUTER_AT.create(1)
}

#[test]
fn struct_logs_follow_every_step_into_calls_and_back() {
    let (chain, block, _) = nested();
    let trace = trace(&chain, &block, 1, json!({}));
    let (gas, logs) = (block.receipts[1].gas_used, trace["structLogs"].as_array().unwrap());
    assert_eq!((&trace["gas"], &trace["failed"], &trace["returnValue"]), (&json!(gas), &json!(false), &json!("0x")));
    assert_eq!(logs[0], json!({"pc": 0, "op": "CALLDATASIZE", "gas": 978_720, "gasCost": 2, "depth": 1, "stack": []}));
    let ops: Vec<&str> = logs.iter().map(|log| log["op"].as_str().unwrap()).collect();
    assert_eq!(ops.iter().filter(|op| **op == "CALL").count(), 2);
    let store = ops.iter().position(|op| *op == "SSTORE").unwrap();
    assert_eq!(
        logs[store],
        json!({
            "pc": 6, "op": "SSTORE", "gas": 960_821, "gasCost": 5_000, "depth": 2, "stack": ["0x2", "0x1"],
            "storage": {(word(1).to_string()): word(2)},
        })
    );
    assert_eq!((&logs[store + 1]["op"], &logs[store + 2]["depth"]), (&json!("STOP"), &json!(1)));
    // A creation without init code has no steps; the last one is the outermost code's.
    let last = &logs[logs.len() - 1];
    assert_eq!((&last["op"], &last["depth"], &last["stack"]), (&json!("STOP"), &json!(1), &json!([])));
}

#[test]
fn struct_logs_hold_what_was_asked_for() {
    let (chain, block, input) = nested();
    let how = json!({
        "enableMemory": true, "enableReturnData": true, "disableStack": true, "disableStorage": true, "limit": 5,
    });
    let few = trace(&chain, &block, 1, how);
    let logs = few["structLogs"].as_array().unwrap();
    assert_eq!(logs.len(), 5);
    assert_eq!(logs[0], json!({"pc": 0, "op": "CALLDATASIZE", "gas": 978_720, "gasCost": 2, "depth": 1}));
    let memory = json!([word(1), word(2)]);
    assert_eq!(logs[4], json!({"pc": 4, "op": "PUSH0", "gas": 978_699, "gasCost": 2, "depth": 1, "memory": memory}));
    let all = trace(&chain, &block, 1, json!({"enableReturnData": true, "disableStack": true}));
    let returned = all["structLogs"].as_array().unwrap().iter().find_map(|log| log.get("returnData")).unwrap();
    assert_eq!(returned, &json!(input));
}

#[test]
fn call_tracer_nests_calls_with_logs_and_reasons() {
    let (chain, block, input) = nested();
    let gas_used = format!("{:#x}", block.receipts[1].gas_used);
    let sender = Wallet::new(0).address;
    let top = json!({
        "type": "CALL", "from": sender, "to": OUTER_AT, "value": "0x0", "gas": "0xf4240", "gasUsed": gas_used,
        "input": input,
    });
    let mut whole = top.clone();
    whole["calls"] = json!([
        {"type": "CALL", "from": OUTER_AT, "to": STORE_AT, "value": "0x0", "gas": "0xea941", "gasUsed": "0x1394",
            "input": input},
        {"type": "CALL", "from": OUTER_AT, "to": REVERT_AT, "value": "0x0", "gas": "0xe8beb", "gasUsed": "0x1c",
            "input": input, "output": input, "error": "execution reverted"},
        {"type": "CREATE", "from": OUTER_AT, "to": created(), "value": "0x0", "gas": "0xe10bc", "gasUsed": "0x0",
            "input": "0x"},
    ]);
    let calls = trace(&chain, &block, 1, json!({"tracer": "callTracer"}));
    assert_eq!(calls, whole);
    whole["logs"] = json!([
        {"address": OUTER_AT, "topics": [word(7)], "data": "0x", "index": "0x0", "position": "0x3"},
    ]);
    let how = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    assert_eq!(trace(&chain, &block, 1, how), whole);
    let alone = json!({"onlyTopCall": true});
    let how = json!({"tracer": "muxTracer", "tracerConfig": {"4byteTracer": null, "callTracer": alone}});
    let selectors = json!({"0x00000000-60": 3});
    assert_eq!(trace(&chain, &block, 1, how), json!({"4byteTracer": selectors, "callTracer": top}));
    assert_eq!(trace(&chain, &block, 1, json!({"tracer": "4byteTracer"})), selectors);
    assert_eq!(trace(&chain, &block, 1, json!({"tracer": "noopTracer"})), json!({}));
    let flat = trace(&chain, &block, 1, json!({"tracer": "flatCallTracer"}));
    let addresses: Vec<_> = flat.as_array().unwrap().iter().map(|call| call["traceAddress"].clone()).collect();
    assert_eq!(addresses, [json!([]), json!([0]), json!([1]), json!([2])]);
}

#[test]
fn prestate_tracer_shows_the_state_between_transactions() {
    let (chain, block, _) = nested();
    let sender = Wallet::new(0).address;
    let account = |code: &str| json!({"balance": "0x0", "nonce": 1, "code": crate::common::code(code)});
    let wallet = json!({"balance": "0xde0b6b3a7640000", "nonce": 1});
    let mut store = account(STORE);
    store["storage"] = json!({(word(1).to_string()): word(9)});
    let before = json!({
        (sender.to_string().to_lowercase()): wallet, (STORE_AT.to_string().to_lowercase()): store,
        (REVERT_AT.to_string().to_lowercase()): account(REVERT),
        (OUTER_AT.to_string().to_lowercase()): account(&outer()),
    });
    assert_eq!(trace(&chain, &block, 1, json!({"tracer": "prestateTracer"})), before);
    let mut changed = before.clone();
    changed.as_object_mut().unwrap().remove(&REVERT_AT.to_string().to_lowercase());
    let after = json!({
        (sender.to_string().to_lowercase()): {"nonce": 2},
        (STORE_AT.to_string().to_lowercase()): {"storage": {(word(1).to_string()): word(2)}},
        (OUTER_AT.to_string().to_lowercase()): {"nonce": 2},
        (created().to_string().to_lowercase()): {"nonce": 1},
    });
    let how = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    assert_eq!(trace(&chain, &block, 1, how), json!({"pre": changed, "post": after}));
}

#[test]
fn deposits_are_traced_as_the_calls_they_are() {
    let mut chain = start();
    let (from, to) = (Address::repeat_byte(0xd0), Address::repeat_byte(0xd1));
    let plain = |value: u64| deposit(|deposit| deposit.value = U256::from(value));
    let call = deposit(|deposit| {
        deposit.to = TxKind::Call(STORE_AT);
        deposit.input = words(&[U256::from(3), U256::from(4)]);
    });
    let silent = deposit(|deposit| deposit.to = TxKind::Call(STORE_AT));
    let little = deposit(|deposit| {
        deposit.gas_limit = 20_000;
        deposit.input = Bytes::from_static(b"x");
    });
    let block = block(&mut chain, &[plain(60), plain(1_000), call, silent, little]);
    let failed: Vec<bool> = block.receipts.iter().map(|receipt| !receipt.status).collect();
    assert_eq!(failed, [false, true, false, false, true]);
    for (index, receipt) in block.receipts.iter().enumerate() {
        let steps = trace(&chain, &block, index, json!({}));
        assert_eq!((&steps["gas"], &steps["failed"]), (&json!(receipt.gas_used), &json!(failed[index])), "{index}");
        assert_eq!(steps["structLogs"].as_array().unwrap().len(), if index == 2 { 6 } else { 0 }, "{index}");
        let call = trace(&chain, &block, index, json!({"tracer": "callTracer"}));
        assert_eq!((&call["from"], &call["type"]), (&json!(from), &json!("CALL")), "{index}");
        assert_eq!(call["gasUsed"], format!("{:#x}", receipt.gas_used), "{index}");
        assert_eq!(call.get("error"), failed[index].then_some(&json!("out of gas")), "{index}");
    }
    let how = json!({"tracer": "prestateTracer", "tracerConfig": {"diffMode": true}});
    let [sender, receiver] = [from, to].map(|address| address.to_string().to_lowercase());
    // What is minted is part of the deposit, and stays if it fails.
    let first = json!({
        "pre": {(sender.clone()): {"balance": "0x0"}, (receiver.clone()): {"balance": "0x0"}},
        "post": {(sender.clone()): {"balance": "0x28", "nonce": 1}, (receiver): {"balance": "0x3c"}},
    });
    assert_eq!(trace(&chain, &block, 0, how.clone()), first);
    let second = json!({
        "pre": {(sender.clone()): {"balance": "0x28", "nonce": 1}},
        "post": {(sender): {"balance": "0x8c", "nonce": 2}},
    });
    assert_eq!(trace(&chain, &block, 1, how), second);
}

#[test]
fn calls_are_traced_and_change_nothing() {
    let (chain, block, input) = nested();
    let message = CallMessage { to: Some(OUTER_AT), data: input, gas: Some(500_000), ..CallMessage::default() };
    let how = options(json!({"tracer": "callTracer"}));
    for context in [BlockContext::latest(), BlockContext::at(0)] {
        let trace = chain.reader().trace_call(&message, &context, &[], &how, MOST_BYTES).unwrap();
        let trace = serde_json::to_value(trace).unwrap();
        assert_eq!(trace["calls"].as_array().unwrap().len(), 3);
        let ran = chain.reader().call(&message, &context, &[]).unwrap();
        assert_eq!(trace["gasUsed"], format!("{:#x}", ran.gas_used));
    }
    assert_eq!(chain.reader().head(), block);
    let poor = CallMessage { value: U256::ONE, from: Address::repeat_byte(0x99), ..message };
    let refused = chain.reader().trace_call(&poor, &BlockContext::latest(), &[], &how, MOST_BYTES);
    assert!(matches!(refused, Err(EvmError::Refused(_))));
}

#[test]
fn what_is_recorded_is_bounded_and_genesis_was_not_executed() {
    let (chain, block, _) = nested();
    let reader = chain.reader();
    for how in [json!({}), json!({"tracer": "callTracer"}), json!({"tracer": "prestateTracer"})] {
        let small = reader.trace_transaction(&block, 1, &options(how.clone()), 500);
        assert!(matches!(small, Err(EvmError::TraceTooLarge(500))), "{how}: {small:?}");
        assert!(reader.trace_transaction(&block, 1, &options(how), MOST_BYTES).is_ok());
    }
    for tracer in ["callTracr", "{ result() {} }"] {
        let unknown = reader.trace_transaction(&block, 1, &options(json!({"tracer": tracer})), MOST_BYTES);
        assert!(matches!(unknown, Err(EvmError::Tracer(_))), "{unknown:?}");
    }
    let genesis = reader.block_by_number(0).unwrap().unwrap();
    let none = reader.trace_block::<EvmError>(&genesis, &options(json!({})), MOST_BYTES, |_, _| Ok(()));
    assert!(matches!(none, Err(EvmError::StateUnavailable(0))));
    let mut hashes = Vec::new();
    let visit = |hash, _| -> Result<(), EvmError> {
        hashes.push(hash);
        Ok(())
    };
    reader.trace_block(&block, &options(json!({})), MOST_BYTES, visit).unwrap();
    assert_eq!(hashes, [block.transactions[0].hash(), block.transactions[1].hash()]);
}
