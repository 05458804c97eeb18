//! Messages that change nothing: calls, estimates, access lists, fills, proofs.

use alloy_consensus::TxEnvelope;
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use serde_json::{Value, json};

use crate::chain::{CHAIN_ID, LOGGER, REVERTER};
use crate::server::{Server, config};

/// Returns the number of the block it runs in, and its own balance.
const ENVIRONMENT: &str = "0x435f5247602052 60405ff3";

fn environment() -> String {
    ENVIRONMENT.replace(' ', "")
}

#[tokio::test]
async fn a_revert_has_code_3_reason_and_data() {
    let server = Server::start(config()).await;
    for method in ["eth_call", "eth_estimateGas"] {
        let error = server.call(method, json!([{ "to": REVERTER }])).await.unwrap_err();
        assert_eq!((&error["code"], &error["message"]), (&json!(3), &json!("execution reverted: nope")), "{method}");
        let data = error["data"].as_str().unwrap();
        assert!(data.starts_with("0x08c379a0") && data.len() == 2 + 200, "{data}");
    }
    // viem prepares with this; its caller must see the revert as well.
    let error = server.call("eth_fillTransaction", json!([{ "to": REVERTER }])).await.unwrap_err();
    assert_eq!(error["code"], 3);
    // An invalid opcode is no revert.
    let error = server.call("eth_call", json!([{ "input": "0xfe" }])).await.unwrap_err();
    assert_eq!(error["code"], -32000);
    assert!(error["message"].as_str().unwrap().starts_with("execution failed: "), "{error}");
}

#[tokio::test]
async fn calls_see_the_block_they_name_and_overrides() {
    let server = Server::start(config()).await;
    server.chain.lock().block(&[]);
    server.chain.lock().block(&[]);
    let probe = Address::repeat_byte(0x99);
    let code = json!({ (probe.to_string()): { "code": environment(), "balance": "0x7" } });
    let words = |answer: Value| {
        let bytes: Bytes = serde_json::from_value(answer).unwrap();
        (U256::from_be_slice(&bytes[..32]).to::<u64>(), U256::from_be_slice(&bytes[32..]).to::<u64>())
    };
    let call = async |params: Value| words(server.call("eth_call", params).await.unwrap());
    assert_eq!(call(json!([{ "to": probe }, "latest", code])).await, (2, 7));
    assert_eq!(call(json!([{ "to": probe }, "0x1", code])).await, (1, 7));
    assert_eq!(call(json!([{ "to": probe }, "pending", code])).await, (3, 7));
    assert_eq!(call(json!([{ "to": probe }, "latest", code, { "number": "0x64" }])).await, (100, 7));
    // Data and input are the same thing; two different ones are a mistake.
    let wrong = json!([{ "to": probe, "data": "0x01", "input": "0x02" }]);
    assert_eq!(server.call("eth_call", wrong).await.unwrap_err()["code"], -32602);
    let both = json!([{ "to": probe, "gasPrice": "0x0", "maxFeePerGas": "0x0" }]);
    assert_eq!(server.call("eth_call", both).await.unwrap_err()["code"], -32602);
    let clash = json!([{ "to": probe }, "latest", { (probe.to_string()): { "state": {}, "stateDiff": {} } }]);
    assert_eq!(server.call("eth_call", clash).await.unwrap_err()["code"], -32602);
    let error = server.call("eth_call", json!([{ "to": probe, "chainId": "0x1" }])).await.unwrap_err();
    assert_eq!(error["message"], "chainId does not match node's (have=1, want=9001)");
    let error = server.call("eth_call", json!([{ "to": probe }, "0x9"])).await.unwrap_err();
    assert_eq!(error["code"], -32001);
    let poor = json!([{ "from": probe, "to": LOGGER, "value": "0x5" }]);
    let error = server.call("eth_call", poor).await.unwrap_err();
    assert_eq!(error["code"], -32000);
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("insufficient funds for gas * price + value: have 0, want 5"), "{message}");
}

