//! L1 blocks, lifecycle, batches, claims and submissions: what comes with L1 and goes with it.

use crate::env::{TestDb, address, block, db, hash, log, rollup};
use alloy_primitives::{B256, Bytes, U256};
use mayfly_ledger::{
    BatchContent, BatchFields, BatchInclusion, BatchState, Cause, ClaimEvent, ClaimSeen, ClaimState, L1Block,
    LedgerError, NewPost, Purpose, Reorged, Rollup, Stage, Submission,
};

fn hashes(blocks: &[L1Block]) -> Vec<B256> {
    blocks.iter().map(|block| block.hash).collect()
}

async fn hashes_seen(db: &TestDb, after: u64) -> Vec<B256> {
    db.ledger.l1_seen_after(after).await.unwrap().into_iter().map(|(_, hash)| hash).collect()
}

#[tokio::test]
async fn refuses_l1_blocks_that_do_not_fit() {
    let db = db().await;
    let chain: Vec<_> = (10..20).map(|number| block(number, 0, 99)).collect();
    db.ledger.record_l1_blocks(&chain).await.unwrap();
    db.ledger.record_l1_blocks(&chain[3..]).await.unwrap();
    assert_eq!(db.ledger.l1_head().await.unwrap(), Some(chain[9]));
    let other = block(15, 1, 15);
    for wrong in [vec![other], vec![block(20, 1, 15)], vec![chain[0], chain[2]]] {
        let refused = db.ledger.record_l1_blocks(&wrong).await.unwrap_err();
        assert!(matches!(refused, LedgerError::L1Mismatch { .. }), "{wrong:?}: {refused}");
    }
    let gone = hashes(&chain[5..]);
    assert_eq!(hashes_seen(&db, 14).await, gone);
    assert_eq!(db.ledger.reorg(&gone).await.unwrap().blocks, gone);
    db.ledger.record_l1_blocks(&[other]).await.unwrap();
    assert_eq!(db.ledger.l1_hash_at(15).await.unwrap(), Some(other.hash));
}

#[tokio::test]
async fn a_reorganisation_takes_the_steps_it_caused() {
    let db = db().await;
    let chain: Vec<_> = (1..5).map(|number| block(number, 0, 99)).collect();
    db.ledger.record_l1_blocks(&chain).await.unwrap();
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    let at = |n: usize, index| Cause::Log { hash: chain[n].hash, index };
    db.ledger.record_step(address(1), Stage::Active, at(1, 5)).await.unwrap();
    db.ledger.record_step(address(1), Stage::Created, at(0, 0)).await.unwrap();
    db.ledger.record_step(address(1), Stage::Draining, Cause::Block { hash: chain[2].hash }).await.unwrap();
    db.ledger.record_step(address(1), Stage::Draining, Cause::Block { hash: chain[2].hash }).await.unwrap();
    let steps = db.ledger.steps(address(1)).await.unwrap();
    assert_eq!(
        steps.iter().map(|step| step.stage).collect::<Vec<_>>(),
        [Stage::Created, Stage::Active, Stage::Draining]
    );
    assert_eq!((steps[1].cause, steps[1].l1_number), (at(1, 5), Some(2)));
    assert_eq!(db.ledger.prune_l1_blocks(4).await.unwrap(), 0, "blocks with steps stay");
    db.ledger.reorg(&hashes(&chain[2..])).await.unwrap();
    assert_eq!(db.ledger.stage(address(1)).await.unwrap(), Some(Stage::Active));
    db.ledger.record_step(address(1), Stage::Archived, Cause::Operator).await.unwrap();
    assert_eq!(db.ledger.stage(address(1)).await.unwrap(), Some(Stage::Archived));
    let unseen = Cause::Block { hash: chain[2].hash };
    assert!(db.ledger.record_step(address(1), Stage::Draining, unseen).await.is_err(), "its block is not known");
    assert!(db.ledger.record_step(address(1), Stage::Closing, Cause::Operator).await.is_err(), "only L1 closes");
}

