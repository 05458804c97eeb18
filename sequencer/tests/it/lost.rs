//! What is left when a directory or a database is gone.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use mayfly_l1::{BlockTag, Key};
use mayfly_ledger::Ledger;
use mayfly_sequencer::{Mode, Origin, SequencerHandle, SequencerSettings};

use super::env::{Env, PATIENCE, User, row, run, settings, until};

async fn pay(sequencer: &SequencerHandle, user: &mut User) -> B256 {
    let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    hash
}

async fn all_posted(sequencer: &SequencerHandle) {
    until("posted", || async {
        let status = sequencer.status();
        assert_eq!(status.failure, None);
        status.condition.state == Mode::Building && status.unposted_blocks == 0
    })
    .await;
}

/// Posts nothing by itself.
fn patient() -> SequencerSettings {
    SequencerSettings { max_unposted_seconds: 100, ..settings() }
}

impl Env {
    /// A data directory in place of the lost one.
    fn other_dir(&self) -> PathBuf {
        self.dir.path().join("other")
    }

    /// An empty database in place of the lost one, which knows the rollup.
    async fn other_ledger(&self) -> Ledger {
        let ledger = Ledger::connect(&self.other_database().await).await.unwrap();
        ledger.insert_rollup(&row(&self.info)).await.unwrap();
        ledger
    }

    async fn start_with(&self, ledger: &Ledger, dir: PathBuf, settings: SequencerSettings) -> SequencerHandle {
        run(&self.info, self.anvil.url(), ledger.clone(), &dir, settings).await
    }

    async fn posted_once(&self) {
        let sent = self.anvil.client().nonce(self.info.config.sequencer, BlockTag::Latest).await.unwrap();
        assert_eq!(sent, self.batch_count().await, "transactions sent, and batches");
    }

    async fn derives_to(&self, sequencer: &SequencerHandle) {
        let (derived, invalid, _) = self.derive_whole().await;
        assert_eq!(invalid, Vec::<String>::new());
        assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    }
}

