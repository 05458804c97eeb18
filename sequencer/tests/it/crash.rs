//! The process dies at a named point; what it answered is there afterwards, and nothing is posted twice.
//!
//! The process that dies is this test binary again, running [`child`] alone.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use alloy_primitives::{Address, B256, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{BlockTag, Key};
use mayfly_ledger::Ledger;
use mayfly_rollup::RollupInfo;
use mayfly_sequencer::{Origin, SequencerHandle, SequencerSettings, Stage};

use super::env::{Env, PATIENCE, User, quick, run, settings, until};

const WORLD: &str = "MAYFLY_TEST_WORLD";

/// Runs in the process that dies: answers transactions, printing each answer, until it is no more.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(world) = std::env::var(WORLD) else { return };
    let mut lines = world.split('\n');
    let mut next = || lines.next().unwrap().to_owned();
    let (url, database, dir, ignores) = (next(), next(), PathBuf::from(next()), next() == "true");
    let info = Arc::new(RollupInfo::from_json(&next()).unwrap());
    let ledger = Ledger::connect(&database).await.unwrap();
    let unposted = if ignores { 100 } else { 1 };
    let settings = SequencerSettings { ignore_forced: ignores, max_unposted_seconds: unposted, ..settings() };
    let sequencer = run(&info, &url, ledger, &dir, settings).await;
    let mut users: Vec<User> = (0..4).map(|_| User::new(Key::random(), &info)).collect();
    loop {
        for user in &mut users {
            let raw = user.pay(Address::repeat_byte(1), 0);
            match sequencer.submit_one(raw, Origin::Local).await {
                Ok(hash) if sequencer.wait_receipt(hash, PATIENCE).await.is_ok() => println!("answered {hash}"),
                _ => {}
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

/// Lets a child die at `point`; what it had answered.
async fn die_at(env: &Env, point: &str, ignores: bool) -> Vec<B256> {
    let dir = env.dir.path().display().to_string();
    let info = env.info.to_json().unwrap();
    let world = [env.anvil.url(), &env.database, &dir, if ignores { "true" } else { "false" }, &info].join("\n");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(WORLD, world)
        .env("MAYFLY_FAIL_AT", point)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        let answered = lines.filter_map(|line| line.split_once("answered ")?.1.trim().parse().ok()).collect();
        let status = child.wait().unwrap();
        assert!(std::os::unix::process::ExitStatusExt::signal(&status).is_some(), "it ended by itself: {status}");
        answered
    })
    .await
    .unwrap()
}

/// Goes on after the death, and checks that all is there, posted once.
async fn recover(env: &Env, answered: &[B256]) -> SequencerHandle {
    assert!(!answered.is_empty());
    let sequencer = env.sequencer(settings()).await;
    until("all answers are there and on l1", || async {
        let status = sequencer.status();
        status.unposted_blocks == 0 && status.rescued == 0 && answered.iter().all(|h| sequencer.find(*h).is_some())
    })
    .await;
    assert_eq!(sequencer.status().lost_count, 0);
    let (derived, invalid, _) = env.derive_whole().await;
    assert_eq!(invalid, Vec::<String>::new());
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    sequencer
}

/// One transaction a batch, and no other.
async fn assert_posted_once(env: &Env) {
    let poster = env.info.config.sequencer;
    let sent = env.anvil.client().nonce(poster, BlockTag::Latest).await.unwrap();
    assert_eq!(sent, env.batch_count().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_an_answer() {
    let env = Env::start().await;
    let answered = die_at(&env, "after-answer:12", false).await;
    assert!(answered.len() >= 8);
    let sequencer = recover(&env, &answered).await;
    assert_posted_once(&env).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_around_a_broadcast() {
    for point in ["post-recorded", "post-broadcast", "post-broadcast:2"] {
        let env = Env::start().await;
        let answered = die_at(&env, point, false).await;
        let sequencer = recover(&env, &answered).await;
        assert_posted_once(&env).await;
        sequencer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_giving_way() {
    for point in ["rescue-saved", "reverted", "derived"] {
        let env = Env::start().await;
        let anybody = env.sender(5).await;
        let raw = User::new(Key::random(), &env.info).pay(Address::repeat_byte(7), 0);
        let call = Inbox::forceTransactionCall { raw, gasLimit: 21_000 };
        let fee = U256::from(10).pow(U256::from(17));
        let item = anybody.transact(env.info.rollup, &call, fee, &quick()).await.unwrap().block_number.unwrap();
        let (answered, ()) = tokio::join!(die_at(&env, point, true), async {
            // Some time to answer in, and for the item to become overdue.
            tokio::time::sleep(std::time::Duration::from_secs(12)).await;
            let batch = Inbox::postForcedBatchCall { originNumber: item, queueUpTo: 1 };
            anybody.transact(env.info.rollup, &batch, U256::ZERO, &quick()).await.unwrap();
        });
        let sequencer = recover(&env, &answered).await;
        sequencer.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_closing() {
    for point in ["closing", "closed"] {
        let env = Env::with(|config| config.drain = 25).await;
        let organiser = env.sender(0).await;
        organiser.transact(env.info.rollup, &Inbox::endEarlyCall {}, U256::ZERO, &quick()).await.unwrap();
        let answered = die_at(&env, point, false).await;
        let sequencer = env.sequencer(settings()).await;
        until("closed", || async { sequencer.status().stage == Stage::Closed }).await;
        let (derived, _, closed) = env.derive_whole().await;
        assert!(closed);
        assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
        // What was answered is on L1, or was reported.
        let lost = sequencer.status().lost;
        let known = |hash: &B256| sequencer.find(*hash).is_some() || lost.iter().any(|l| l.hash == *hash);
        assert!(answered.iter().all(known), "{lost:?}");
        sequencer.shutdown().await;
    }
}
