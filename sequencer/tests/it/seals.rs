//! When blocks are sealed.

use std::time::Instant;

use alloy_primitives::{Address, Bytes};
use mayfly_l1::Key;
use mayfly_sequencer::Origin;

use super::env::{Env, PATIENCE, User, settings};

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_sequencer_seals_on_arrival() {
    // Far longer than anybody here waits: only an arrival can be the cause of a block.
    let env = Env::with(|config| config.blockTimeMs = 3_600_000).await;
    let sequencer = env.sequencer(settings()).await;
    let mut user = User::new(Key::random(), &env.info);
    for number in 1..=3 {
        let hash = sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
        assert_eq!(sequencer.wait_receipt(hash, PATIENCE).await.unwrap().block.header.number, number);
    }
    // After a load, the next one waits for its block time.
    let load: Vec<Bytes> = (0..1_000).map(|_| user.pay(Address::repeat_byte(1), 0)).collect();
    for taken in sequencer.submit(load, Origin::Local).await {
        sequencer.wait_receipt(taken.unwrap(), PATIENCE).await.unwrap();
    }
    let latest = sequencer.status().latest.number;
    sequencer.submit_one(user.pay(Address::repeat_byte(1), 0), Origin::Local).await.unwrap();
    assert_eq!(sequencer.pending_nonce(user.key.address()).await.unwrap(), 1_004);
    assert_eq!((sequencer.status().latest.number, sequencer.status().pool_transactions), (latest, 1));
    sequencer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_blocks_are_half_a_block_time_apart_at_least() {
    const BLOCK_TIME_MS: u32 = 100;
    let env = Env::with(|config| config.blockTimeMs = BLOCK_TIME_MS).await;
    let sequencer = env.sequencer(settings()).await;
    let mut users: Vec<User> = (0..20).map(|_| User::new(Key::random(), &env.info)).collect();
    // What need not wait is used up.
    for _ in 0..2 {
        let before: Vec<Bytes> =
            users.iter_mut().flat_map(|user| [(); 30].map(|()| user.pay(Address::repeat_byte(1), 0))).collect();
        for taken in sequencer.submit(before, Origin::Local).await {
            sequencer.wait_receipt(taken.unwrap(), PATIENCE).await.unwrap();
        }
    }
    let (first, started) = (sequencer.status().latest.number, Instant::now());
    let mut hashes = Vec::new();
    for _ in 0..30 {
        let raws: Vec<Bytes> = users.iter_mut().map(|user| user.pay(Address::repeat_byte(1), 0)).collect();
        for result in sequencer.submit(raws, Origin::Local).await {
            hashes.push(result.unwrap());
        }
    }
    for hash in &hashes {
        sequencer.wait_receipt(*hash, PATIENCE).await.unwrap();
    }
    // n blocks take n - 1 halves of a block time at least, however slow the machine is.
    let blocks = sequencer.status().latest.number - first;
    let most = 2 * started.elapsed().as_millis() as u64 / u64::from(BLOCK_TIME_MS) + 1;
    assert!((1..=most).contains(&blocks), "{blocks} blocks, at most {most}");
    sequencer.shutdown().await;
}
