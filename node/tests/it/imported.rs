//! An imported chain behind the RPC: what is paid there, what may wait, and what a second export adds.

use alloy_consensus::TxEip1559;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, U256, hex, keccak256};
use mayfly_node::archive::import;
use serde_json::{Value, json};

use crate::foreign::{CHAIN_ID, Foreign, MAX_FEE, MERGE, MINER, TELLER, TIP, transfer};
use crate::server::{Server, config};

fn raw(foreign: &Foreign, change: impl FnOnce(&mut TxEip1559)) -> Bytes {
    let mut tx = transfer(6, U256::ONE);
    change(&mut tx);
    foreign.sign(tx).encoded_2718().into()
}

async fn send(server: &Server<()>, raw: &Bytes) -> Result<Value, Value> {
    server.call("eth_sendRawTransaction", json!([raw])).await
}

fn quantity(value: &Value) -> u128 {
    u128::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[tokio::test]
async fn fees_of_an_imported_chain_are_paid_and_shown() {
    let foreign = Foreign::new(6);
    let (server, _dir) = foreign.serve(config(), false).await;
    let head = server.call("eth_getBlockByNumber", json!(["latest", true])).await.unwrap();
    let base_fee = quantity(&head["baseFeePerGas"]);
    assert!(base_fee > 0 && base_fee + TIP < MAX_FEE, "{head}");
    let tx = &head["transactions"][0];
    let receipt = server.call("eth_getTransactionReceipt", json!([tx["hash"]])).await.unwrap();
    assert_eq!(quantity(&receipt["effectiveGasPrice"]), base_fee + TIP);
    assert_eq!(quantity(&tx["gasPrice"]), base_fee + TIP);
    let history = server.call("eth_feeHistory", json!(["0x2", "latest", [50]])).await.unwrap();
    assert_eq!(quantity(&history["baseFeePerGas"][1]), base_fee, "{history}");
    assert_eq!(quantity(&history["reward"][1][0]), TIP, "{history}");
    // The next block's base fee falls, for blocks are nearly empty.
    let next = quantity(&history["baseFeePerGas"][2]);
    assert!(next < base_fee && quantity(&server.call("eth_gasPrice", json!([])).await.unwrap()) >= next);

    // The sender paid for each of its six transfers, the miner got the tips of those by stake and more for work.
    let balance = async |address: Address| {
        U256::from(quantity(&server.call("eth_getBalance", json!([address, "latest"])).await.unwrap()))
    };
    let mut paid = U256::ZERO;
    for number in 1..=6u64 {
        let block = server.call("eth_getBlockByNumber", json!([format!("{number:#x}"), false])).await.unwrap();
        paid += U256::from((quantity(&block["baseFeePerGas"]) + TIP) * 21_000) + U256::from(number);
    }
    assert_eq!(balance(foreign.signer.address()).await, U256::from(10u64.pow(18)) - paid);
    let for_work = U256::from(3) * U256::from(2 * 10u64.pow(18));
    assert_eq!(balance(MINER).await, for_work + U256::from(6 * 21_000 * TIP));

    // A call that offers a price has to be able to pay it; one that offers none does not.
    let poor = Address::repeat_byte(0x12);
    let call = |price: &str| json!({ "from": poor, "to": MINER, "gas": "0x5208", "gasPrice": price });
    let error = server.call("eth_call", json!([call("0x77359400")])).await.unwrap_err();
    let message = format!("insufficient funds for gas * price + value: have 0, want {}", 21_000 * MAX_FEE);
    assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!(message)));
    assert_eq!(server.call("eth_call", json!([{ "from": poor, "to": MINER }])).await.unwrap(), "0x");
    let error = server.call("eth_call", json!([call("0x1")])).await.unwrap_err();
    assert_eq!(error["code"], -32000, "{error}");
    assert!(error["message"].as_str().unwrap().contains("base fee"), "{error}");
}

#[tokio::test]
async fn difficulty_is_what_the_block_had_or_what_the_call_says() {
    let foreign = Foreign::new(6);
    let (server, _dir) = foreign.serve(config(), false).await;
    let difficulty = async |block: &str, overrides: Value| {
        let call = json!([{ "to": TELLER }, block, {}, overrides]);
        U256::from_str_radix(&server.call("eth_call", call).await.unwrap().as_str().unwrap()[2..], 16).unwrap()
    };
    assert_eq!(difficulty("0x3", json!({})).await, U256::from(131_072));
    assert_eq!(difficulty("0x3", json!({ "difficulty": "0x1234" })).await, U256::from(0x1234));
    // Where stake took over, the same code returns what was drawn.
    let drawn = U256::from_be_bytes([3; 32]);
    assert_eq!(difficulty("latest", json!({ "difficulty": "0x1234" })).await, drawn);
    assert_eq!(
        difficulty("latest", json!({ "random": format!("0x{}", "05".repeat(32)) })).await,
        U256::from_be_bytes([5; 32])
    );
}

