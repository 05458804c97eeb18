//! Contracts deployed, rollups created, found again, and their logs decoded.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolEvent;
use mayfly_contracts::{
    factory::RollupFactory::Windows,
    inbox::Inbox::{self, InboxEvents},
    types::{Allocation, Config},
};
use mayfly_l1::{Anvil, BlockTag, Creation, FollowEvent, FollowerConfig, L1Error, L1Follower, RollupEvent, Sender};

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
            forceWindow: 60,
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

#[tokio::test]
async fn a_log_about_another_config_is_refused() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let created = create(&anvil, &sender).await;
    // Emits whatever it is called with, under RollupCreated's topics.
    let topics = [created.chain_id.to_be_bytes().to_vec(), created.rollup.to_vec(), vec![]];
    let mut code = vec![0x36, 0x60, 0, 0x60, 0, 0x37];
    for (push, bytes) in [(0x67u8, &topics[0]), (0x73, &topics[1])] {
        code.push(push);
        code.extend(bytes);
    }
    code.push(0x7f);
    code.extend(mayfly_contracts::factory::RollupFactory::RollupCreated::SIGNATURE_HASH);
    code.extend([0x36, 0x60, 0, 0xa3, 0]);
    let init = [&[0x60, code.len() as u8, 0x60, 12, 0x60, 0, 0x39, 0x60, code.len() as u8, 0x60, 0, 0xf3][..], &code];
    let forger = sender.deploy(&init.concat(), &[], &quick()).await.unwrap();
    let mut config = created.config.clone();
    config.windows.maxDrift += 1;
    let body = (created.settlement, created.vault, config, created.genesis.clone());
    let body = alloy_sol_types::SolValue::abi_encode_params(&body);
    sender.send_and_confirm(&mayfly_l1::TxIntent::call(forger, body), &quick()).await.unwrap();
    let refused = anvil.client().find_creation(created.rollup, None, 1000).await.unwrap_err();
    assert!(matches!(refused, L1Error::NotThisRollup { factory, .. } if factory == forger), "{refused}");
    let found = anvil.client().find_creation(created.rollup, Some(created.factory), 1000).await.unwrap();
    assert_eq!(found.config.windows.maxDrift, created.config.windows.maxDrift);
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
