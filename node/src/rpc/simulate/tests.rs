//! Requests and answers as clients write and read them.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::accounts;
use super::super::backend::tests::rollup;
use super::*;

const FROM: &str = "0xc000000000000000000000000000000000000000";
const TO: &str = "0xc100000000000000000000000000000000000000";

fn run(handler: fn(&Rollup, &mut Params<'_>) -> Reply, params: &Value) -> Result<Value, RpcError> {
    let (_chain, rollup) = rollup("a", 1, 7, 3);
    let raw: Box<RawValue> = serde_json::value::to_raw_value(params).unwrap();
    let reply = handler(&rollup, &mut Params::read(Some(&raw))?)?;
    Ok(serde_json::from_str(reply.get()).unwrap())
}

fn answer(options: Value) -> Value {
    run(simulate, &json!([options, "latest"])).unwrap()
}

fn code(options: Value) -> i32 {
    run(simulate, &json!([options, "latest"])).unwrap_err().code
}

fn pays() -> Value {
    json!({
        "stateOverrides": { FROM: { "balance": "0x3e8" } },
        "calls": [{ "from": FROM, "to": TO, "value": "0x3e8" }]
    })
}

#[test]
fn a_transfer_is_a_block_with_a_call() {
    let blocks = answer(json!({
        "blockStateCalls": [pays()], "traceTransfers": true, "returnFullTransactions": true
    }));
    let block = &blocks[0];
    let text = |name: &str| block[name].as_str().unwrap().to_owned();
    assert_eq!((&*text("number"), &*text("gasUsed"), &*text("baseFeePerGas")), ("0x4", "0x5208", "0x0"));
    assert_eq!(block["withdrawals"], json!([]));
    let call = &block["calls"][0];
    assert_eq!(
        (&call["status"], &call["maxUsedGas"], &call["returnData"]),
        (&json!("0x1"), &json!("0x5208"), &json!("0x"))
    );
    assert!(call.get("error").is_none());
    let log = &call["logs"][0];
    assert_eq!(log["address"], json!(format!("0x{}", "ee".repeat(20))));
    assert_eq!((&log["blockHash"], &log["logIndex"]), (&block["hash"], &json!("0x0")));
    let tx = &block["transactions"][0];
    assert_eq!((&tx["hash"], &tx["from"], &tx["type"]), (&log["transactionHash"], &json!(FROM), &json!("0x2")));
    assert_eq!(
        (&tx["v"], &tx["r"], &tx["s"], &tx["yParity"]),
        (&json!("0x0"), &json!("0x0"), &json!("0x0"), &json!("0x0"))
    );

    let hashes = answer(json!({ "blockStateCalls": [pays()] }));
    assert_eq!(hashes[0]["transactions"][0], tx["hash"]);
    assert_eq!(hashes[0]["hash"], block["hash"]);
    assert_eq!(hashes[0]["calls"][0]["logs"], json!([]));
}

#[test]
fn failed_calls_say_why() {
    let with = |code: &str| {
        let options = json!({ "blockStateCalls": [{
            "stateOverrides": { TO: { "code": code } }, "calls": [{ "to": TO, "gas": "0x10000" }]
        }] });
        answer(options)[0]["calls"][0].clone()
    };
    let reverted = with("0x60015f5260205ffd");
    assert_eq!((&reverted["status"], &reverted["returnData"]), (&json!("0x0"), &json!("0x")));
    assert_eq!((&reverted["error"]["code"], reverted["error"]["data"].as_str().unwrap().len()), (&json!(3), 66));
    let halted = with("0xfe");
    assert_eq!((&halted["error"]["code"], halted["error"].get("data")), (&json!(-32015), None));
}

#[test]
fn errors_have_the_codes_of_execution_apis() {
    let numbers = json!([{ "blockOverrides": { "number": "0x9" } }, { "blockOverrides": { "number": "0x9" } }]);
    assert_eq!(code(json!({ "blockStateCalls": numbers })), -38020);
    let times = json!([{ "blockOverrides": { "time": "0x1" } }]);
    assert_eq!(code(json!({ "blockStateCalls": times })), -38021);
    assert_eq!(code(json!({ "blockStateCalls": [] })), -32602);
    assert_eq!(code(json!({})), -32602);
    assert_eq!(code(json!({ "blockStateCalls": vec![json!({}); 257] })), -38026);
    assert_eq!(code(json!({ "blockStateCalls": [{ "blockOverrides": { "number": "0x200" } }] })), -38026);
    let one = |call: Value, validation: bool| {
        code(json!({ "blockStateCalls": [{ "calls": [call] }], "validation": validation }))
    };
    assert_eq!(one(json!({ "from": FROM, "to": TO, "value": "0x1" }), false), -38014);
    assert_eq!(one(json!({ "from": FROM, "to": TO, "nonce": "0x5" }), true), -38011);
    assert_eq!(one(json!({ "from": FROM, "to": TO, "gas": "0x5207" }), false), -38013);
    assert_eq!(one(json!({ "from": FROM, "to": TO, "gas": "0xffffffffff" }), false), -38015);
    assert_eq!(one(json!({ "from": FROM, "to": TO, "maxPriorityFeePerGas": "0x1" }), false), -32602);
    assert_eq!(one(json!({ "from": FROM, "gasPrice": "0x1", "maxFeePerGas": "0x1" }), false), -32000);
    let moved = json!({ FROM: { "movePrecompileToAddress": TO } });
    assert_eq!(code(json!({ "blockStateCalls": [{ "stateOverrides": moved }] })), -32000);
    let unknown = run(simulate, &json!([{ "blockStateCalls": [{}] }, "0x99"])).unwrap_err();
    assert_eq!(unknown.code, -32000);
}

#[test]
fn storage_values_come_by_address() {
    let slot = format!("0x{}", "00".repeat(32));
    let asked = json!([{ FROM: [slot, slot], TO: [slot] }]);
    let values = run(accounts::storage_values, &asked).unwrap();
    assert_eq!(values, json!({ FROM: [slot, slot], TO: [slot] }));
    assert_eq!(run(accounts::storage_values, &json!([{}, "latest"])).unwrap_err().code, -32602);
    assert_eq!(run(accounts::storage_values, &json!([{ FROM: ["0x0"] }])).unwrap_err().code, -32602);
    let many = json!([{ FROM: vec![slot; 1_025] }]);
    assert_eq!(run(accounts::storage_values, &many).unwrap_err().code, -38026);
}
