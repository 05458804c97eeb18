//! The process dies at a named point; what it answered is there afterwards, and nothing is posted twice.
//!
//! The process that dies is this test binary again, running [`child`] alone.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{BlockTag, Key};
use mayfly_ledger::Ledger;
use mayfly_rollup::RollupInfo;
use mayfly_sequencer::{Origin, SequencerHandle, SequencerSettings, Stage};

use super::env::{Env, FORCE_WINDOW, PATIENCE, User, quick, run, settings, until};

const WORLD: &str = "MAYFLY_TEST_WORLD";
/// Where blobs are not the point: their proofs take a busy machine many seconds.
const CALLDATA: u8 = 2;

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
    // At the end, time enough for the last batch on a busy machine.
    let settings = SequencerSettings {
        ignore_forced: ignores,
        max_unposted_seconds: unposted,
        post_margin_seconds: 10,
        ..settings()
    };
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

/// The process that dies, and what it answered so far.
struct Child {
    process: std::process::Child,
    answered: Arc<Mutex<Vec<B256>>>,
}

impl Child {
    /// Starts one that will die at `point`.
    fn start(env: &Env, point: &str, ignores: bool) -> Self {
        let dir = env.dir.path().display().to_string();
        let info = env.info.to_json().unwrap();
        let world = [env.anvil.url(), &env.database, &dir, if ignores { "true" } else { "false" }, &info].join("\n");
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture"])
            .env(WORLD, world)
            .env("MAYFLY_FAIL_AT", point)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let answered = Arc::<Mutex<Vec<B256>>>::default();
        let (lines, into) = (BufReader::new(process.stdout.take().unwrap()).lines(), Arc::clone(&answered));
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock()
                    .unwrap()
                    .extend(line.split_once("answered ").map(|(_, hash)| hash.trim().parse::<B256>().unwrap()));
            }
        });
        Self { process, answered }
    }

    fn count(&self) -> usize {
        self.answered.lock().unwrap().len()
    }

    /// Waits for the death; what had been answered by then.
    async fn answered(mut self) -> Vec<B256> {
        let mut status = None;
        until("the death", || {
            status = self.process.try_wait().unwrap();
            std::future::ready(status.is_some())
        })
        .await;
        let status = status.unwrap();
        assert!(std::os::unix::process::ExitStatusExt::signal(&status).is_some(), "it ended by itself: {status}");
        // The reader ends with the pipe, and lets go of its half then.
        until("the last answer", || std::future::ready(Arc::strong_count(&self.answered) == 1)).await;
        std::mem::take(&mut *self.answered.lock().unwrap())
    }
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
    assert_eq!(sent, env.batch_count().await, "transactions sent, and batches");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_an_answer() {
    let env = Env::with(|config| config.daMode = CALLDATA).await;
    let answered = Child::start(&env, "after-answer:12", false).answered().await;
    assert!(answered.len() >= 8);
    let sequencer = recover(&env, &answered).await;
    assert_posted_once(&env).await;
    sequencer.shutdown().await;
}

async fn dies_posting(point: &str) {
    let env = Env::start().await;
    let answered = Child::start(&env, point, false).answered().await;
    let sequencer = recover(&env, &answered).await;
    assert_posted_once(&env).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_record_and_broadcast() {
    dies_posting("post-recorded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_broadcast_and_its_record() {
    dies_posting("post-broadcast").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_second_broadcast() {
    dies_posting("post-broadcast:2").await;
}

async fn dies_giving_way(point: &str) {
    let env = Env::with(|config| config.daMode = CALLDATA).await;
    let anybody = env.sender(5).await;
    let raw = User::new(Key::random(), &env.info).pay(Address::repeat_byte(7), 0);
    let call = Inbox::forceTransactionCall { raw, gasLimit: 21_000 };
    let fee = U256::from(10).pow(U256::from(17));
    let item = anybody.transact(env.info.rollup, &call, fee, &quick()).await.unwrap().block_number.unwrap();
    let child = Child::start(&env, point, true);
    let overdue = env.anvil.client().head(BlockTag::Number(item)).await.unwrap().timestamp + FORCE_WINDOW + 1;
    until("answers, and the item is overdue", || async {
        let now = env.anvil.client().head(BlockTag::Latest).await.unwrap().timestamp;
        now > overdue && child.count() >= 4
    })
    .await;
    let batch = Inbox::postForcedBatchCall { originNumber: item, queueUpTo: 1 };
    anybody.transact(env.info.rollup, &batch, U256::ZERO, &quick()).await.unwrap();
    let answered = child.answered().await;
    let sequencer = recover(&env, &answered).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_once_the_rescue_is_saved() {
    dies_giving_way("rescue-saved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_once_blocks_are_reverted() {
    dies_giving_way("reverted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_once_others_are_derived() {
    dies_giving_way("derived").await;
}

async fn dies_closing(point: &str) {
    let env = Env::with(|config| (config.drain, config.daMode) = (30, CALLDATA)).await;
    let organiser = env.sender(0).await;
    organiser.transact(env.info.rollup, &Inbox::endEarlyCall {}, U256::ZERO, &quick()).await.unwrap();
    let answered = Child::start(&env, point, false).answered().await;
    assert!(!answered.is_empty());
    let sequencer = env.sequencer(settings()).await;
    until("closed", || async { sequencer.status().stage == Stage::Closed }).await;
    let (derived, invalid, closed) = env.derive_whole().await;
    assert_eq!((invalid, closed), (Vec::new(), true));
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    let lost = sequencer.status().lost;
    assert!(lost.is_empty(), "{lost:?}");
    assert!(answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    assert_posted_once(&env).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_close_is_derived() {
    dies_closing("closing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_before_the_close_is_recorded() {
    dies_closing("closed").await;
}
