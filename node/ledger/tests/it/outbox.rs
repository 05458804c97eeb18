//! The L1 outbox: nonces, attempts, outcomes.

use crate::env::{address, block, db, hash};
use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address as addr};
use mayfly_ledger::{BLOB_BYTES, Inclusion, LedgerError, NewPost, PostBlob, PostState, Purpose};

const KEY: B256 = B256::with_last_byte(1);
const SENDER: Address = addr!("7e5f4552091a69125d5dfcb7b8c2659029395bdf");

fn post(key: &str) -> NewPost {
    NewPost {
        key: key.to_owned(),
        purpose: Purpose::Batch,
        rollup: Some(address(1)),
        sender: SENDER,
        to: Some(address(2)),
        value: U256::from(5),
        input: Bytes::from_static(b"input"),
        gas_limit: None,
        blobs: Vec::new(),
    }
}

fn transaction(nonce: u64, fee: u128) -> TxEip1559 {
    TxEip1559 {
        chain_id: 31_337,
        nonce,
        gas_limit: 100_000,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(address(2)),
        value: U256::from(5),
        input: Bytes::from_static(b"input"),
        access_list: Default::default(),
    }
}

fn sign(transaction: TxEip1559, key: B256) -> Vec<u8> {
    let signature = sign_message(key, transaction.signature_hash()).unwrap();
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718()
}

fn mined(tx_hash: B256, block_number: u64, block_hash: B256) -> Inclusion {
    Inclusion {
        tx_hash,
        block_number,
        block_hash,
        succeeded: true,
        gas_used: 21_000,
        gas_price: 3,
        blob_gas_used: 131_072,
        blob_gas_price: 2,
    }
}

#[tokio::test]
async fn one_key_is_one_post() {
    let db = db().await;
    let first = db.ledger.enqueue(&post("a")).await.unwrap();
    let again = db.ledger.enqueue(&post("a")).await.unwrap();
    assert!(first.is_new && !again.is_new);
    assert_eq!(first.id, again.id);
    let other = NewPost { value: U256::from(6), ..post("a") };
    assert!(matches!(db.ledger.enqueue(&other).await.unwrap_err(), LedgerError::KeyConflict { .. }));
    let stored = db.ledger.post_by_key("a").await.unwrap().unwrap();
    assert_eq!((stored.state, stored.nonce, stored.value), (PostState::Queued, None, U256::from(5)));
    assert_eq!(stored.input, post("a").input);
}

#[tokio::test]
async fn nonce_and_signed_transaction_are_stored_together() {
    let db = db().await;
    let id = db.ledger.enqueue(&post("a")).await.unwrap().id;
    let lease = db.ledger.lease(id, 7).await.unwrap();
    assert_eq!(lease.nonce(), 7);
    drop(lease);
    assert_eq!(db.ledger.post(id).await.unwrap().nonce, None, "a dropped lease gives its nonce back");
    let lease = db.ledger.lease(id, 7).await.unwrap();
    let raw = sign(transaction(7, 100), KEY);
    let tx_hash = lease.record(&raw).await.unwrap();
    let stored = db.ledger.post(id).await.unwrap();
    assert_eq!((stored.state, stored.nonce), (PostState::Signed, Some(7)));
    let attempts = db.ledger.attempts(id).await.unwrap();
    assert_eq!((attempts[0].tx_hash, attempts[0].max_fee_per_gas, attempts[0].broadcast_at), (tx_hash, 100, None));
    assert_eq!(attempts[0].raw, Some(raw.clone().into()));
    assert_eq!(tx_hash, alloy_primitives::keccak256(&raw));
    db.ledger.mark_broadcast(tx_hash).await.unwrap();
    assert_eq!(db.ledger.post(id).await.unwrap().state, PostState::Broadcast);
    assert_eq!(db.ledger.open_attempts(SENDER).await.unwrap(), [(id, tx_hash)]);
}

#[tokio::test]
async fn a_replacement_keeps_the_nonce_and_the_next_post_gets_the_next() {
    let db = db().await;
    let (a, b) = (db.ledger.enqueue(&post("a")).await.unwrap().id, db.ledger.enqueue(&post("b")).await.unwrap().id);
    for fee in [100, 110] {
        let lease = db.ledger.lease(a, 3).await.unwrap();
        assert_eq!(lease.nonce(), 3);
        lease.record(&sign(transaction(3, fee), KEY)).await.unwrap();
    }
    assert_eq!(db.ledger.attempts(a).await.unwrap().len(), 2);
    let lease = db.ledger.lease(b, 3).await.unwrap();
    assert_eq!(lease.nonce(), 4);
    drop(lease);
    // The key was used elsewhere: never below L1's own count.
    assert_eq!(db.ledger.lease(b, 9).await.unwrap().nonce(), 9);
}

