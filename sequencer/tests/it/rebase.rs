//! A batch of somebody else.

use alloy_primitives::{Address, B256, U256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{BlockTag, Key};
use mayfly_sequencer::{Origin, SequencerSettings};

use super::env::{Env, PATIENCE, User, quick, settings, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_batch_of_anybody_moves_the_chain_and_answers_survive() {
    let env = Env::start().await;
    let ignoring =
        SequencerSettings { ignore_forced: true, max_unposted_seconds: 60, pause_after_seconds: 120, ..settings() };
    let sequencer = env.sequencer(ignoring).await;
    let anybody = env.sender(5).await;
    let mut forced = User::new(Key::random(), &env.info);
    let raw = forced.pay(Address::repeat_byte(7), 0);
    let forced_hash = alloy_primitives::keccak256(&raw);
    let call = Inbox::forceTransactionCall { raw, gasLimit: 21_000 };
    let receipt = anybody.transact(env.info.rollup, &call, U256::from(10).pow(U256::from(17)), &quick()).await.unwrap();
    let item_block = receipt.block_number.unwrap();

    let mut users: Vec<User> = (0..10).map(|_| User::new(Key::random(), &env.info)).collect();
    let mut answered: Vec<B256> = Vec::new();
    for _ in 0..5 {
        for user in &mut users {
            let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
            sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
            answered.push(hash);
        }
    }
    assert!(sequencer.find(forced_hash).is_none(), "it is ignored");

    let origin = env.anvil.client().head(BlockTag::Number(item_block)).await.unwrap();
    until("the item is overdue", || async {
        let now = env.anvil.client().head(BlockTag::Latest).await.unwrap().timestamp;
        now > origin.timestamp + env.info.config.windows.forceWindow + 1
    })
    .await;
    let batch = Inbox::postForcedBatchCall { originNumber: item_block, queueUpTo: 1 };
    anybody.transact(env.info.rollup, &batch, U256::ZERO, &quick()).await.unwrap();
    until("the forced transaction", || async { sequencer.find(forced_hash).is_some() }).await;
    until("all answers are back", || async {
        let status = sequencer.status();
        status.rescued == 0 && answered.iter().all(|hash| sequencer.find(*hash).is_some())
    })
    .await;
    assert_eq!(sequencer.find(forced_hash).unwrap().block.header.number, 1);
    assert_eq!(sequencer.status().lost_count, 0);

    // And it goes on.
    let hash = sequencer.submit_one(users[0].pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    sequencer.shutdown().await;
    drop(sequencer);
    let sequencer = env.sequencer(settings()).await;
    until("posted", || async { sequencer.status().unposted_blocks == 0 }).await;
    assert_eq!(env.derive().await.last(), Some(&sequencer.reader().head().hash));
    sequencer.shutdown().await;
}