#[tokio::test]
async fn a_late_reorganisation_of_one_rollup_leaves_what_another_recorded_since() {
    let db = db().await;
    let old: Vec<_> = (1..5).map(|number| block(number, 0, 99)).collect();
    let new: Vec<_> = (3..6).map(|number| block(number, 1, 3)).collect();
    db.ledger.record_l1_blocks(&old).await.unwrap();
    for n in [1, 2] {
        db.ledger.insert_rollup(&rollup(n)).await.unwrap();
        let cause = Cause::Log { hash: old[2].hash, index: u64::from(n) };
        db.ledger.record_step(address(n), Stage::Active, cause).await.unwrap();
    }
    // The first rollup sees the fork, and is on its other side already when the second one sees it.
    db.ledger.reorg(&hashes(&old[2..])).await.unwrap();
    assert_eq!(db.ledger.stage(address(2)).await.unwrap(), None, "what hung on a block that is gone is gone for all");
    db.ledger.record_l1_blocks(&new).await.unwrap();
    let cause = Cause::Log { hash: new[0].hash, index: 7 };
    db.ledger.record_step(address(1), Stage::Active, cause).await.unwrap();
    let at = BatchInclusion { block_hash: new[0].hash, ..inclusion(3) };
    db.ledger.batch_included(address(1), &fields(1, 10), &at).await.unwrap();
    assert_eq!(db.ledger.reorg(&hashes(&old[2..])).await.unwrap(), Reorged::default());
    assert_eq!(db.ledger.steps(address(1)).await.unwrap()[0].cause, cause);
    assert_eq!(db.ledger.last_batch(address(1)).await.unwrap().unwrap().state, BatchState::Included);
}

#[tokio::test]
async fn one_address_is_one_rollup() {
    let db = db().await;
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    let other = Rollup { chain_id: 5, ..rollup(1) };
    assert!(matches!(db.ledger.insert_rollup(&other).await.unwrap_err(), LedgerError::KeyConflict { .. }));
    for clash in [Rollup { name: "rollup-1".into(), ..rollup(2) }, Rollup { chain_id: 1_001, ..rollup(2) }] {
        assert!(db.ledger.insert_rollup(&clash).await.is_err());
    }
    assert!(db.ledger.insert_rollup(&Rollup { name: "Bad Name".into(), ..rollup(3) }).await.is_err());
    assert_eq!(db.ledger.rollups().await.unwrap(), [rollup(1)]);
    assert_eq!(db.ledger.rollup(address(9)).await.unwrap(), None);
}

fn fields(seq: u64, data: u64) -> BatchFields {
    BatchFields {
        seq,
        parent_hash: hash(seq - 1),
        origin_number: 3,
        origin_hash: hash(3),
        queue_up_to: 2,
        codec: 1,
        data_hash: hash(data),
        extra_root: B256::ZERO,
        blobs: 1,
    }
}

fn inclusion(number: u64) -> BatchInclusion {
    BatchInclusion {
        header_hash: hash(70),
        tx_hash: hash(71),
        block_number: number,
        block_hash: hash(number),
        block_time: 5,
    }
}

const CONTENT: BatchContent = BatchContent { first_block: 1, last_block: 9, transactions: 30, payload_bytes: 2_000 };

fn batch_post(key: &str) -> NewPost {
    NewPost {
        key: key.to_owned(),
        purpose: Purpose::Batch,
        rollup: Some(address(1)),
        sender: address(5),
        to: Some(address(1)),
        value: U256::ZERO,
        input: Bytes::new(),
        gas_limit: Some(500_000),
        blobs: Vec::new(),
    }
}