async fn stop(sequencer: SequencerHandle) {
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_data_directory_is_derived_again_and_what_was_lost_is_said() {
    let env = Env::start().await;
    let mut user = User::new(Key::random(), &env.info);
    let sequencer = env.sequencer(settings()).await;
    let mut posted = vec![pay(&sequencer, &mut user).await, pay(&sequencer, &mut user).await];
    all_posted(&sequencer).await;
    stop(sequencer).await;
    // Answered, and in no batch.
    let sequencer = env.sequencer(patient()).await;
    let kept = sequencer.reader().head();
    let lost = [pay(&sequencer, &mut user).await, pay(&sequencer, &mut user).await, pay(&sequencer, &mut user).await];
    let head = sequencer.reader().head();
    until("the ledger knows", || async {
        env.ledger.answered(env.info.rollup).await.unwrap().is_some_and(|answered| answered.hash == head.hash)
    })
    .await;
    stop(sequencer).await;

    let sequencer = env.start_with(&env.ledger, env.other_dir(), settings()).await;
    until("building", || async { sequencer.status().condition.state == Mode::Building }).await;
    let status = sequencer.status();
    let [said] = status.lost_answers.as_slice() else { panic!("{:?}", status.lost_answers) };
    assert_eq!((said.first_block, said.last_block), (kept.header.number + 1, head.header.number));
    assert_eq!(said.transactions, 3);
    assert!(posted.iter().all(|hash| sequencer.find(*hash).is_some()));
    assert!(lost.iter().all(|hash| sequencer.find(*hash).is_none()));
    // The sender's nonce is what it was before.
    user.nonce -= 3;
    posted.push(pay(&sequencer, &mut user).await);
    all_posted(&sequencer).await;
    env.derives_to(&sequencer).await;
    env.posted_once().await;
    stop(sequencer).await;

    // Said for ever, and once.
    let sequencer = env.start_with(&env.ledger, env.other_dir(), settings()).await;
    assert_eq!(sequencer.status().lost_answers, [*said]);
    assert!(posted.iter().all(|hash| sequencer.find(*hash).is_some()));
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_the_outbox_brings_lost_blocks_back() {
    let env = Env::start().await;
    let mut user = User::new(Key::random(), &env.info);
    let sequencer = env.sequencer(SequencerSettings { max_unposted_seconds: 4, ..settings() }).await;
    pay(&sequencer, &mut user).await;
    all_posted(&sequencer).await;
    env.stand_still().await;
    let answered = [pay(&sequencer, &mut user).await, pay(&sequencer, &mut user).await];
    let head = sequencer.reader().head();
    env.tick_after(head.header.timestamp).await;
    until("in the outbox, with all", || async {
        let last = env.ledger.last_batch(env.info.rollup).await.unwrap().unwrap();
        last.fields.seq == 2 && last.content.unwrap().last_block == head.header.number
    })
    .await;
    stop(sequencer).await;
    // The pool has forgotten it, too.
    let _: serde_json::Value =
        env.anvil.client().request("anvil_dropAllTransactions", serde_json::json!([])).await.unwrap();

    let sequencer = env.start_with(&env.ledger, env.other_dir(), settings()).await;
    let condition = sequencer.status().condition;
    assert_eq!((condition.state, condition.reason), (Mode::Paused, "restoring"), "{condition}");
    assert!(condition.ends.contains("batch 2"), "{condition}");
    env.go_on().await;
    all_posted(&sequencer).await;
    assert_eq!(sequencer.reader().block_by_number(head.header.number).unwrap().unwrap().hash, head.hash);
    assert!(answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    assert_eq!(sequencer.status().lost_answers, []);
    pay(&sequencer, &mut user).await;
    all_posted(&sequencer).await;
    env.derives_to(&sequencer).await;
    env.posted_once().await;
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_posts_nothing_twice() {
    let env = Env::start().await;
    let mut user = User::new(Key::random(), &env.info);
    let sequencer = env.sequencer(settings()).await;
    pay(&sequencer, &mut user).await;
    all_posted(&sequencer).await;
    // One batch waits in L1's pool.
    env.stand_still().await;
    let waiting = pay(&sequencer, &mut user).await;
    env.tick_after(sequencer.reader().head().header.timestamp).await;
    until("in l1's pool", || async { env.pooled().await == 1 }).await;
    stop(sequencer).await;

    let ledger = env.other_ledger().await;
    let sequencer = env.start_with(&ledger, env.dir.path().to_owned(), settings()).await;
    until("on its way again", || async { sequencer.status().poster.in_flight == Some(2) }).await;
    assert_eq!(env.pooled().await, 1, "in place of the one that waits");
    env.go_on().await;
    all_posted(&sequencer).await;
    assert_eq!(env.batch_count().await, 2);
    // Mined and forgotten, that is, in no ledger, is the other way for a batch to be there already.
    pay(&sequencer, &mut user).await;
    all_posted(&sequencer).await;
    assert!(sequencer.find(waiting).is_some());
    env.derives_to(&sequencer).await;
    env.posted_once().await;
    until("recorded again", || async {
        let batches = ledger.batches(env.info.rollup, 1).await.unwrap();
        batches.len() == 3 && batches.iter().all(|batch| batch.inclusion.is_some())
    })
    .await;
    stop(sequencer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_lost_l1_gives_back_what_it_has() {
    let env = Env::start().await;
    let mut user = User::new(Key::random(), &env.info);
    let sequencer = env.sequencer(settings()).await;
    let answered = [pay(&sequencer, &mut user).await, pay(&sequencer, &mut user).await];
    all_posted(&sequencer).await;
    let head = sequencer.reader().head();
    stop(sequencer).await;

    let ledger = env.other_ledger().await;
    let sequencer = env.start_with(&ledger, env.other_dir(), settings()).await;
    all_posted(&sequencer).await;
    assert_eq!(sequencer.reader().head().hash, head.hash);
    assert!(answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    pay(&sequencer, &mut user).await;
    all_posted(&sequencer).await;
    env.derives_to(&sequencer).await;
    env.posted_once().await;
    stop(sequencer).await;
}