#[tokio::test]
async fn what_no_block_could_hold_does_not_wait() {
    let foreign = Foreign::new(6);
    let (server, _dir) = foreign.serve(config(), false).await;
    let rich = U256::from(10u64.pow(18));
    let mut torn = raw(&foreign, |_| {}).to_vec();
    torn.pop();
    let long = vec![1; 129 << 10];
    for (bytes, code, message) in [
        (raw(&foreign, |tx| tx.nonce = 5), -32000, "nonce too low: next nonce 6, tx nonce 5"),
        (raw(&foreign, |tx| tx.value = rich), -32000, "insufficient funds for gas * price + value: have "),
        (raw(&foreign, |tx| tx.gas_limit = 20_999), -32000, "intrinsic gas too low: have 20999, want 21000"),
        (raw(&foreign, |tx| tx.gas_limit = 16_777_217), -32000, "exceeds block gas limit: tx gas limit 16777217, max "),
        (
            raw(&foreign, |tx| tx.max_priority_fee_per_gas = MAX_FEE + 1),
            -32000,
            "max priority fee per gas higher than max fee per gas: ",
        ),
        (raw(&foreign, |tx| tx.chain_id = 1), -32000, "invalid chain id for signer: have 1, want 9002"),
        (
            raw(&foreign, |tx| (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (0, 0)),
            -32000,
            "max fee per gas less than block base fee: maxFeePerGas: 0, baseFee: ",
        ),
        (raw(&foreign, |tx| tx.nonce = u64::MAX), -32000, "nonce has max value"),
        (raw(&foreign, |tx| tx.input = long.into()), -32000, "oversized data: transaction of "),
        (torn.into(), -32000, "invalid transaction: "),
        (hex!("7e00").into(), -32000, "invalid transaction: "),
        (Bytes::new(), -32000, "invalid transaction: empty"),
    ] {
        let error = send(&server, &bytes).await.expect_err(message);
        assert_eq!(error["code"], code, "{message}: {error}");
        let said = error["message"].as_str().unwrap();
        assert!(said.contains(message), "wanted {message}, got {said}");
    }
    assert_eq!(server.call("txpool_status", json!([])).await.unwrap(), json!({ "pending": "0x0", "queued": "0x0" }));
    // A receipt would never come.
    let error = server.call("eth_sendRawTransactionSync", json!([raw(&foreign, |_| {})])).await.unwrap_err();
    assert_eq!(error["code"], -32004, "{error}");
}

#[tokio::test]
async fn what_waits_is_shown_replaced_and_told() {
    let foreign = Foreign::new(6);
    let (server, _dir) = foreign.serve(config(), false).await;
    let filter = server.call("eth_newPendingTransactionFilter", json!([])).await.unwrap();
    let first = raw(&foreign, |_| {});
    let hash = send(&server, &first).await.unwrap();
    assert_eq!(hash, json!(keccak256(&first)));
    let error = send(&server, &first).await.unwrap_err();
    assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!("already known")));
    let pending = server.call("eth_getTransactionByHash", json!([hash])).await.unwrap();
    assert_eq!((&pending["hash"], &pending["blockHash"], &pending["nonce"]), (&hash, &Value::Null, &json!("0x6")));
    let count = server.call("eth_getTransactionCount", json!([foreign.signer.address(), "pending"])).await.unwrap();
    assert_eq!(count, "0x7");

    // Nine percent more is not enough, and neither is more of one fee alone.
    for (fee, tip) in [(109, 200), (110, 100), (100, 200)] {
        let little = raw(&foreign, |tx| {
            tx.max_fee_per_gas = MAX_FEE * fee / 100;
            tx.max_priority_fee_per_gas = TIP * tip / 100;
        });
        let error = send(&server, &little).await.unwrap_err();
        let said = error["message"].as_str().unwrap();
        assert!(said.starts_with("replacement transaction underpriced: "), "{fee} {tip}: {said}");
    }
    let better = raw(&foreign, |tx| {
        tx.max_fee_per_gas = MAX_FEE * 11 / 10;
        tx.max_priority_fee_per_gas = TIP * 2;
    });
    let replaced = send(&server, &better).await.unwrap();
    let behind = send(&server, &raw(&foreign, |tx| tx.nonce = 8)).await.unwrap();
    assert_eq!(server.call("eth_getTransactionByHash", json!([hash])).await.unwrap(), Value::Null);
    let content = server.call("txpool_contentFrom", json!([foreign.signer.address()])).await.unwrap();
    assert_eq!((&content["pending"]["6"]["hash"], &content["queued"]["8"]["hash"]), (&replaced, &behind), "{content}");
    let told = server.call("eth_getFilterChanges", json!([filter])).await.unwrap();
    assert_eq!(told, json!([hash, replaced, behind]));
}

