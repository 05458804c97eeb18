//! Following L1 through reorganisations and failures.

use std::time::Duration;

use mayfly_l1::{Anvil, BlockRef, BlockTag, FollowEvent, FollowerConfig, L1Client, L1Error, L1Follower, TxIntent};
use mayfly_proxy::{Fault, Proxy};
use serde_json::json;

use super::{EMITTER, anvil, deploy, impatient, quick, sender};

async fn drain(follower: &mut L1Follower) -> Vec<FollowEvent> {
    let mut events = Vec::new();
    while let Some(event) = follower.try_next().await.unwrap() {
        events.push(event);
    }
    events
}

fn numbers(events: &[FollowEvent]) -> Vec<i64> {
    let number = |event: &FollowEvent| match event {
        FollowEvent::Block(block) => block.number as i64,
        FollowEvent::Reorg { common } => -(common.number as i64),
    };
    events.iter().map(number).collect()
}

async fn config(client: &L1Client, start: u64) -> FollowerConfig {
    let start = client.head(BlockTag::Number(start)).await.unwrap().block_ref();
    FollowerConfig { poll: Duration::from_millis(5), range: 3, memory: 8, ..FollowerConfig::new(start, Vec::new()) }
}

async fn set_up(start: u64, blocks: u64) -> (Anvil, L1Follower) {
    let anvil = anvil().await;
    anvil.mine(blocks, 1).await.unwrap();
    let follower = L1Follower::new(anvil.client(), config(&anvil.client(), start).await);
    (anvil, follower)
}

#[tokio::test]
async fn delivers_every_block_and_log_once_in_order() {
    let anvil = anvil().await;
    let sender = sender(&anvil, 0).await;
    let emitter = deploy(&sender, EMITTER).await;
    for byte in 0..5 {
        sender.send_and_confirm(&TxIntent::call(emitter, vec![byte]), &quick()).await.unwrap();
    }
    let mut config = config(&anvil.client(), 1).await;
    config.addresses = vec![emitter];
    let mut follower = L1Follower::new(anvil.client(), config.clone());
    let events = drain(&mut follower).await;
    assert_eq!(numbers(&events), [1, 2, 3, 4, 5, 6]);
    let mut parent = None;
    for (number, event) in (1u64..).zip(events) {
        let FollowEvent::Block(block) = event else { panic!("a reorg") };
        assert!(parent.is_none_or(|parent| parent == block.parent_hash));
        parent = Some(block.hash);
        let data: Vec<_> = block.logs.iter().map(|log| log.data.data.to_vec()).collect();
        assert_eq!(data, if number < 2 { vec![] } else { vec![vec![number as u8 - 2]] });
    }
    config.topics = vec![alloy_primitives::B256::with_last_byte(0x2b)];
    for event in drain(&mut L1Follower::new(anvil.client(), config)).await {
        assert!(matches!(event, FollowEvent::Block(block) if block.logs.is_empty()));
    }
}

