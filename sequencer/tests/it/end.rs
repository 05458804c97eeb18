//! The end of a rollup.

use alloy_primitives::Address;
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::Key;
use mayfly_ledger::Stage as Recorded;
use mayfly_sequencer::{Origin, SequencerSettings, Stage, SubmitError};

use super::env::{Env, PATIENCE, User, quick, settings, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_end_drains_posts_and_closes() {
    let env = Env::with(|config| config.drain = 30).await;
    let slow = SequencerSettings { post_margin_seconds: 15, ..settings() };
    let sequencer = env.sequencer(slow).await;
    let mut user = User::new(Key::random(), &env.info);
    let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    let organiser = env.sender(0).await;
    organiser.transact(env.info.rollup, &Inbox::endEarlyCall {}, alloy_primitives::U256::ZERO, &quick()).await.unwrap();
    until("draining", || async { sequencer.status().stage == Stage::Draining }).await;
    // Draining still takes transactions, until shortly before the close.
    let late = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    sequencer.wait_receipt(late, PATIENCE).await.unwrap();
    until("last call", || async {
        let raw = User::new(Key::random(), &env.info).pay(Address::repeat_byte(1), 0);
        matches!(sequencer.submit_one(raw, Origin::Local).await, Err(SubmitError::Draining { .. }))
    })
    .await;
    until("closed", || async { sequencer.status().stage == Stage::Closed }).await;
    assert!(sequencer.find(hash).is_some() && sequencer.find(late).is_some());
    let raw = user.pay(Address::repeat_byte(1), 0);
    assert_eq!(sequencer.submit_one(raw, Origin::Local).await, Err(SubmitError::Closed));
    let (derived, invalid, closed) = env.derive_whole().await;
    assert_eq!((invalid, closed), (Vec::new(), true));
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    assert_eq!(sequencer.status().lost_count, 0);
    until("recorded", || async { env.ledger.stage(env.info.rollup).await.unwrap() == Some(Recorded::Closing) }).await;
    let steps = env.ledger.steps(env.info.rollup).await.unwrap();
    let stages: Vec<Recorded> = steps.iter().map(|step| step.stage).collect();
    assert_eq!(stages, [Recorded::Active, Recorded::Draining, Recorded::Closing]);
    sequencer.shutdown().await;
}
