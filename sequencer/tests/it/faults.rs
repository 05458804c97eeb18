//! An L1 endpoint that errs, lags, forgets and lies: the sequencer recovers, or pauses with a reason, and never builds or
//! posts what derivation would not.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use mayfly_l1::{BlockTag, Key};
use mayfly_proxy::{Fault, HeadLie, Proxy, make_up_time};
use mayfly_sequencer::{Origin, PauseReason, SequencerHandle, SequencerSettings, SubmitError};

use super::env::{Env, PATIENCE, User, run, settings, until};

/// Where blobs are not the point: their proofs take a busy machine many seconds.
const CALLDATA: u8 = 2;

async fn env() -> (Env, Proxy, SequencerHandle) {
    with(settings()).await
}

async fn with(settings: SequencerSettings) -> (Env, Proxy, SequencerHandle) {
    let env = Env::with(|config| config.daMode = CALLDATA).await;
    let proxy = Proxy::start(env.anvil.url()).await;
    let sequencer = run(&env.info, &proxy.url, env.ledger.clone(), env.dir.path(), settings).await;
    (env, proxy, sequencer)
}

/// Goes on paying until L1 has got so many blocks further; what was answered.
async fn pay_for(env: &Env, sequencer: &SequencerHandle, blocks: u64) -> Vec<B256> {
    let mut users: Vec<User> = (0..3).map(|_| User::new(Key::random(), &env.info)).collect();
    let mut answered = Vec::new();
    let l1 = env.anvil.client();
    let end = l1.head(BlockTag::Latest).await.unwrap().number + blocks;
    while l1.head(BlockTag::Latest).await.unwrap().number < end {
        for user in &mut users {
            let raw = user.pay(Address::repeat_byte(1), 0);
            match sequencer.submit_one(raw, Origin::Local).await {
                Ok(hash) => answered.extend(sequencer.wait_receipt(hash, PATIENCE).await.is_ok().then_some(hash)),
                Err(_) => user.nonce -= 1,
            }
        }
    }
    answered
}

/// With an honest L1 again: everything answered is there and posted once, as derivation has it.
async fn recovers(env: &Env, proxy: &Proxy, sequencer: &SequencerHandle, answered: &[B256]) {
    proxy.set(Fault::None);
    until("building and posted", || async {
        let status = sequencer.status();
        assert_eq!(status.failure, None);
        status.pause.is_none() && status.rescued == 0 && status.unposted_blocks == 0
    })
    .await;
    let status = sequencer.status();
    assert_eq!((status.lost_count, status.lost), (0, Vec::new()));
    assert!(!answered.is_empty() && answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    let (derived, invalid, _) = env.derive_whole().await;
    assert_eq!(invalid, Vec::<String>::new());
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    let sent = env.anvil.client().nonce(env.info.config.sequencer, BlockTag::Latest).await.unwrap();
    assert_eq!(sent, env.batch_count().await, "transactions sent, and batches");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_endpoint_costs_time_and_nothing_else() {
    let (env, proxy, sequencer) = env().await;
    let script = vec![
        (8, Fault::Hangup),
        (5, Fault::Status(500)),
        (5, Fault::Status(429)),
        (5, Fault::Error(-32_005, "limit exceeded")),
        (4, Fault::Garbage("[[[[")),
        (5, Fault::Truncate),
        (8, Fault::Twice),
        (5, Fault::Delay(Duration::from_millis(300))),
    ];
    proxy.script(1, script);
    let answered = pay_for(&env, &sequencer, 10).await;
    recovers(&env, &proxy, &sequencer, &answered).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_about_the_head_move_nothing() {
    let (env, proxy, sequencer) = env().await;
    let script = vec![
        (15, Fault::Lag(1)),
        (10, Fault::Lag(3)),
        (10, Fault::Head(HeadLie::Unknown)),
        (10, Fault::Head(HeadLie::Future)),
        (15, Fault::Head(HeadLie::Back)),
    ];
    proxy.script(2, script);
    let answered = pay_for(&env, &sequencer, 12).await;
    recovers(&env, &proxy, &sequencer, &answered).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_mempool_is_filled_again() {
    let (env, proxy, sequencer) = env().await;
    proxy.set(Fault::Forget);
    let answered = pay_for(&env, &sequencer, 5).await;
    assert_eq!(env.batch_count().await, 0, "nothing arrived");
    recovers(&env, &proxy, &sequencer, &answered).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_posted_pauses_with_the_reason_and_goes_on() {
    let short = SequencerSettings { throttle_after_seconds: 3, pause_after_seconds: 5, ..settings() };
    let (env, proxy, sequencer) = with(short).await;
    let mut user = User::new(Key::random(), &env.info);
    let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    proxy.set(Fault::Status(503));
    until("paused", || async {
        matches!(sequencer.status().pause, Some(PauseReason::PostingStalled { .. } | PauseReason::OriginTooOld { .. }))
    })
    .await;
    let status = sequencer.status();
    assert!(status.pause_reason.is_some_and(|reason| reason.contains("503")), "{:?}", status.pause);
    let refused = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await;
    assert!(matches!(refused, Err(SubmitError::Paused { .. })), "{refused:?}");
    recovers(&env, &proxy, &sequencer, &[hash]).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_a_made_up_time_is_not_believed() {
    is_not_believed(Fault::Lie("eth_getBlockByNumber", make_up_time)).await;
}

/// The second batch does not follow the first: no Inbox took it.
#[tokio::test(flavor = "multi_thread")]
async fn a_block_of_made_up_logs_is_not_believed() {
    is_not_believed(Fault::LogTwice).await;
}

async fn is_not_believed(lie: Fault) {
    let (env, proxy, sequencer) = env().await;
    let l1 = env.anvil.client();
    let empty = l1.head(BlockTag::Latest).await.unwrap().number + 2;
    until("blocks are empty", || async { sequencer.status().l1_head >= empty }).await;
    proxy.set(lie);
    let mut user = User::new(Key::random(), &env.info);
    let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    until("posted", || async { env.batch_count().await > 0 }).await;
    let later = l1.head(BlockTag::Latest).await.unwrap().number + 3;
    until("l1 has gone on", || async { l1.head(BlockTag::Latest).await.unwrap().number >= later }).await;
    let status = sequencer.status();
    assert_eq!((status.failure, status.posted.number), (None, 0), "the block that holds the batch is not believed");
    recovers(&env, &proxy, &sequencer, &[hash]).await;
    sequencer.shutdown().await;
}
