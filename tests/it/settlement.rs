//! Settlement is exact: what the node computes equals what an independent recount over JSON-RPC says, leaf by leaf.

use alloy_primitives::{Address, U256};
use mayfly_contracts::predeploys::{L2_MESSENGER, fixed_addresses};
use mayfly_e2e::history::{Asset, History};
use mayfly_e2e::program;
use mayfly_e2e::serve::Served;
use mayfly_rollup::Message;
use mayfly_rollup::settlement::{AssetKind, Leaf, Leaves, Tree, decode_message, leaves};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

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

/// What histories contained.
#[derive(Debug, Default)]
struct Shown {
    delegated: usize,
    without_beneficiary: usize,
    burnt: usize,
    failed_deposits: usize,
    withdrawals: BTreeSet<u8>,
}

impl Shown {
    fn add(&mut self, history: &History, ours: &Leaves) {
        let delegated = |leaf: &&Leaf| history.chain.code(&leaf.recipient).starts_with(&[0xef, 0x01, 0x00]);
        self.delegated += ours.leaves.iter().filter(delegated).count();
        self.without_beneficiary += ours.contract_held.iter().filter(|held| held.leaf.recipient == held.holder).count();
        self.burnt += history.tally.burnt;
        self.failed_deposits += history.tally.failed_deposits;
        self.withdrawals.extend(messages(history).iter().map(|message| message.kind));
    }
}

/// Everything the rollup sent to L1.
fn messages(history: &History) -> Vec<Message> {
    let reader = history.chain.reader();
    let blocks = (0..=history.chain.head().number()).map(|number| reader.block_by_number(number).unwrap().unwrap());
    let receipts = blocks.flat_map(|block| block.receipts.clone());
    let logs = receipts.flat_map(|receipt| receipt.logs);
    logs.filter_map(|log| decode_message(L2_MESSENGER, &log)).collect()
}

/// Leaves, withdrawals and what was sent out of everybody's reach are what the Vault keeps and what was born on the
/// rollup, for each asset.
fn check_sums(history: &History, ours: &Leaves) {
    let mut expected = history.tally.deposited.clone();
    let native = (AssetKind::Native, Address::ZERO);
    *expected.entry(native).or_default() += history.info.genesis.iter().map(|row| row.amount).sum::<U256>();
    let settles =
        |asset: &Asset| ours.leaves.iter().any(|leaf| leaf.kind == AssetKind::Description && leaf.token == asset.1);
    expected.extend(history.tally.born.iter().filter(|(asset, _)| settles(asset)));

    let mut found: BTreeMap<Asset, U256> = BTreeMap::new();
    let mut add = |kind, token, amount| *found.entry((kind, token)).or_default() += amount;
    ours.leaves.iter().for_each(|leaf| add(leaf.kind, leaf.token, leaf.amount));
    for message in messages(history) {
        match AssetKind::from_number(message.kind) {
            // Withdrawn currency is the bridge's, which is counted below.
            Some(AssetKind::Native | AssetKind::Description) | None => {}
            Some(kind) => add(kind, message.token, if kind == AssetKind::Erc721 { U256::ONE } else { message.amount }),
        }
    }
    let mut lost = fixed_addresses().to_vec();
    lost.push(Address::ZERO);
    for address in &lost {
        add(native.0, native.1, history.chain.account(address).map_or(U256::ZERO, |account| account.balance));
    }
    history.chain.fold().for_each(|contract, _, _, holder, amount| {
        if let Some((kind, token)) = history.asset(contract).filter(|_| lost.contains(&holder)) {
            add(kind, token, amount);
        }
    });
    for (asset, amount) in expected {
        assert_eq!(found.get(&asset).copied().unwrap_or_default(), amount, "{asset:?}");
    }
}

/// Histories must show every kind of leaf, or they prove less than they seem to.
#[tokio::test]
async fn random_histories_settle_as_an_independent_recount_says() {
    let mut kinds = BTreeSet::new();
    let mut contracts = 0;
    let mut inconsistent = 0;
    let mut held_by_honest = 0;
    let mut shown = Shown::default();
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

        held_by_honest += history.compare_fold_with_tokens();
        shown.add(&history, &ours);
        check_sums(&history, &ours);
        kinds.extend(ours.leaves.iter().map(|leaf| leaf.kind));
        contracts += ours.contract_held.iter().filter(|held| held.leaf.recipient != held.holder).count();
        inconsistent += counted["inconsistent"].as_array().unwrap().len();
        assert!(ours.leaves.iter().all(|leaf| leaf.recipient != Address::ZERO));
    }
    assert_eq!(kinds.len(), AssetKind::ALL.len(), "only {kinds:?}");
    assert!(contracts > 0, "no contract had a beneficiary");
    assert!(inconsistent > 0, "no contract lied");
    assert!(held_by_honest > 100, "only {held_by_honest} balances");
    let Shown { delegated, without_beneficiary, burnt, failed_deposits, withdrawals } = &shown;
    assert!([delegated, without_beneficiary, burnt, failed_deposits].iter().all(|count| **count > 0), "{shown:?}");
    assert_eq!(withdrawals.iter().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 6], "kinds of messages");
}
