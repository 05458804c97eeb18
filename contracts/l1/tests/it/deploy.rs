//! Contracts deployed, rollups created, found again, and their logs decoded.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, SolEvent};
use mayfly_contracts::{
    factory::RollupFactory::{self, RollupCreated, Windows},
    inbox::Inbox::{self, InboxEvents},
    types::{Allocation, Config},
};
use mayfly_l1::{
    Anvil, BlockTag, Creation, FollowEvent, FollowerConfig, L1Error, L1Follower, RollupEvent, Sender, TxIntent,
    creation_payment,
};

use super::{anvil, quick, sender};

async fn config(anvil: &Anvil) -> Config {
    let now = anvil.client().head(BlockTag::Latest).await.unwrap().timestamp;
    Config {
        protocolVersion: 1,
        organiser: Anvil::key(1).address(),
        sequencer: Anvil::key(0).address(),
        receiptSigner: Anvil::key(2).address(),
        attesters: vec![Anvil::key(3).address()],
        quorum: 1,
        endTime: now + 3600,
        drain: 60,
        blockGasLimit: 1 << 26,
        blockTimeMs: 20,
        windows: Windows {
            forceWindow: 30,
            livenessWindow: 120,
            freezeDelay: 30,
            proposeWindow: 60,
            challengeWindow: 60,
            resolverTimeout: 60,
            escalationWindow: 60,
            maxOriginLag: 64,
            maxDrift: 600,
            ..Windows::default()
        },
        claimBond: U256::from(10),
        freezeBond: U256::from(10),
        attestationFee: U256::from(3),
        closeReward: U256::from(5),
        forceGasTarget: U256::from(1_000_000),
        ..Config::default()
    }
}

async fn create(anvil: &Anvil, sender: &Sender) -> Creation {
    let foundation = sender.deploy_foundation(B256::ZERO, &quick()).await.unwrap();
    let genesis = vec![Allocation { to: Address::repeat_byte(1), amount: U256::from(100) }];
    sender.create_rollup(foundation.factory, config(anvil).await, genesis, &quick()).await.unwrap()
}

#[tokio::test]
async fn a_rollup_is_found_by_its_address() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let created = create(&anvil, &sender).await;
    let nonce = sender.mined_nonce().await.unwrap();
    sender.deploy_foundation(B256::ZERO, &quick()).await.unwrap();
    assert_eq!(sender.mined_nonce().await.unwrap(), nonce, "nothing is deployed twice");
    anvil.mine(5, 1).await.unwrap();

    let client = anvil.client();
    let found = client.find_creation(created.rollup, Some(created.factory), 1000).await.unwrap();
    assert_eq!(found.genesis_claim(), created.genesis_claim());
    assert_eq!((found.header, found.settlement, found.vault), (created.header, created.settlement, created.vault));
    assert!(found.chain_id >= 1 << 44);
    let nobody = client.find_creation(Address::ZERO, None, 1000).await;
    assert!(matches!(nobody, Err(L1Error::NoRollup(_))));
    let too_long_ago = client.find_creation(created.rollup, None, 2).await;
    assert!(matches!(too_long_ago, Err(L1Error::NoRollup(_))));
}

/// Code that emits a log with whatever it is called with: three topics, then data.
fn forger() -> Vec<u8> {
    let mut code = vec![0x60, 96, 0x36, 0x03, 0x60, 96, 0x5f, 0x37]; // CALLDATACOPY of all but the topics
    code.extend([0x60, 64, 0x35, 0x60, 32, 0x35, 0x5f, 0x35]);
    code.extend([0x60, 96, 0x36, 0x03, 0x5f, 0xa3, 0x00]);
    [&[0x60, code.len() as u8, 0x60, 12, 0x60, 0, 0x39, 0x60, code.len() as u8, 0x60, 0, 0xf3][..], &code].concat()
}

fn forged(of: &Creation) -> Vec<u8> {
    let topics = [RollupCreated::SIGNATURE_HASH, of.rollup.into_word(), B256::from(U256::from(of.chain_id))];
    let body = (of.settlement, of.vault, of.config.clone(), of.genesis.clone());
    [topics.concat(), alloy_sol_types::SolValue::abi_encode_params(&body)].concat()
}