#[tokio::test]
async fn a_batch_and_its_post_are_stored_together() {
    let db = db().await;
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    let enqueued = db.ledger.enqueue_batch(address(1), &fields(1, 10), &CONTENT, &batch_post("1")).await.unwrap();
    let again = db.ledger.enqueue_batch(address(1), &fields(1, 10), &CONTENT, &batch_post("1")).await.unwrap();
    assert_eq!((again.id, again.is_new), (enqueued.id, false));
    let stored = db.ledger.last_batch(address(1)).await.unwrap().unwrap();
    assert_eq!((stored.fields, stored.content, stored.post), (fields(1, 10), Some(CONTENT), Some(enqueued.id)));
    assert_eq!((stored.state, stored.inclusion), (BatchState::Built, None));
    // Another one under its number takes its place, until one is on L1.
    let next = db.ledger.enqueue_batch(address(1), &fields(1, 11), &CONTENT, &batch_post("2")).await.unwrap();
    let stored = db.ledger.batches(address(1), 1).await.unwrap();
    assert_eq!(stored.iter().map(|b| (b.fields, b.post)).collect::<Vec<_>>(), [(fields(1, 11), Some(next.id))]);
    db.ledger.enqueue_batch(address(1), &fields(1, 10), &CONTENT, &batch_post("1")).await.unwrap();
    assert_eq!(db.ledger.batches(address(1), 1).await.unwrap(), stored, "nothing new, nothing void");
    db.ledger.batch_included(address(1), &fields(1, 11), &inclusion(20)).await.unwrap();
    let late = db.ledger.enqueue_batch(address(1), &fields(1, 12), &CONTENT, &batch_post("3")).await.unwrap_err();
    assert!(matches!(late, LedgerError::KeyConflict { what: "batch", .. }), "{late}");
    assert!(db.ledger.post_by_key("3").await.unwrap().is_none(), "nothing of it is stored");
}

#[tokio::test]
async fn a_batch_follows_l1_there_and_back() {
    let db = db().await;
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    db.ledger.enqueue_batch(address(1), &fields(1, 10), &CONTENT, &batch_post("1")).await.unwrap();
    db.ledger.batch_included(address(1), &fields(1, 10), &inclusion(20)).await.unwrap();
    db.ledger.batch_included(address(1), &fields(1, 10), &inclusion(20)).await.unwrap();
    assert!(db.ledger.batch_included(address(1), &fields(1, 10), &inclusion(21)).await.is_err(), "in two L1 blocks");
    // One that only L1 knows.
    db.ledger.batch_included(address(1), &fields(2, 12), &inclusion(22)).await.unwrap();
    db.ledger.set_batch_content(address(1), 2, &CONTENT).await.unwrap();
    assert_eq!(db.ledger.batches(address(1), 2).await.unwrap()[0].content, Some(CONTENT));
    assert_eq!(db.ledger.finalize_batches(address(1), 20).await.unwrap(), 1);
    db.ledger.reorg(&[hash(22)]).await.unwrap();
    let left = db.ledger.batches(address(1), 1).await.unwrap();
    assert_eq!(left.iter().map(|batch| batch.state).collect::<Vec<_>>(), [BatchState::Final]);
    assert_eq!(hashes_seen(&db, 19).await, [hash(20)], "what only a batch hangs on");
    db.ledger.reorg(&[hash(20)]).await.unwrap();
    let left = db.ledger.last_batch(address(1)).await.unwrap().unwrap();
    assert_eq!((left.state, left.inclusion), (BatchState::Built, None));
}

#[tokio::test]
async fn a_forced_batch_in_its_place_makes_ours_void() {
    let db = db().await;
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    db.ledger.enqueue_batch(address(1), &fields(1, 10), &CONTENT, &batch_post("1")).await.unwrap();
    let forced = BatchFields { codec: 0, data_hash: B256::ZERO, blobs: 0, ..fields(1, 0) };
    db.ledger.batch_included(address(1), &forced, &inclusion(20)).await.unwrap();
    let stored = db.ledger.batches(address(1), 1).await.unwrap();
    assert_eq!((stored.len(), stored[0].fields, stored[0].state), (1, forced, BatchState::Included));
}

