//! More waits for L1 than one batch holds, and something of the queue is overdue.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{BlockTag, Key};
use mayfly_sequencer::{Origin, SequencerSettings};

use super::env::{Env, PATIENCE, User, quick, settings, until};
use super::posting::base_fee;

/// Batches go as calldata, 130,000 bytes at most.
const CALLDATA: u8 = 2;
const INPUT_BYTES: usize = 30_000;

#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_item_behind_more_than_one_batch_goes_first_and_answers_survive() {
    let env = Env::with(|config| {
        config.daMode = CALLDATA;
        config.windows.forceWindow = 8;
    })
    .await;
    let capped = SequencerSettings { max_fee_gwei: 5, pause_after_seconds: 240, ..settings() };
    let sequencer = env.sequencer(capped).await;
    let (anybody, mut user) = (env.sender(5).await, User::new(Key::random(), &env.info));

    // Nothing can be posted, and 360,000 bytes are answered that nothing makes smaller.
    base_fee(&env, 100).await;
    let mut answered: Vec<B256> = Vec::new();
    for n in 0..12u8 {
        let noise = (0..INPUT_BYTES / 32).flat_map(|at| keccak256([&[n][..], &at.to_be_bytes()].concat()).0);
        let raw = user.send(TxKind::Call(Address::repeat_byte(1)), Bytes::from_iter(noise), 2_000_000);
        let hash = sequencer.submit_one(raw, Origin::Local).await.unwrap();
        sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
        answered.push(hash);
    }
    let raw = User::new(Key::random(), &env.info).pay(Address::repeat_byte(7), 0);
    let forced = keccak256(&raw);
    let call = Inbox::forceTransactionCall { raw, gasLimit: 21_000 };
    let receipt = anybody.transact(env.info.rollup, &call, U256::from(10).pow(U256::from(17)), &quick()).await.unwrap();
    until("the forced transaction", || async { sequencer.find(forced).is_some() }).await;
    let first = sequencer.find(forced).unwrap().block.header.number;
    assert!(first > 3, "behind more than one batch");
    let item = env.anvil.client().head(BlockTag::Number(receipt.block_number.unwrap())).await.unwrap();
    env.tick_after(item.timestamp + env.info.config.windows.forceWindow + 1).await;
    assert_eq!(env.batch_count().await, 0);

    base_fee(&env, 1).await;
    until("everything posted", || async {
        let status = sequencer.status();
        status.unposted_blocks == 0 && status.rescued == 0 && status.posted.number > 0
    })
    .await;
    assert_eq!(sequencer.find(forced).unwrap().block.header.number, 1, "the overdue item went first");
    assert!(answered.iter().all(|hash| sequencer.find(*hash).is_some()));
    assert_eq!(sequencer.status().lost_count, 0);
    assert!(env.batch_count().await >= 4);
    assert_eq!(env.derive().await.last(), Some(&sequencer.reader().head().hash));
    sequencer.shutdown().await;
}
