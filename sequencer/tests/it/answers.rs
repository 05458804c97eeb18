//! From submission to a receipt.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes};
use mayfly_l1::{Anvil, Key};
use mayfly_proto::{Meter, ReceiptDomain};
use mayfly_sequencer::{Origin, SubmitError};

use super::env::{Env, PATIENCE, User, run_with, settings};

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_answered_with_a_durable_signed_receipt() {
    let env = Env::start().await;
    let (registry, meter) = (prometheus::Registry::new(), Arc::new(Meter::new(16)));
    let start = || {
        let (ledger, dir) = (env.ledger.clone(), env.dir.path());
        run_with(&env.info, env.anvil.url(), ledger, dir, settings(), registry.clone(), Some(meter.clone()))
    };
    let sequencer = start().await;
    let mut heads = sequencer.subscribe();
    let mut user = User::new(Anvil::key(3), &env.info);
    let to = Address::repeat_byte(9);
    let hash = sequencer.submit_one(user.pay(to, 5), Origin::Local).await.unwrap();
    let included = sequencer.wait_receipt(hash, PATIENCE).await.unwrap();
    assert!(included.block.receipts[included.index].status);
    assert_eq!(sequencer.reader().account(&to).unwrap().balance, alloy_primitives::U256::from(5));
    assert_eq!(heads.recv().await.unwrap().hash, included.block.hash);

    let signed = sequencer.signed_receipt(hash).await.unwrap().unwrap();
    let domain = ReceiptDomain::new(env.info.chain_id, env.info.rollup);
    signed.verify(&domain, Anvil::key(2).address()).unwrap();
    assert!(signed.verify(&domain, Anvil::key(1).address()).is_err());
    assert_eq!((signed.receipt.tx_hash, signed.receipt.block), (hash, included.block.header.number));
    let origin = env.anvil.client().head(mayfly_l1::BlockTag::Number(signed.receipt.origin_number)).await.unwrap();
    assert_eq!(signed.receipt.origin_hash, origin.hash());
    assert_eq!(sequencer.signed_receipt(B256::ZERO).await.unwrap(), None);

    let used = meter.drain();
    assert_eq!(used[0].usage.get(mayfly_proto::Commodity::EvmGas), 21_000);

    // A wait that ends without a receipt says so.
    let never = sequencer.wait_receipt(B256::repeat_byte(1), Duration::from_millis(20)).await.unwrap_err();
    assert_eq!(never, mayfly_sequencer::WaitError::Timeout(B256::repeat_byte(1)));
    assert_eq!(sequencer.status().waiters, 0);
    sequencer.shutdown().await;
    let late = sequencer.submit_one(user.pay(to, 5), Origin::Local).await.unwrap_err();
    assert_eq!(late, SubmitError::Closed);
    let waited = sequencer.wait_receipt(B256::repeat_byte(1), PATIENCE).await.unwrap_err();
    assert_eq!(waited, mayfly_sequencer::WaitError::Dropped(SubmitError::Closed));
    assert!(sequencer.wait_receipt(hash, PATIENCE).await.is_ok(), "what is on the chain is still found");

    // Another may start in this process while handles to the first are held.
    start().await.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_senders_with_nothing_are_served_in_order_and_refused_in_words() {
    let env = Env::start().await;
    let sequencer = env.sequencer(settings()).await;
    let mut users: Vec<User> = (0..50).map(|_| User::new(Key::random(), &env.info)).collect();
    let started = Instant::now();
    let mut hashes = Vec::new();
    for _ in 0..4 {
        let raws: Vec<Bytes> = users.iter_mut().map(|user| user.pay(Address::repeat_byte(1), 0)).collect();
        for result in sequencer.submit(raws, Origin::Local).await {
            hashes.push(result.unwrap());
        }
    }
    for hash in &hashes {
        sequencer.wait_receipt(*hash, PATIENCE).await.unwrap();
    }
    println!("200 transfers answered in {:?}", started.elapsed());
    assert_eq!(sequencer.pending_nonce(users[0].key.address()).await.unwrap(), 4);

    let user = &mut users[0];
    let again = {
        user.nonce = 3;
        user.pay(Address::repeat_byte(1), 0)
    };
    let low = sequencer.submit_one(again, Origin::Local).await.unwrap_err();
    assert_eq!(low, SubmitError::NonceTooLow { tx: 3, state: 4 });
    user.nonce = 5;
    let gapped = user.pay(Address::repeat_byte(1), 0);
    sequencer.submit_one(gapped.clone(), Origin::Local).await.unwrap();
    assert_eq!(sequencer.submit_one(gapped, Origin::Local).await.unwrap_err(), SubmitError::AlreadyKnown);
    let waiting = sequencer.pool_content(Some(user.key.address())).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].1), (1, false));
    let poor = sequencer.submit_one(user.pay(Address::repeat_byte(1), 1), Origin::Local).await.unwrap_err();
    assert!(matches!(poor, SubmitError::InsufficientFunds { .. }), "{poor}");
    sequencer.shutdown().await;
}