#[tokio::test]
async fn an_estimate_is_enough_to_run_and_not_much_more() {
    let server = Server::start(config()).await;
    let transfer = server.call("eth_estimateGas", json!([{ "to": Address::repeat_byte(8) }])).await.unwrap();
    assert_eq!(transfer, "0x5208");
    let estimate = server.call("eth_estimateGas", json!([{ "to": LOGGER, "data": "0x616263" }])).await.unwrap();
    let estimate = u64::from_str_radix(&estimate.as_str().unwrap()[2..], 16).unwrap();
    // Gas is free, whatever is offered for it; where the caller says how much there is, nothing is added.
    let nobody = Address::repeat_byte(0x77);
    let offers = json!([{ "to": LOGGER, "data": "0x616263", "gasPrice": "0x1", "from": nobody }]);
    assert_eq!(server.call("eth_estimateGas", offers).await.unwrap(), json!(format!("{estimate:#x}")));
    let capped = json!([{ "to": LOGGER, "data": "0x616263", "gas": format!("{:#x}", estimate - 1_000) }]);
    assert_eq!(server.call("eth_estimateGas", capped).await.unwrap(), json!(format!("{:#x}", estimate - 1_000)));
    // Also where the block is said to have a base fee.
    let based = json!([{ "to": LOGGER, "gasPrice": "0x5", "from": nobody }, "latest", {}, { "baseFeePerGas": "0x1" }]);
    assert_eq!(server.call("eth_call", based).await.unwrap(), "0x");
    let used = server.chain.lock().call(LOGGER, 0, b"abc").receipts[0].gas_used;
    let least = used + (used - 21_000) / 8;
    assert!(estimate >= least && estimate < least * 11 / 10 + 3_000, "estimate {estimate}, used {used}");
    let list = server.call("eth_createAccessList", json!([{ "to": LOGGER, "data": "0x616263" }])).await.unwrap();
    assert_eq!(list["accessList"][0]["address"], json!(LOGGER));
    assert_eq!(list["accessList"][0]["storageKeys"], json!([B256::ZERO]));
    assert!(list.get("error").is_none());
}

/// What viem 2.57 reads from the answer: every field to sign over, as quantities.
#[tokio::test]
async fn fill_gives_everything_there_is_to_sign() {
    let server = Server::start(config()).await;
    let wallet = server.chain.lock().signer.address();
    server.chain.lock().call(LOGGER, 0, b"a");
    let filled = server.call("eth_fillTransaction", json!([{ "from": wallet, "to": LOGGER, "data": "0x61" }])).await;
    let filled = filled.unwrap();
    let tx = &filled["tx"];
    for (field, value) in [
        ("type", json!("0x2")),
        ("chainId", json!(format!("{CHAIN_ID:#x}"))),
        ("nonce", json!("0x1")),
        ("maxFeePerGas", json!("0x0")),
        ("maxPriorityFeePerGas", json!("0x0")),
        ("value", json!("0x0")),
        ("input", json!("0x61")),
        ("from", json!(wallet)),
        ("blockHash", Value::Null),
    ] {
        assert_eq!(tx[field], value, "{field} of {tx}");
    }
    assert!(tx.get("gasPrice").is_none());
    let estimate = json!([{ "from": wallet, "to": LOGGER, "data": "0x61" }]);
    assert_eq!(tx["gas"], server.call("eth_estimateGas", estimate).await.unwrap(), "the margin is in it");
    let raw: Bytes = serde_json::from_value(filled["raw"].clone()).unwrap();
    let decoded = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
    assert_eq!(json!(decoded.tx_hash()), tx["hash"]);

    let kept = json!([{ "from": wallet, "to": LOGGER, "gasPrice": "0x5", "gas": "0x30d40", "nonce": "0x9" }]);
    let tx = server.call("eth_fillTransaction", kept).await.unwrap()["tx"].clone();
    assert_eq!((&tx["type"], &tx["gasPrice"], &tx["nonce"]), (&json!("0x0"), &json!("0x5"), &json!("0x9")));
    assert_eq!(tx["gas"], "0x30d40");
    let blob = json!([{ "from": wallet, "to": LOGGER, "type": "0x3" }]);
    assert_eq!(server.call("eth_fillTransaction", blob).await.unwrap_err()["code"], -32602);
}

#[tokio::test]
async fn proofs_verify_against_the_block_they_name() {
    let server = Server::start(config()).await;
    let sealed = server.chain.lock().call(LOGGER, 0, b"abc");
    let proof = server.call("eth_getProof", json!([LOGGER, ["0x0", "0x1"], "latest"])).await.unwrap();
    let proof: EIP1186AccountProofResponse = serde_json::from_value(proof).unwrap();
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let key = Nibbles::unpack(keccak256(LOGGER));
    let value = Some(alloy_rlp::encode(account));
    verify_proof(sealed.header.state_root, key, value, &proof.account_proof).unwrap();
    for (at, want) in [(0, Some(U256::from(3))), (1, None)] {
        let slot = &proof.storage_proof[at];
        assert_eq!(slot.value, want.unwrap_or_default());
        let key = Nibbles::unpack(keccak256(B256::from(U256::from(at))));
        verify_proof(proof.storage_hash, key, want.map(alloy_rlp::encode), &slot.proof).unwrap();
    }
    let error = server.call("eth_getProof", json!([LOGGER, [], "0x0"])).await.unwrap_err();
    assert_eq!(error["message"], "proofs exist for the latest block only: asked for 0, latest is 1");
    let many: Vec<String> = (0..257).map(|key| format!("{key:#x}")).collect();
    assert_eq!(server.call("eth_getProof", json!([LOGGER, many])).await.unwrap_err()["code"], -32005);
}