#[tokio::test]
async fn reports_a_reorg_once_and_goes_on_from_the_common_block() {
    let (anvil, mut follower) = set_up(1, 10).await;
    assert_eq!(numbers(&drain(&mut follower).await), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let old = follower.position().unwrap();
    // Same height, other blocks.
    anvil.reorg(5).await.unwrap();
    assert_eq!(numbers(&drain(&mut follower).await), [-5, 6, 7, 8, 9, 10]);
    assert_ne!(follower.position().unwrap(), old);
    // More blocks than before.
    anvil.reorg(2).await.unwrap();
    anvil.mine(3, 1).await.unwrap();
    assert_eq!(numbers(&drain(&mut follower).await), [-8, 9, 10, 11, 12, 13]);
    // Fewer blocks: those that are left are known, so nothing is wrong until the chain grows.
    let _: serde_json::Value = anvil.client().request("anvil_rollback", json!([3])).await.unwrap();
    assert_eq!(numbers(&drain(&mut follower).await), Vec::<i64>::new());
    anvil.mine(2, 2).await.unwrap();
    assert_eq!(numbers(&drain(&mut follower).await), [-10, 11, 12]);
}

#[tokio::test]
async fn a_reorg_before_delivery_goes_unnoticed() {
    let (anvil, mut follower) = set_up(1, 3).await;
    assert_eq!(numbers(&[follower.try_next().await.unwrap().unwrap()]), [1]);
    anvil.reorg(2).await.unwrap();
    anvil.mine(1, 1).await.unwrap();
    // Blocks 2 and 3 were read ahead and are delivered; then the reorg is seen.
    let events = numbers(&drain(&mut follower).await);
    assert_eq!(events, [2, 3, -1, 2, 3, 4]);
}

#[tokio::test]
async fn a_block_that_was_put_back_is_delivered_again_or_what_stands_in_its_place() {
    let (anvil, mut follower) = set_up(1, 6).await;
    let mut next = async || follower.try_next().await.map(|event| numbers(&event.into_iter().collect::<Vec<_>>()));
    assert_eq!(next().await.unwrap(), [1]);
    follower.put_back();
    let mut next = async || follower.try_next().await.map(|event| numbers(&event.into_iter().collect::<Vec<_>>()));
    assert_eq!(next().await.unwrap(), [1], "also the first one");
    assert_eq!([next().await.unwrap(), next().await.unwrap(), next().await.unwrap()].concat(), [2, 3, 4]);
    anvil.reorg(3).await.unwrap();
    follower.put_back();
    let events = drain(&mut follower).await;
    assert_eq!(numbers(&events), [4, 5, 6], "no reorganisation: it had not been dealt with");
    let FollowEvent::Block(block) = &events[0] else { panic!() };
    assert_eq!(anvil.client().head(BlockTag::Number(4)).await.unwrap().hash(), block.hash);
}

#[tokio::test]
async fn refuses_a_reorg_deeper_than_its_memory_or_its_start() {
    let (anvil, mut follower) = set_up(1, 20).await;
    drain(&mut follower).await;
    anvil.reorg(12).await.unwrap();
    let error = follower.try_next().await.unwrap_err();
    assert!(matches!(error, L1Error::ReorgTooDeep { limit: 8 }));
    assert!(!error.is_temporary());

    let (anvil, mut follower) = set_up(5, 8).await;
    drain(&mut follower).await;
    anvil.reorg(6).await.unwrap();
    assert!(matches!(follower.try_next().await, Err(L1Error::StartReplaced { number: 5, .. })));

    let start = BlockRef { number: 2, hash: alloy_primitives::B256::ZERO };
    let mut follower = L1Follower::new(anvil.client(), FollowerConfig::new(start, Vec::new()));
    assert!(matches!(follower.try_next().await, Err(L1Error::StartReplaced { number: 2, .. })));
}

#[tokio::test]
async fn goes_on_after_failures_where_it_was() {
    let anvil = anvil().await;
    anvil.mine(6, 1).await.unwrap();
    let proxy = Proxy::start(anvil.url()).await;
    let client = impatient(std::slice::from_ref(&proxy.url));
    let mut follower = L1Follower::new(client.clone(), config(&client, 1).await);
    for expected in 1..=3 {
        assert_eq!(numbers(&[follower.next().await.unwrap()]), [expected]);
    }
    for fault in [
        Fault::Hangup,
        Fault::Status(502),
        Fault::Lie("eth_getBlockByNumber", |answer| {
            answer["result"]["stateRoot"] = json!(alloy_primitives::B256::ZERO);
        }),
    ] {
        proxy.set(fault);
        assert!(follower.next().await.unwrap_err().is_temporary());
    }
    proxy.set(Fault::None);
    for expected in 4..=6 {
        assert_eq!(numbers(&[follower.next().await.unwrap()]), [expected]);
    }
    // A task delivers the same, errors included, and ends with its token.
    let stop = tokio_util::sync::CancellationToken::new();
    let config = config(&client, 1).await;
    let mut events = L1Follower::new(client, config).spawn(stop.clone());
    assert!(matches!(events.recv().await, Some(Ok(FollowEvent::Block(block))) if block.number == 1));
    proxy.set(Fault::Hangup);
    while let Some(event) = events.recv().await {
        if event.is_err_and(|error| error.is_temporary()) {
            break;
        }
    }
    stop.cancel();
    while events.recv().await.is_some() {}
}

#[tokio::test]
async fn an_endpoint_that_lags_is_no_reorg() {
    let (anvil, mut follower) = set_up(1, 6).await;
    drain(&mut follower).await;
    // The endpoint forgets everything above block 4 but keeps its history.
    let snapshot = anvil.client().head(BlockTag::Number(4)).await.unwrap();
    let _: serde_json::Value = anvil.client().request("anvil_rollback", json!([2])).await.unwrap();
    assert_eq!(anvil.client().head(BlockTag::Latest).await.unwrap(), snapshot);
    assert!(follower.try_next().await.unwrap().is_none());
    assert_eq!(follower.position().unwrap().number, 6);
}
