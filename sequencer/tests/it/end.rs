//! The end of a rollup.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use mayfly_contracts::inbox::Inbox;
use mayfly_contracts::settlement::Settlement;
use mayfly_contracts::types::Claim;
use mayfly_l1::{BlockTag, Key};
use mayfly_ledger::{ClaimState, Stage as Recorded};
use mayfly_sequencer::admission::AdmissionConfig;
use mayfly_sequencer::{Origin, SequencerHandle, SequencerSettings, Stage, SubmitError, WaitError};

use super::env::{Env, PATIENCE, User, quick, settings, until};

#[tokio::test(flavor = "multi_thread")]
async fn the_end_drains_posts_and_closes() {
    let env = Env::with(|config| {
        config.drain = 30;
        config.windows.challengeWindow = 2;
    })
    .await;
    let slow = SequencerSettings { post_margin_seconds: 15, ..settings() };
    let sequencer = env.sequencer(slow).await;
    let mut user = User::new(Key::random(), &env.info);
    let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    let organiser = env.sender(0).await;
    organiser.transact(env.info.rollup, &Inbox::endEarlyCall {}, U256::ZERO, &quick()).await.unwrap();
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
    assert_eq!(stages, [Recorded::Created, Recorded::Active, Recorded::Draining, Recorded::Closing]);
    settles(&env, steps[3].l1_number.unwrap()).await;
    sequencer.shutdown().await;
}

