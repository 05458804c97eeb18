//! The `mayfly_` methods of a rollup without a sequencer.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use mayfly_contracts::l2::L2Messenger::sendCall;
use mayfly_contracts::predeploys::L2_MESSENGER;
use mayfly_contracts::types::Message;
use mayfly_node::rpc::Stage;
use mayfly_rollup::settlement::{AssetKind, Leaf, leaf_hash, merge, message_leaf, verify, verify_append};
use serde_json::{Value, json};

use crate::chain::{CHAIN_ID, ROLLUP};
use crate::server::{Server, config};

#[tokio::test]
async fn the_rollup_tells_what_it_is_and_how_it_stands() {
    let server = Server::start(config()).await;
    let shown = server.call("mayfly_rollup", json!([])).await.unwrap();
    assert_eq!((&shown["rollup"], &shown["name"]), (&json!(ROLLUP), &json!("night")));
    assert_eq!(shown["genesisClaim"], json!(server.rollup.info.genesis_claim()));
    assert_eq!((&shown["stage"], &shown["sequenced"]), (&json!("created"), &json!(false)));
    assert_eq!(shown["config"]["blockGasLimit"], 30_000_000);
    server.rollup.set_stage(Stage::Draining);
    server.chain.lock().block(&[]);
    let status = server.call("mayfly_status", json!([])).await.unwrap();
    assert_eq!((&status["stage"], &status["latest"]["number"]), (&json!("draining"), &json!(1)));
    for method in ["mayfly_receipt", "eth_sendRawTransaction", "eth_sendRawTransactionSync"] {
        let error = server.call(method, json!([B256::ZERO])).await.unwrap_err();
        assert_eq!(error["code"], -32004, "{method}");
        assert_eq!(error["message"], "this node follows the rollup and takes no transactions");
    }
}

#[tokio::test]
async fn finality_climbs_tier_by_tier() {
    let server = Server::start(config()).await;
    let sealed = server.chain.lock().call(Address::repeat_byte(1), 1, b"");
    let tier = async |subject: Value| server.call("mayfly_finality", json!([subject])).await.unwrap()["tier"].clone();
    let marks = &server.rollup.marks;
    let tx = json!(sealed.transactions[0].hash());
    assert_eq!(tier(tx.clone()).await, "latest");
    assert_eq!(tier(json!("earliest")).await, "finalized");
    marks.posted(1, 0);
    assert_eq!(tier(tx.clone()).await, "safe");
    marks.posted(1, 1);
    assert_eq!(tier(json!(sealed.hash)).await, "finalized");
    marks.claimed(1, false);
    assert_eq!(tier(json!("0x1")).await, "attested");
    marks.claimed(1, true);
    assert_eq!(tier(json!({ "blockHash": sealed.hash })).await, "settled");
    assert_eq!(server.call("mayfly_finality", json!([B256::ZERO])).await.unwrap(), Value::Null);
    assert_eq!(server.call("mayfly_finality", json!(["0x9"])).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn withdrawal_proofs_lead_to_the_messengers_root() {
    let server = Server::start(config()).await;
    let to = Address::repeat_byte(0x77);
    let mut roots = vec![];
    for n in 0..3u8 {
        let call = sendCall { to, data: Bytes::from(vec![n; 5]) }.abi_encode();
        let sealed = server.chain.lock().call(L2_MESSENGER, 0, &call);
        assert!(sealed.receipts[0].status);
        roots.push(server.chain.lock().chain.storage(&L2_MESSENGER, &U256::ZERO));
    }
    let prove = async |index: &str, block: &str| server.call("mayfly_withdrawalProof", json!([index, block])).await;
    for (index, block) in [(0u64, 1usize), (0, 3), (1, 2), (2, 3)] {
        let proven = prove(&format!("{index:#x}"), &format!("{block:#x}")).await.unwrap();
        let message: Message = serde_json::from_value(proven["message"].clone()).unwrap();
        assert_eq!((message.index, message.to, message.data.len()), (index, to, 5));
        let proof: Vec<B256> = serde_json::from_value(proven["proof"].clone()).unwrap();
        assert!(verify_append(roots[block - 1].into(), message_leaf(CHAIN_ID, &message), index, &proof));
        assert_eq!(proven["root"], json!(B256::from(roots[block - 1])));
    }
    let error = prove("0x2", "0x2").await.unwrap_err();
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!(-32001), &json!("message 2 is not in block 2, which has 2 messages"))
    );
    // Without a block: the last one that a final claim covers, genesis so far.
    assert_eq!(server.call("mayfly_withdrawalProof", json!(["0x0"])).await.unwrap_err()["code"], -32001);
    server.rollup.marks.claimed(2, false);
    let proven = server.call("mayfly_withdrawalProof", json!(["0x1"])).await.unwrap();
    assert_eq!(proven["blockNumber"], "0x2");
    // Undone messages are forgotten.
    server.chain.lock().chain.revert_to(1).unwrap();
    server.chain.lock().block(&[]);
    assert_eq!(prove("0x1", "latest").await.unwrap_err()["code"], -32001);
}

#[tokio::test]
async fn leaves_are_served_once_the_chain_is_closed() {
    let server = Server::start(config()).await;
    let owner = Address::repeat_byte(5);
    let error = server.call("mayfly_settlementProof", json!([owner])).await.unwrap_err();
    assert_eq!(error["message"], "leaves exist once the rollup is closed; it is created");
    let leaf = |who: Address, amount: u64| Leaf {
        kind: AssetKind::Native,
        token: Address::ZERO,
        token_id: U256::ZERO,
        recipient: who,
        amount: U256::from(amount),
    };
    let leaves = merge([leaf(owner, 5), leaf(Address::repeat_byte(6), 6), leaf(Address::repeat_byte(7), 7)]);
    server.rollup.close(B256::repeat_byte(1), leaves.clone()).unwrap();
    let all = server.call("mayfly_leaves", json!([])).await.unwrap();
    assert_eq!((&all["count"], all["leaves"].as_array().unwrap().len()), (&json!("0x3"), 3));
    let page = server.call("mayfly_leaves", json!(["0x1", "0x1"])).await.unwrap();
    assert_eq!(page["leaves"][0]["index"], "0x1");
    let proven = server.call("mayfly_settlementProof", json!([owner])).await.unwrap();
    let shown = &proven["leaves"][0];
    let index = leaves.iter().position(|leaf| leaf.recipient == owner).unwrap();
    assert_eq!((&shown["amount"], &shown["index"]), (&json!("0x5"), &json!(format!("{index:#x}"))));
    let proof: Vec<B256> = serde_json::from_value(shown["proof"].clone()).unwrap();
    let root: B256 = serde_json::from_value(all["root"].clone()).unwrap();
    assert!(verify(root, leaf_hash(ROLLUP, index as u64, &leaves[index]), &proof));
    let none = server.call("mayfly_settlementProof", json!([Address::repeat_byte(9)])).await.unwrap();
    assert_eq!(none["leaves"], json!([]));
    assert_eq!(server.call("mayfly_leaves", json!(["0x0", "0x3e9"])).await.unwrap_err()["code"], -32005);
    // L1 took the close back.
    server.rollup.reopen();
    assert_eq!(server.call("mayfly_leaves", json!([])).await.unwrap_err()["code"], -32002);
}