#[tokio::test]
async fn a_block_is_built_of_what_waits_where_the_operator_develops() {
    let foreign = Foreign::new(6);
    let (server, _dir) = foreign.serve(config(), true).await;
    let raw = raw(&foreign, |_| {});
    send(&server, &raw).await.unwrap();
    let head = server.call("eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    let attributes = json!({
        "timestamp": format!("{:#x}", quantity(&head["timestamp"]) + 12), "prevRandao": head["mixHash"],
        "suggestedFeeRecipient": MINER, "withdrawals": [], "parentBeaconBlockRoot": head["mixHash"],
    });
    let built = server.call("testing_buildBlockV1", json!([head["hash"], attributes, Value::Null])).await.unwrap();
    assert_eq!(built["executionPayload"]["transactions"], json!([raw]), "{built}");
    assert_eq!(quantity(&built["blockValue"]), TIP * 21_000);
    // It is kept by nobody.
    assert_eq!(server.call("eth_blockNumber", json!([])).await.unwrap(), "0x6");
    let (strict, _dir) = foreign.serve(config(), false).await;
    let error = strict.call("testing_buildBlockV1", json!([head["hash"], attributes, []])).await.unwrap_err();
    assert_eq!(error["message"], "testing methods are off: start with --dev");
}

/// An export that goes on has only later blocks, all by stake: where stake began is known from before.
#[test]
fn a_second_export_goes_on_where_the_first_ended() {
    let foreign = Foreign::new(MERGE + 4);
    let dir = tempfile::tempdir().unwrap();
    let (chain, first) = import(dir.path(), &foreign.genesis, &foreign.export(1..=MERGE + 1)).unwrap();
    assert_eq!((first.executed, first.known, first.head_number), (MERGE + 1, 0, MERGE + 1));
    drop(chain);
    let (chain, second) = import(dir.path(), &foreign.genesis, &foreign.export(MERGE + 2..=MERGE + 4)).unwrap();
    assert_eq!((second.executed, second.known), (3, 0));
    assert_eq!(second.head_hash, foreign.chain.head().hash);
    drop(chain);
    // The same again adds nothing, and neither does nothing.
    let (chain, again) = import(dir.path(), &foreign.genesis, &foreign.export(MERGE..=MERGE + 4)).unwrap();
    assert_eq!((again.executed, again.known, again.head_hash), (0, 5, second.head_hash));
    drop(chain);
    let (chain, opened) = import(dir.path(), &foreign.genesis, &[]).unwrap();
    assert_eq!((opened.executed, opened.head_hash), (0, second.head_hash));
    drop(chain);
    // Another chain, and blocks of another one, are refused by name, and what is there stays.
    let other = Foreign::of(10, 2);
    let error = format!("{:#}", import(dir.path(), &other.genesis, &[]).unwrap_err());
    assert!(error.contains("genesis"), "{error}");
    let error = format!("{:#}", import(dir.path(), &foreign.genesis, &other.export(1..=2)).unwrap_err());
    assert!(error.contains("block 1 is ") && error.contains("the chain that is here has"), "{error}");
    assert_eq!(import(dir.path(), &foreign.genesis, &[]).unwrap().1.head_hash, second.head_hash);
    // A file that says nothing is an error, never a guess.
    std::fs::write(dir.path().join("merge"), "soon").unwrap();
    let error = format!("{:#}", import(dir.path(), &foreign.genesis, &[]).unwrap_err());
    assert!(error.contains("merge"), "{error}");
}

#[test]
fn a_block_that_does_not_follow_is_refused_and_those_before_are_kept() {
    let foreign = Foreign::new(6);
    let dir = tempfile::tempdir().unwrap();
    let mut blocks = foreign.export(1..=3);
    blocks.extend(foreign.export(5..=5));
    let error = format!("{:#}", import(dir.path(), &foreign.genesis, &blocks).unwrap_err());
    assert!(error.contains("block 5: follows"), "{error}");
    let (_chain, kept) = import(dir.path(), &foreign.genesis, &foreign.export(1..=6)).unwrap();
    assert_eq!((kept.known, kept.executed, kept.chain_id), (3, 3, CHAIN_ID));
}