/// A claim about the end, whatever it says, becomes final; the ledger learns of it.
async fn settles(env: &Env, closed_in: u64) {
    let (client, rollup, settlement) = (env.anvil.client(), env.info.rollup, env.info.settlement);
    let count = env.batch_count().await;
    let hash = client.call(rollup, &Inbox::batchHashCall { seq: count }, BlockTag::Latest).await.unwrap();
    let claim_ = Claim {
        parent: env.info.genesis_claim(),
        batchSeq: count,
        batchHash: hash,
        queueHash: client.call(rollup, &Inbox::queueHashCall {}, BlockTag::Latest).await.unwrap(),
        closeNumber: closed_in,
        closeHash: client.head(BlockTag::Number(closed_in)).await.unwrap().hash(),
        blockNumber: 9,
        blockHash: B256::repeat_byte(1),
        stateRoot: B256::repeat_byte(2),
        withdrawalRoot: B256::repeat_byte(3),
        receiptRoot: B256::repeat_byte(4),
        settlementRoot: B256::repeat_byte(5),
    };
    let claim_hash = env.info.claim_hash(&claim_);
    let anybody = env.sender(6).await;
    let call = Settlement::proposeClaimCall { claim_, leaves: Bytes::new() };
    anybody.transact(settlement, &call, env.info.config.claimBond, &quick()).await.unwrap();
    until("settling", || async { env.ledger.stage(rollup).await.unwrap() == Some(Recorded::Settling) }).await;
    let claims = env.ledger.claims(rollup).await.unwrap();
    assert_eq!((claims.len(), claims[0].seen.claim_hash, claims[0].state), (1, claim_hash, ClaimState::Pending));
    assert_eq!((claims[0].seen.proposer, claims[0].seen.closing), (anybody.address(), true));
    until("final", || async {
        let call = Settlement::finalizableCall { claimHash_: claim_hash };
        client.call(settlement, &call, BlockTag::Latest).await.unwrap()
    })
    .await;
    let call = Settlement::finalizeCall { claimHash_: claim_hash };
    anybody.transact(settlement, &call, U256::ZERO, &quick()).await.unwrap();
    until("settled", || async { env.ledger.stage(rollup).await.unwrap() == Some(Recorded::Settled) }).await;
    assert_eq!(env.ledger.claims(rollup).await.unwrap()[0].state, ClaimState::Final);
    assert!(env.ledger.steps(rollup).await.unwrap().iter().all(|step| step.l1_number.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_l1_takes_back_after_the_last_call_is_built_and_posted_again() {
    let env = Env::with(|config| {
        config.endTime = config.endTime - 3_600 + 16;
        config.drain = 28;
        config.daMode = 2;
    })
    .await;
    let (end, close) = (env.info.config.endTime, env.info.config.endTime + env.info.config.drain);
    let slow = SequencerSettings { post_margin_seconds: 20, ..settings() };
    let sequencer = env.sequencer(slow).await;
    let mut user = User::new(Key::random(), &env.info);
    let mut answered = Vec::new();
    until("last call", || async {
        let now = env.anvil.client().head(BlockTag::Latest).await.unwrap().timestamp;
        now + 3 >= close - 20
    })
    .await;
    loop {
        match sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await {
            Ok(hash) => match sequencer.wait_receipt(hash, PATIENCE).await {
                Ok(_) => answered.push(hash),
                Err(WaitError::Dropped(SubmitError::Draining { .. })) => break,
                Err(other) => panic!("{other}"),
            },
            Err(SubmitError::Draining { .. }) => break,
            Err(other) => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(!answered.is_empty() && end < close);
    let before = sequencer.find(*answered.last().unwrap()).unwrap().block.hash;
    // It takes back the block as well that ended deposits by its time.
    let draining = env.ledger.steps(env.info.rollup).await.unwrap().pop().unwrap();
    assert_eq!(draining.stage, Recorded::Draining);
    let head = env.anvil.client().head(BlockTag::Latest).await.unwrap().number;
    env.anvil.reorg(head - draining.l1_number.unwrap() + 2).await.unwrap();
    until("built again", || async {
        let found = sequencer.find(*answered.last().unwrap());
        found.is_some_and(|found| found.block.hash != before)
    })
    .await;
    until("posted", || async { sequencer.status().unposted_blocks == 0 && sequencer.status().rescued == 0 }).await;
    assert!(answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    let status = sequencer.status();
    assert_eq!((status.stage, status.lost_count), (Stage::Draining, 0));
    let again = env.ledger.steps(env.info.rollup).await.unwrap();
    let again = again.iter().find(|step| step.stage == Recorded::Draining).unwrap();
    assert_ne!(again.cause, draining.cause);
    sequencer.shutdown().await;
}

/// Sends up to a third of a batch that nothing makes smaller, one after the other, until nothing is taken any more. What
/// was answered, and how often it was told that the close is near.
async fn send_to_the_end(sequencer: Arc<SequencerHandle>, mut user: User) -> (Vec<B256>, usize) {
    let (mut answered, mut told, mut changes) = (Vec::new(), 0, sequencer.changes());
    loop {
        let words = 200 + (user.nonce as u32 * 311 + u32::from(user.key.address()[0])) % 1_000;
        let noise = (0..words).flat_map(|at| {
            keccak256([user.key.address().as_slice(), &user.nonce.to_be_bytes(), &at.to_be_bytes()].concat()).0
        });
        let raw = user.send(TxKind::Call(Address::repeat_byte(1)), noise.collect(), 2_000_000);
        let sent = match sequencer.submit_one(raw, Origin::Local).await {
            Ok(hash) => sequencer.wait_receipt(hash, PATIENCE).await.map(|_| answered.push(hash)),
            Err(refused) => Err(WaitError::Dropped(refused)),
        };
        match sent {
            Ok(()) => {}
            Err(WaitError::Dropped(SubmitError::Paused { reason })) => {
                (user.nonce, told) = (user.nonce - 1, told + usize::from(reason.contains("the rollup may close")));
                let _ = changes.changed().await;
            }
            Err(WaitError::Dropped(SubmitError::Draining { .. } | SubmitError::Closed)) => return (answered, told),
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_answered_than_l1_takes_before_the_close() {
    let env = Env::with(|config| (config.drain, config.daMode) = (24, 2)).await;
    let admission = AdmissionConfig { bytes_per_second: 1 << 30, gas_per_second: 1 << 40, ..Default::default() };
    let sequencer = env.sequencer(SequencerSettings { post_margin_seconds: 5, admission, ..settings() }).await;
    let sequencer = Arc::new(sequencer);
    let organiser = env.sender(0).await;
    // A block a second, and none for a transaction.
    env.rpc("evm_setIntervalMining", serde_json::json!([1])).await;
    let senders: Vec<_> = (0..6)
        .map(|_| tokio::spawn(send_to_the_end(Arc::clone(&sequencer), User::new(Key::random(), &env.info))))
        .collect();
    // More is sent all the time than L1 takes, and then the organiser ends it, at once.
    until("batches", || async { sequencer.status().batches >= 3 }).await;
    organiser.transact(env.info.rollup, &Inbox::endEarlyCall {}, U256::ZERO, &quick()).await.unwrap();
    let (mut answered, mut told) = (Vec::new(), 0);
    for sender in senders {
        let (hashes, waits) = sender.await.unwrap();
        answered.extend(hashes);
        told += waits;
    }
    until("closed", || async { sequencer.status().stage == Stage::Closed }).await;
    assert!(answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    let status = sequencer.status();
    assert_eq!((status.lost_count, status.rescued), (0, 0));
    let (derived, invalid, closed) = env.derive_whole().await;
    assert_eq!((invalid, closed), (Vec::new(), true));
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    assert!(told > 0, "{} answered, none told to wait", answered.len());
    Arc::into_inner(sequencer).unwrap().shutdown().await;
}
