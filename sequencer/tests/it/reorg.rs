//! L1 changes its mind.

use alloy_primitives::{Address, B256};
use mayfly_l1::Key;
use mayfly_sequencer::{Origin, SequencerHandle};

use super::env::{Env, PATIENCE, User, settings, until};

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