#[tokio::test]
async fn claims_and_their_events_hang_on_l1_blocks() {
    let db = db().await;
    let chain: Vec<_> = (1..9).map(|number| block(number, 0, 99)).collect();
    db.ledger.record_l1_blocks(&chain).await.unwrap();
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    let claim = |n: u64, at| ClaimSeen {
        rollup: address(1),
        claim_hash: hash(n),
        contest: hash(50),
        proposer: address(7),
        parent: hash(40),
        batch_seq: 3,
        block_number: 99,
        closing: true,
        encoded: vec![1; 384].into(),
        at: log(&chain[at], 2),
    };
    db.ledger.record_claim(&claim(100, 1)).await.unwrap();
    db.ledger.record_claim(&claim(101, 2)).await.unwrap();
    let event = |n, event, actor, at: usize, index| {
        let ledger = db.ledger.clone();
        let at = log(&chain[at], index);
        async move { ledger.record_claim_event(address(1), hash(n), event, actor, &at).await }
    };
    for _ in 0..2 {
        event(100, ClaimEvent::Attested, Some(address(8)), 3, 0).await.unwrap();
        event(100, ClaimEvent::Attested, Some(address(9)), 3, 1).await.unwrap();
        event(100, ClaimEvent::Final, None, 5, 0).await.unwrap();
        event(101, ClaimEvent::Rejected, None, 5, 0).await.unwrap();
    }
    assert!(event(100, ClaimEvent::Attested, None, 3, 4).await.is_err(), "an attestation has an attester");
    assert!(event(555, ClaimEvent::Final, None, 3, 4).await.is_err(), "no such claim");
    let states =
        |claims: Vec<mayfly_ledger::Claim>| claims.iter().map(|c| (c.seen.claim_hash, c.state)).collect::<Vec<_>>();
    let claims = db.ledger.claims(address(1)).await.unwrap();
    assert_eq!(claims[0].attesters, [address(8), address(9)]);
    assert_eq!(claims[0].seen, claim(100, 1));
    assert_eq!(states(claims), [(hash(100), ClaimState::Final), (hash(101), ClaimState::Rejected)]);
    db.ledger.reorg(&hashes(&chain[5..])).await.unwrap();
    assert_eq!(
        states(db.ledger.claims(address(1)).await.unwrap()),
        [(hash(100), ClaimState::Pending), (hash(101), ClaimState::Pending)]
    );
    db.ledger.reorg(&hashes(&chain[2..5])).await.unwrap();
    assert_eq!(states(db.ledger.claims(address(1)).await.unwrap()), [(hash(100), ClaimState::Pending)]);
}

fn submission(index: u64) -> Submission {
    Submission {
        global_index: index,
        tx_hash: hash(index),
        sender: address(1),
        policy: (index.is_multiple_of(2)).then(|| hash(1)),
        gas_limit: 100_000,
        gas_used: 50_000,
        size_bytes: 178,
        succeeded: !index.is_multiple_of(3),
        block: 1 + index / 10,
    }
}

#[tokio::test]
async fn replaying_submissions_changes_nothing() {
    let db = db().await;
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    let rows: Vec<_> = (0..5_000).map(submission).collect();
    assert_eq!(db.ledger.record_submissions(address(1), &rows[..3_000]).await.unwrap(), 3_000);
    assert_eq!(db.ledger.record_submissions(address(1), &rows).await.unwrap(), 2_000);
    assert_eq!(db.ledger.record_submissions(address(1), &rows).await.unwrap(), 0);
    assert_eq!(db.ledger.submissions(address(1), 7).await.unwrap(), rows[60..70]);
    let totals = db.ledger.submission_totals(address(1)).await.unwrap();
    assert_eq!((totals.count, totals.gas_used, totals.size_bytes), (5_000, 250_000_000, 890_000));
    assert_eq!(db.ledger.last_submission_block(address(1)).await.unwrap(), Some(500));
    let other = Submission { tx_hash: hash(9_999), ..submission(4_999) };
    assert!(matches!(
        db.ledger.record_submissions(address(1), &[other]).await.unwrap_err(),
        LedgerError::KeyConflict { .. }
    ));
    assert_eq!(db.ledger.revert_submissions(address(1), 500).await.unwrap(), 10);
    assert_eq!(db.ledger.record_submissions(address(1), &[other]).await.unwrap(), 1);
}