#[tokio::test]
async fn forged_creation_logs_lead_nobody_astray() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let created = create(&anvil, &sender).await;
    let forger = sender.deploy(&forger(), &[], &quick()).await.unwrap();
    // The true config, but contracts of the forger's; another config; another chain id; all true, but later.
    let mut forgeries = vec![created.clone(); 5];
    forgeries[0].settlement = forger;
    forgeries[1].vault = forger;
    forgeries[2].config.windows.maxDrift += 1;
    forgeries[3].chain_id += 1;
    for forgery in &forgeries {
        let intent = TxIntent::call(forger, forged(forgery));
        let receipt = sender.send_and_confirm(&intent, &quick()).await.unwrap();
        assert_eq!(receipt.inner.logs().len(), 1);
        let found = anvil.client().find_creation(created.rollup, None, 1000).await.unwrap();
        assert_eq!(
            (found.factory, found.settlement, found.vault),
            (created.factory, created.settlement, created.vault)
        );
        assert_eq!(found.genesis_claim(), created.genesis_claim());
        assert_eq!((found.header, found.chain_id), (created.header.clone(), created.chain_id));
    }
    let theirs = anvil.client().find_creation(created.rollup, Some(forger), 1000).await;
    assert!(matches!(theirs, Err(L1Error::NoRollup(_))), "{theirs:?}");
}

#[tokio::test]
async fn a_forged_log_beside_the_true_one_is_passed_over() {
    let anvil = anvil().await;
    let (client, creator, other) = (anvil.client(), sender(&anvil, 0).await, sender(&anvil, 9).await);
    creator.deploy_foundation(B256::ZERO, &quick()).await.unwrap();
    let forger = other.deploy(&forger(), &[], &quick()).await.unwrap();
    // What will be created is known from a try.
    let snapshot: serde_json::Value = client.request("evm_snapshot", serde_json::json!([])).await.unwrap();
    let created = create(&anvil, &creator).await;
    let _: bool = client.request("evm_revert", serde_json::json!([snapshot])).await.unwrap();
    let _: serde_json::Value = client.request("evm_setAutomine", serde_json::json!([false])).await.unwrap();
    let mut config = created.config.clone();
    config.chainId = 0;
    let genesis = created.genesis.clone();
    let payment = creation_payment(&config, &genesis).unwrap();
    let create = RollupFactory::createCall { config, genesis }.abi_encode();
    let mut forgery = created.clone();
    forgery.vault = forger;
    let intents = [
        (&creator, TxIntent::call(created.factory, create).with_value(payment)),
        (&other, TxIntent::call(forger, forged(&forgery))),
    ];
    for (sender, intent) in intents {
        let (nonce, fees) = (sender.mined_nonce().await.unwrap(), sender.suggest_fees().await.unwrap());
        let signed = sender.sign(&intent, nonce, 5_000_000, fees).await.unwrap();
        sender.broadcast(&signed.raw).await.unwrap();
    }
    anvil.mine(1, 1).await.unwrap();
    let found = client.find_creation(created.rollup, None, 1000).await.unwrap();
    assert_eq!((found.settlement, found.vault, found.factory), (created.settlement, created.vault, created.factory));
    let refused = client.find_creation(created.rollup, Some(forger), 1000).await.unwrap_err();
    assert!(matches!(refused, L1Error::NotThisRollup { factory, .. } if factory == forger), "{refused}");
}

#[tokio::test]
async fn batch_data_in_calldata_comes_back() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let created = create(&anvil, &sender).await;
    let deposit = Inbox::depositETHCall { to: Address::repeat_byte(2) };
    sender.transact(created.rollup, &deposit, U256::from(7), &quick()).await.unwrap();
    let origin = anvil.client().head(BlockTag::Latest).await.unwrap();
    let batch = Inbox::postBatchCall {
        seq: 1,
        parentHash: created.genesis_claim(),
        originNumber: origin.number,
        originHash: origin.hash(),
        queueUpTo: 1,
        codec: 2,
        extraRoot: B256::ZERO,
        data: vec![1, 2, 3].into(),
    };
    sender.transact(created.rollup, &batch, U256::ZERO, &quick()).await.unwrap();
    let start = created.header.block_ref();
    let config = FollowerConfig::new(start, created.contracts().addresses());
    let mut follower = L1Follower::new(anvil.client(), config);
    let mut events = Vec::new();
    while let Some(FollowEvent::Block(block)) = follower.try_next().await.unwrap() {
        for log in &block.logs {
            if let Some(event) = created.contracts().decode(log).unwrap() {
                events.push((event, log.tx_hash));
            }
        }
    }
    let [
        (RollupEvent::Inbox(InboxEvents::QueueItem(item)), _),
        (RollupEvent::Inbox(InboxEvents::BatchPosted(posted)), tx),
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((item.index, item.kind), (0, 0));
    let data_hash = posted.header.dataHash;
    let data = anvil.client().batch_calldata(created.rollup, *tx, data_hash).await.unwrap();
    assert_eq!(data.as_ref(), [1, 2, 3]);
    let other = anvil.client().batch_calldata(created.rollup, *tx, B256::ZERO).await;
    assert!(matches!(other, Err(L1Error::Inconsistent(_))));
    let elsewhere = anvil.client().batch_calldata(created.vault, *tx, data_hash).await;
    assert!(matches!(elsewhere, Err(L1Error::Inconsistent(_))));
}
