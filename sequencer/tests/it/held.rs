//! Answers that spend a deposit which L1 takes back.

use alloy_primitives::{Address, B256, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::Key;
use mayfly_sequencer::{Origin, SequencerHandle, SubmitError};

use super::env::{Env, PATIENCE, User, quick, settings, until};

const PAID: Address = Address::repeat_byte(0x77);

/// Returns the block of L1 that holds it.
async fn deposit(env: &Env, to: Address) -> u64 {
    let call = Inbox::depositETHCall { to };
    let sender = env.sender(5).await;
    let receipt = sender.transact(env.info.rollup, &call, U256::from(1_000), &quick()).await.unwrap();
    receipt.block_number.unwrap()
}

async fn send(sequencer: &SequencerHandle, raw: alloy_primitives::Bytes) -> B256 {
    let hash = sequencer.submit_one(raw, Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    hash
}

/// Somebody is given a deposit, spends it and sends one thing more; then L1 forgets the deposit. Returns both hashes,
/// and a third answer that spends nothing.
async fn spend_and_reorganise(env: &Env, sequencer: &SequencerHandle, key: &Key) -> [B256; 3] {
    let mut other = User::new(Key::random(), &env.info);
    let mut rich = User::new(key.clone(), &env.info);
    // The block before the deposit's must not be the one that the rollup began in: that may not go.
    let begun = env.info.l1_number;
    until("a block of L1 since", || async {
        env.anvil.client().head(mayfly_l1::BlockTag::Latest).await.unwrap().number > begun + 1
    })
    .await;
    let mined = deposit(env, key.address()).await;
    until("deposited", || async { sequencer.reader().account(&key.address()).is_some() }).await;
    let spends = rich.pay(PAID, 600);
    let spent = send(sequencer, spends.clone()).await;
    let follows = send(sequencer, rich.pay(PAID, 0)).await;
    let free = send(sequencer, other.pay(PAID, 0)).await;
    let head = env.anvil.client().head(mayfly_l1::BlockTag::Latest).await.unwrap().number;
    env.anvil.reorg(head - mined + 1).await.unwrap();
    until("taken back and held", || async {
        let status = sequencer.status();
        assert_eq!(status.failure, None);
        status.rescued == 2 && status.pause.is_none() && sequencer.find(free).is_some()
    })
    .await;
    assert!(sequencer.find(spent).is_none() && sequencer.find(follows).is_none());
    // Nobody takes the places of those that wait.
    assert_eq!(sequencer.pending_nonce(key.address()).await.unwrap(), 2);
    let again = sequencer.submit_one(spends, Origin::Local).await.unwrap_err();
    assert_eq!(again, SubmitError::AlreadyKnown);
    let instead = User::new(key.clone(), &env.info).pay(PAID, 0);
    let instead = sequencer.submit_one(instead, Origin::Local).await.unwrap_err();
    assert_eq!(instead, SubmitError::NonceTooLow { tx: 0, state: 2 });
    [spent, follows, free]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spends_a_deposit_that_l1_takes_back_waits_until_it_is_there_again() {
    let env = Env::start().await;
    let key = Key::random();
    let sequencer = env.sequencer(settings()).await;
    let answered = spend_and_reorganise(&env, &sequencer, &key).await;
    // It is not forgotten by a node that starts again.
    sequencer.shutdown().await;
    drop(sequencer);
    let sequencer = env.sequencer(settings()).await;
    until("held again", || async { sequencer.status().rescued == 2 && sequencer.status().pause.is_none() }).await;
    deposit(&env, key.address()).await;
    until("all is back", || async {
        let status = sequencer.status();
        assert_eq!((status.failure, status.lost_count), (None, 0));
        status.rescued == 0 && status.unposted_blocks == 0
    })
    .await;
    assert!(answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    assert_eq!(sequencer.reader().account(&PAID).unwrap().balance, U256::from(600));
    let (derived, invalid, _) = env.derive_whole().await;
    assert_eq!((derived.last(), invalid), (Some(&sequencer.reader().head().hash), vec![]));
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_spends_a_deposit_that_never_comes_again_is_lost_by_name() {
    let env = Env::start().await;
    let key = Key::random();
    let sequencer = env.sequencer(settings()).await;
    let [spent, follows, free] = spend_and_reorganise(&env, &sequencer, &key).await;
    assert_eq!(sequencer.status().lost_count, 0);
    env.anvil.mine(66, 1).await.unwrap();
    until("given up", || async { sequencer.status().lost_count == 2 }).await;
    let status = sequencer.status();
    let lost: Vec<_> = status.lost.iter().map(|lost| (lost.hash, lost.reason.split(':').next().unwrap())).collect();
    assert_eq!(lost, [(spent, "insufficient funds for gas * price + value"), (follows, "nonce too high")]);
    assert!(status.rescued == 0 && sequencer.find(free).is_some());
    // It is not lost a second time.
    sequencer.shutdown().await;
    drop(sequencer);
    let sequencer = env.sequencer(settings()).await;
    until("building", || async { sequencer.status().pause.is_none() }).await;
    assert_eq!((sequencer.status().lost_count, sequencer.status().rescued), (0, 0));
    sequencer.shutdown().await;
}
