//! How far answers went, and which were lost.

use crate::env::{address, db, hash, rollup};
use mayfly_ledger::Answered;

#[tokio::test]
async fn a_loss_is_written_once_and_stays() {
    let db = db().await;
    db.ledger.insert_rollup(&rollup(1)).await.unwrap();
    let of = address(1);
    assert_eq!(db.ledger.answered(of).await.unwrap(), None);
    let at = |block: u64, transactions: u64| Answered { block, hash: hash(block), transactions };
    db.ledger.record_answered(of, &at(5, 50)).await.unwrap();
    db.ledger.record_answered(of, &at(9, 90)).await.unwrap();
    assert_eq!(db.ledger.answered(of).await.unwrap(), Some(at(9, 90)));
    for _ in 0..2 {
        db.ledger.record_lost_answers(of, 7, &at(9, 90), 30, &at(6, 60)).await.unwrap();
    }
    let lost = db.ledger.lost_answers(of).await.unwrap();
    assert_eq!(lost.iter().map(|l| (l.first_block, l.last_block, l.transactions)).collect::<Vec<_>>(), [(7, 9, 30)]);
    assert_eq!(db.ledger.answered(of).await.unwrap(), Some(at(6, 60)), "the chain goes on from there");
    assert_eq!(db.refused("UPDATE lost_answers SET transactions = 1").await, "MF001");
    assert_eq!(db.refused("DELETE FROM lost_answers").await, "MF001");
}
