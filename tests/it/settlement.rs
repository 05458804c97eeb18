//! Settlement is exact: what the node computes equals what an independent recount over JSON-RPC says, leaf by leaf.

use alloy_primitives::{Address, U256};
use mayfly_contracts::predeploys::L2_MESSENGER;
use mayfly_e2e::history::History;
use mayfly_e2e::program;
use mayfly_e2e::serve::Served;
use mayfly_rollup::settlement::{AssetKind, Leaf, Tree, leaves};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What the recount says of a history; native currency it cannot account for is an error.
async fn recount(history: &History, served: &Served) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let genesis = dir.path().join("genesis.json");
    let rows: Vec<_> = history.info.genesis.iter().map(|row| json!([row.to, row.amount.to_string()])).collect();
    std::fs::write(&genesis, Value::from(rows).to_string()).unwrap();
    let rollup = history.info.rollup.to_string();
    let genesis = genesis.to_str().unwrap();
    program::recount(&["--rpc", &served.url, "--rollup", &rollup, "--roots", "--genesis", genesis]).await
}

fn leaf(row: &Value) -> Leaf {
    let text = |field: &str| row[field].as_str().unwrap().to_owned();
    Leaf {
        kind: AssetKind::from_number(u8::try_from(row["kind"].as_u64().unwrap()).unwrap()).unwrap(),
        token: text("token").parse().unwrap(),
        token_id: U256::from_str_radix(&text("tokenId"), 10).unwrap(),
        recipient: text("recipient").parse().unwrap(),
        amount: U256::from_str_radix(&text("amount"), 10).unwrap(),
    }
}

fn list(value: &Value) -> Vec<Leaf> {
    value.as_array().unwrap().iter().map(leaf).collect()
}

/// Histories must show every kind of leaf, or they prove less than they seem to.
#[tokio::test]
async fn random_histories_settle_as_an_independent_recount_says() {
    let mut kinds = BTreeSet::new();
    let mut contracts = 0;
    let mut inconsistent = 0;
    for seed in 0..6 {
        let mut history = History::new(seed);
        history.run(120);
        let served = Served::start(&history.chain, history.info.rollup).await;
        let counted = recount(&history, &served).await;
        served.stop().await;

        let ours = leaves(&history.chain);
        assert_eq!(list(&counted["leaves"]), ours.leaves, "seed {seed}");
        let tree = Tree::new(history.info.rollup, &ours.leaves).unwrap();
        assert_eq!(counted["settlementRoot"], json!(tree.root()), "seed {seed}");
        assert_eq!(counted["receiptRoot"], json!(history.chain.receipt_root()), "seed {seed}");
        let messages = history.chain.storage(&L2_MESSENGER, &U256::ZERO);
        assert_eq!(counted["withdrawalRoot"], json!(alloy_primitives::B256::from(messages)), "seed {seed}");
        assert_eq!(counted["blockHash"], json!(history.chain.head().hash));
        assert_eq!(counted["nativeFound"], counted["nativeExpected"]);
        // The recount lists holders where the node lists holder and recipient.
        let held: BTreeSet<_> =
            ours.contract_held.iter().map(|held| Leaf { recipient: held.holder, ..held.leaf }).collect();
        assert_eq!(list(&counted["contractHeld"]).into_iter().collect::<BTreeSet<_>>(), held, "seed {seed}");

        kinds.extend(ours.leaves.iter().map(|leaf| leaf.kind));
        contracts += ours.contract_held.iter().filter(|held| held.leaf.recipient != held.holder).count();
        inconsistent += counted["inconsistent"].as_array().unwrap().len();
        assert!(ours.leaves.iter().all(|leaf| leaf.recipient != Address::ZERO));
    }
    assert_eq!(kinds.len(), AssetKind::ALL.len(), "only {kinds:?}");
    assert!(contracts > 0, "no contract had a beneficiary");
    assert!(inconsistent > 0, "no contract lied");
}
