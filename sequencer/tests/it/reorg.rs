//! L1 changes its mind.

use alloy_primitives::{Address, B256, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{AnvilConfig, BlockTag, Key};
use mayfly_ledger::{BatchState, Stage};
use mayfly_sequencer::{Origin, SequencerHandle};

use super::env::{Env, PATIENCE, User, quick, settings, until};

async fn pay(sequencer: &SequencerHandle, users: &mut [User]) -> Vec<B256> {
    let mut hashes = Vec::new();
    for user in users {
        let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
        sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
        hashes.push(hash);
    }
    hashes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_of_five_blocks_converges_without_loss() {
    let env = Env::start().await;
    let sequencer = env.sequencer(settings()).await;
    let mut users: Vec<User> = (0..4).map(|_| User::new(Key::random(), &env.info)).collect();
    let mut answered = Vec::new();
    for _ in 0..3 {
        answered.extend(pay(&sequencer, &mut users).await);
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    }
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    let before = env.batch_count().await;
    assert!(before >= 2);
    env.anvil.reorg(5).await.unwrap();
    assert!(env.batch_count().await < before, "the reorganisation took batches with it");
    until("taken back and built again", || async {
        let status = sequencer.status();
        status.unposted_blocks == 0
            && status.rescued == 0
            && answered.iter().all(|hash| sequencer.find(*hash).is_some())
    })
    .await;
    answered.extend(pay(&sequencer, &mut users).await);
    until("posted again", || async {
        sequencer.status().unposted_blocks == 0 && answered.iter().all(|hash| sequencer.find(*hash).is_some())
    })
    .await;
    assert_eq!(sequencer.status().lost_count, 0);
    let (derived, invalid, _) = env.derive_whole().await;
    assert_eq!(invalid, Vec::<String>::new());
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    sequencer.shutdown().await;
}

/// Goes on paying, and checks that all is there, on L1 and as derivation has it.
async fn converges(env: &Env, sequencer: &SequencerHandle, users: &mut [User], mut answered: Vec<B256>) {
    until("building again", || async { sequencer.status().pause.is_none() && sequencer.status().rescued == 0 }).await;
    answered.extend(pay(sequencer, users).await);
    until("posted again", || async {
        let status = sequencer.status();
        assert_eq!(status.failure, None);
        status.unposted_blocks == 0 && answered.iter().all(|hash| sequencer.find(*hash).is_some())
    })
    .await;
    assert_eq!(sequencer.status().lost_count, 0);
    let (derived, invalid, _) = env.derive_whole().await;
    assert_eq!(invalid, Vec::<String>::new());
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    let head = env.ledger.l1_head().await.unwrap().unwrap();
    until("recorded as l1 has it", || async {
        let batches = env.ledger.batches(env.info.rollup, 1).await.unwrap();
        let on_l1 = batches.iter().filter(|b| b.state != BatchState::Built).count() as u64;
        on_l1 == env.batch_count().await && env.ledger.l1_head().await.unwrap().unwrap().number > head.number
    })
    .await;
    let steps = env.ledger.steps(env.info.rollup).await.unwrap();
    assert_eq!(steps.iter().map(|step| step.stage).collect::<Vec<_>>(), [Stage::Created, Stage::Active]);
}

async fn deposit(env: &Env, to: Address, wei: u64) {
    let sender = env.sender(5).await;
    let call = Inbox::depositETHCall { to };
    sender.transact(env.info.rollup, &call, U256::from(wei), &quick()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_and_then_a_reorganisation_below_the_last_batch_converge() {
    let env = Env::start().await;
    let mut users: Vec<User> = (0..3).map(|_| User::new(Key::random(), &env.info)).collect();
    let sequencer = env.sequencer(settings()).await;
    let mut answered = pay(&sequencer, &mut users).await;
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    let (first, second) = (Address::repeat_byte(0x11), Address::repeat_byte(0x22));
    let before = env.anvil.client().head(BlockTag::Latest).await.unwrap().number;
    deposit(&env, first, 1_000).await;
    let balance = |of: Address| sequencer.reader().account(&of).map_or(U256::ZERO, |a| a.balance);
    until("deposited", || async { balance(first) == U256::from(1_000) }).await;
    answered.extend(pay(&sequencer, &mut users).await);
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    sequencer.shutdown().await;
    drop(sequencer);

    let sequencer = env.sequencer(settings()).await;
    let head = env.anvil.client().head(BlockTag::Latest).await.unwrap().number;
    let batches = env.batch_count().await;
    // The deposit goes, and the batch that consumed it; another one takes its place in the queue.
    env.anvil.reorg((head - before).max(5)).await.unwrap();
    assert!(env.batch_count().await < batches);
    deposit(&env, second, 2_000).await;
    let balance = |of: Address| sequencer.reader().account(&of).map_or(U256::ZERO, |a| a.balance);
    until("the other deposit", || async {
        assert_eq!(sequencer.status().failure, None);
        balance(second) == U256::from(2_000)
    })
    .await;
    assert_eq!(balance(first), U256::ZERO);
    converges(&env, &sequencer, &mut users, answered).await;
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l1_is_read_again_when_it_takes_back_what_it_called_final() {
    let env = Env::on(AnvilConfig { slots_in_an_epoch: Some(1), ..Default::default() }, |_| {}).await;
    let sequencer = env.sequencer(settings()).await;
    let mut users: Vec<User> = (0..3).map(|_| User::new(Key::random(), &env.info)).collect();
    let mut answered = Vec::new();
    for _ in 0..3 {
        answered.extend(pay(&sequencer, &mut users).await);
        until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    }
    until("final", || async { sequencer.status().finalized == sequencer.status().latest }).await;
    let (before, head) = (env.batch_count().await, env.anvil.client().head(BlockTag::Latest).await.unwrap());
    let last = env.ledger.last_batch(env.info.rollup).await.unwrap().unwrap().inclusion.unwrap();
    env.anvil.reorg(head.number - last.block_number + 2).await.unwrap();
    assert!(env.batch_count().await < before);
    until("read again, and all there", || async {
        let status = sequencer.status();
        assert_eq!(status.failure, None);
        status.l1_head > head.number
            && status.pause.is_none()
            && status.rescued == 0
            && answered.iter().all(|hash| sequencer.find(*hash).is_some())
    })
    .await;
    let (derived, ..) = env.derive_whole().await;
    let reader = sequencer.reader();
    let stands = |(number, hash): (usize, &B256)| reader.block_by_number(number as u64).unwrap().unwrap().hash == *hash;
    assert!(derived.iter().enumerate().all(stands), "what l1 still has");
    // Posts that ended as final keep their nonces, which L1 lost: they are used up, and posting goes on.
    answered.extend(pay(&sequencer, &mut users).await);
    until("posted again", || async {
        let status = sequencer.status();
        assert_eq!(status.failure, None);
        status.unposted_blocks == 0 && status.poster.trouble.is_empty()
    })
    .await;
    assert!(answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    assert_eq!(sequencer.status().lost_count, 0);
    let (derived, invalid, _) = env.derive_whole().await;
    assert_eq!(invalid, Vec::<String>::new());
    assert_eq!(derived.last(), Some(&sequencer.reader().head().hash));
    sequencer.shutdown().await;
}