#[tokio::test]
async fn concurrent_leases_never_share_a_nonce() {
    let db = db().await;
    let mut tasks = Vec::new();
    for n in 0..6 {
        let id = db.ledger.enqueue(&post(&n.to_string())).await.unwrap().id;
        let ledger = db.ledger.clone();
        tasks.push(tokio::spawn(async move {
            let lease = ledger.lease(id, 0).await.unwrap();
            let nonce = lease.nonce();
            lease.record(&sign(transaction(nonce, 100), KEY)).await.unwrap();
            nonce
        }));
    }
    let mut nonces = Vec::new();
    for task in tasks {
        nonces.push(task.await.unwrap());
    }
    nonces.sort_unstable();
    assert_eq!(nonces, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn refuses_a_raw_transaction_that_is_not_the_post() {
    let db = db().await;
    let id = db.ledger.enqueue(&post("a")).await.unwrap().id;
    let good = transaction(0, 100);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nonce", sign(transaction(1, 100), KEY)),
        ("signed by", sign(good.clone(), B256::with_last_byte(2))),
        ("send", sign(TxEip1559 { value: U256::from(6), ..good.clone() }, KEY)),
        ("send", sign(TxEip1559 { to: TxKind::Call(address(3)), ..good.clone() }, KEY)),
        ("send", sign(TxEip1559 { input: Bytes::from_static(b"other"), ..good.clone() }, KEY)),
        ("too many", [sign(good.clone(), KEY), vec![0]].concat()),
        ("", b"garbage".to_vec()),
    ];
    for (reason, raw) in cases {
        let refused = db.ledger.lease(id, 0).await.unwrap().record(&raw).await.unwrap_err();
        assert!(matches!(&refused, LedgerError::BadRaw(text) if text.contains(reason)), "{reason}: {refused}");
    }
    let stored = db.ledger.post(id).await.unwrap();
    assert_eq!((stored.state, stored.nonce), (PostState::Queued, None));
    assert!(db.ledger.attempts(id).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_database_refuses_a_second_nonce_and_a_shared_one() {
    let db = db().await;
    let (a, b) = (db.ledger.enqueue(&post("a")).await.unwrap().id, db.ledger.enqueue(&post("b")).await.unwrap().id);
    db.ledger.lease(a, 3).await.unwrap().record(&sign(transaction(3, 100), KEY)).await.unwrap();
    assert_eq!(db.refused(&format!("UPDATE posts SET nonce = 4 WHERE id = {a}")).await, "MF004");
    assert_eq!(db.refused(&format!("UPDATE posts SET nonce = 3, state = 'signed' WHERE id = {b}")).await, "23505");
    assert_eq!(db.refused(&format!("UPDATE posts SET state = 'signed' WHERE id = {b}")).await, "23514");
    assert_eq!(db.refused(&format!("UPDATE posts SET sender = target WHERE id = {a}")).await, "MF001");
}

#[tokio::test]
async fn a_reorganised_post_waits_again_and_ends_once() {
    let db = db().await;
    let blob = PostBlob { hash: hash(1), data: vec![7; BLOB_BYTES].into() };
    let id = db.ledger.enqueue(&NewPost { blobs: vec![blob.clone()], ..post("a") }).await.unwrap().id;
    assert_eq!(db.ledger.post_blobs(id).await.unwrap(), [blob]);
    let refused = db.ledger.lease(id, 0).await.unwrap().record(&sign(transaction(0, 100), KEY)).await.unwrap_err();
    assert!(matches!(refused, LedgerError::BadRaw(_)), "its blobs are missing: {refused}");

    let id = db.ledger.enqueue(&post("b")).await.unwrap().id;
    let tx = db.ledger.lease(id, 0).await.unwrap().record(&sign(transaction(0, 100), KEY)).await.unwrap();
    // Mined before it was marked as broadcast: the crash between the two.
    assert_eq!(db.ledger.mark_mined(&mined(tx, 10, hash(10))).await.unwrap(), id);
    assert_eq!(db.ledger.mined_posts(10).await.unwrap(), [(id, 10, hash(10))]);
    assert_eq!(db.ledger.reorg(&[hash(10)]).await.unwrap().posts, [id]);
    let stored = db.ledger.post(id).await.unwrap();
    assert_eq!((stored.state, stored.nonce, stored.inclusion), (PostState::Broadcast, Some(0), None));

    // The same for one post alone, if it still is where L1 has another block.
    db.ledger.mark_mined(&mined(tx, 10, hash(10))).await.unwrap();
    db.ledger.reopen_post(id, hash(9)).await.unwrap();
    assert_eq!(db.ledger.post(id).await.unwrap().state, PostState::Mined);
    db.ledger.reopen_post(id, hash(10)).await.unwrap();
    assert_eq!(db.ledger.post(id).await.unwrap().state, PostState::Broadcast);
    drop(db.ledger.lease(id, 0).await.unwrap());

    let there = mined(tx, 11, hash(11));
    db.ledger.mark_mined(&there).await.unwrap();
    assert!(matches!(db.ledger.finalize_post(id, hash(12)).await.unwrap_err(), LedgerError::WrongState { .. }));
    assert_eq!(db.ledger.finalize_post(id, hash(11)).await.unwrap(), PostState::Final);
    assert_eq!(db.ledger.finalize_post(id, hash(11)).await.unwrap(), PostState::Final);
    db.ledger.mark_mined(&there).await.unwrap();
    assert!(db.ledger.mark_mined(&mined(tx, 12, hash(12))).await.is_err());
    assert_eq!(db.ledger.attempts(id).await.unwrap()[0].raw, None, "the payload goes with the end");
    assert!(matches!(db.ledger.lease(id, 0).await, Err(LedgerError::WrongState { .. })));
    assert_eq!(db.refused(&format!("UPDATE posts SET state = 'queued' WHERE id = {id}")).await, "MF005");
    let costs = db.ledger.post_costs(address(1)).await.unwrap();
    assert_eq!((costs[0].posts, costs[0].gas_used, costs[0].wei), (1, 21_000, U256::from(21_000 * 3 + 131_072 * 2)));
}

#[tokio::test]
async fn a_cancelling_attempt_ends_the_post_as_cancelled() {
    let db = db().await;
    let id = db.ledger.enqueue(&post("a")).await.unwrap().id;
    db.ledger.lease(id, 0).await.unwrap().record(&sign(transaction(0, 100), KEY)).await.unwrap();
    assert!(matches!(db.ledger.cancel_post(id).await.unwrap_err(), LedgerError::WrongState { .. }));
    let empty = TxEip1559 { to: TxKind::Call(SENDER), value: U256::ZERO, input: Bytes::new(), ..transaction(0, 110) };
    let full = sign(transaction(0, 110), KEY);
    assert!(db.ledger.lease(id, 0).await.unwrap().record_cancel(&full).await.is_err(), "it does something");
    let tx = db.ledger.lease(id, 0).await.unwrap().record_cancel(&sign(empty, KEY)).await.unwrap();
    db.ledger.mark_mined(&mined(tx, 10, hash(10))).await.unwrap();
    assert_eq!(db.ledger.finalize_post(id, hash(10)).await.unwrap(), PostState::Cancelled);
    assert!(db.ledger.open_posts(SENDER).await.unwrap().is_empty());
}

#[tokio::test]
async fn gives_up_only_what_can_never_be_mined() {
    let db = db().await;
    let id = db.ledger.enqueue(&post("a")).await.unwrap().id;
    db.ledger.lease(id, 5).await.unwrap().record(&sign(transaction(5, 100), KEY)).await.unwrap();
    assert!(matches!(db.ledger.fail_post(id, "stuck", 5).await.unwrap_err(), LedgerError::WrongState { .. }));
    db.ledger.fail_post(id, "nonce used elsewhere", 6).await.unwrap();
    assert_eq!(db.ledger.post(id).await.unwrap().failure.as_deref(), Some("nonce used elsewhere"));

    let id = db.ledger.enqueue(&post("b")).await.unwrap().id;
    db.ledger.cancel_post(id).await.unwrap();
    assert_eq!(db.ledger.post(id).await.unwrap().state, PostState::Cancelled);

    let id = db.ledger.enqueue(&post("c")).await.unwrap().id;
    let tx = db.ledger.lease(id, 6).await.unwrap().record(&sign(transaction(6, 100), KEY)).await.unwrap();
    db.ledger.mark_mined(&Inclusion { succeeded: false, ..mined(tx, 10, block(10, 0, 99).hash) }).await.unwrap();
    assert_eq!(db.ledger.finalize_post(id, block(10, 0, 99).hash).await.unwrap(), PostState::Failed, "it reverted");
}

#[tokio::test]
async fn refuses_blobs_and_inputs_over_the_limits() {
    let db = db().await;
    let blob = PostBlob { hash: hash(1), data: vec![0; BLOB_BYTES].into() };
    let seven = NewPost { blobs: vec![blob.clone(); 7], ..post("a") };
    assert!(matches!(db.ledger.enqueue(&seven).await.unwrap_err(), LedgerError::TooMany { .. }));
    let short = NewPost { blobs: vec![PostBlob { data: vec![0; 5].into(), ..blob }], ..post("a") };
    assert!(matches!(db.ledger.enqueue(&short).await.unwrap_err(), LedgerError::Invalid { .. }));
    let long = NewPost { input: vec![0; 131_073].into(), ..post("a") };
    assert!(matches!(db.ledger.enqueue(&long).await.unwrap_err(), LedgerError::TooMany { .. }));
}
