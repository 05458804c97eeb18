//! Blocks on their way to L1 and back.

use alloy_primitives::{Address, Bytes};
use mayfly_l1::{BlockTag, Key};
use mayfly_ledger::{BatchState, Stage};
use mayfly_sequencer::{Mode, Origin, PauseReason, SequencerHandle, SequencerSettings, SubmitError};

use super::env::{Env, PATIENCE, User, settings, until};

async fn pay(sequencer: &SequencerHandle, users: &mut [User]) {
    let raws: Vec<Bytes> = users.iter_mut().map(|user| user.pay(Address::repeat_byte(1), 0)).collect();
    for result in sequencer.submit(raws, Origin::Local).await {
        sequencer.wait_receipt(result.unwrap(), PATIENCE).await.unwrap();
    }
}

async fn round_trip(da: u8) {
    let env = Env::with(|config| config.daMode = da).await;
    let sequencer = env.sequencer(settings()).await;
    let mut users: Vec<User> = (0..20).map(|_| User::new(Key::random(), &env.info)).collect();
    for _ in 0..3 {
        pay(&sequencer, &mut users).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    }
    until("all on l1", || async { sequencer.status().unposted_blocks == 0 }).await;
    assert!(env.batch_count().await >= 2);
    let (derived, invalid, _) = env.derive_whole().await;
    assert_eq!(invalid, Vec::<String>::new());
    let head = sequencer.reader().head();
    assert_eq!((derived.len() as u64 - 1, derived.last()), (head.header.number, Some(&head.hash)));
    until("recorded", || async {
        let batches = env.ledger.batches(env.info.rollup, 1).await.unwrap();
        batches.len() as u64 == env.batch_count().await && batches.iter().all(|b| b.state != BatchState::Built)
    })
    .await;
    let batches = env.ledger.batches(env.info.rollup, 1).await.unwrap();
    assert_eq!(batches.last().unwrap().content.unwrap().last_block, head.header.number);
    if da != 0 {
        assert!(batches.iter().all(|b| b.fields.codec == da));
    }
    assert_eq!(env.ledger.stage(env.info.rollup).await.unwrap(), Some(Stage::Active));
    let status = sequencer.status();
    assert_eq!((status.lost_count, status.failure), (0, None));
    assert!(status.poster.balance_wei > 0);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_derived_to_the_same_blocks() {
    round_trip(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calldata_is_derived_to_the_same_blocks() {
    round_trip(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_where_it_was() {
    let env = Env::start().await;
    let mut users: Vec<User> = (0..5).map(|_| User::new(Key::random(), &env.info)).collect();
    let sequencer = env.sequencer(settings()).await;
    pay(&sequencer, &mut users).await;
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    pay(&sequencer, &mut users).await;
    let before = sequencer.reader().head();
    sequencer.shutdown().await;
    drop(sequencer);

    let sequencer = env.sequencer(settings()).await;
    assert_eq!(sequencer.reader().head().hash, before.hash, "nothing is built or lost by a restart");
    pay(&sequencer, &mut users).await;
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    let derived = env.derive().await;
    assert_eq!(derived.get(before.header.number as usize), Some(&before.hash));
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    assert_eq!(sequencer.status().lost_count, 0);
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn posting_that_stalls_pauses_with_a_reason_and_goes_on_by_itself() {
    let env = Env::start().await;
    let impatient = SequencerSettings { throttle_after_seconds: 3, pause_after_seconds: 6, ..settings() };
    let sequencer = env.sequencer(impatient).await;
    let mut users = vec![User::new(Key::random(), &env.info)];
    pay(&sequencer, &mut users).await;
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    env.stand_still().await;
    pay(&sequencer, &mut users).await;
    until("paused", || async { sequencer.status().pause.is_some() }).await;
    let status = sequencer.status();
    assert!(matches!(status.pause, Some(PauseReason::PostingStalled { max_seconds: 6, .. })), "{:?}", status.pause);
    assert_eq!((status.condition.state, status.condition.reason), (Mode::Paused, "posting-stalled"));
    assert!(status.condition.ends.starts_with("by itself"), "{}", status.condition);
    let raw = users[0].pay(Address::repeat_byte(1), 0);
    let refused = sequencer.submit_one(raw.clone(), Origin::Local).await.unwrap_err();
    assert!(matches!(&refused, SubmitError::Paused { reason } if reason.contains("unposted for")), "{refused}");
    env.go_on().await;
    until("building again", || async { sequencer.status().pause.is_none() }).await;
    let hash = sequencer.submit_one(raw, Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_reverted_is_posted_again_at_once() {
    let env = Env::with(|config| config.daMode = 2).await;
    let patient = SequencerSettings { max_unposted_seconds: 6, ..settings() };
    let sequencer = env.sequencer(patient).await;
    let (client, rollup, poster) = (env.anvil.client(), env.info.rollup, env.info.config.sequencer);
    let mut users = vec![User::new(Key::random(), &env.info)];
    pay(&sequencer, &mut users).await;
    let time = sequencer.reader().head().header.timestamp;
    // A batch does not hold blocks younger than L1's head.
    until("l1 is as late", || async { client.head(BlockTag::Latest).await.unwrap().timestamp > time }).await;
    env.stand_still().await;
    until("sent", || async { sequencer.status().poster.in_flight == Some(1) }).await;
    until("in l1's pool", || async {
        let content: serde_json::Value = client.request("txpool_status", serde_json::json!([])).await.unwrap();
        content["pending"] != "0x0"
    })
    .await;
    // L1 reverts it, though nothing is wrong with it.
    let code = client.code(rollup).await.unwrap();
    let set = async |code: &str| {
        let _: serde_json::Value = client.request("anvil_setCode", serde_json::json!([rollup, code])).await.unwrap();
    };
    set("0x5f5ffd").await;
    env.anvil.mine(1, 1).await.unwrap();
    set(&code.to_string()).await;
    assert_eq!((env.batch_count().await, client.nonce(poster, BlockTag::Latest).await.unwrap()), (0, 1));
    env.go_on().await;
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    assert_eq!((env.batch_count().await, client.nonce(poster, BlockTag::Latest).await.unwrap()), (1, 2));
    until("recorded", || async {
        let batches = env.ledger.batches(rollup, 1).await.unwrap();
        batches.len() == 1 && batches[0].state != BatchState::Built && batches[0].post.is_some()
    })
    .await;
    sequencer.shutdown().await;
}
