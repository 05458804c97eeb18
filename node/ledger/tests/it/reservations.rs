//! Reservations: in full or not at all, closed once.

use crate::env::{TestDb, address, db};
use alloy_primitives::{Address, I256, U256};
use mayfly_ledger::{AccountKey, AccountKind, LedgerError, NewTransfer, ReservationState};
use std::time::Duration;
use time::OffsetDateTime;

const ETH: Address = Address::ZERO;
const T0: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn account(kind: AccountKind, owner: u8) -> AccountKey {
    AccountKey { kind, owner: address(owner), asset: ETH }
}

/// A payer with 100.
async fn funded() -> TestDb {
    let db = db().await;
    let hundred = I256::try_from(100).unwrap();
    let entries = vec![(account(AccountKind::Custody, 0xff), -hundred), (account(AccountKind::Payer, 1), hundred)];
    let deposit = NewTransfer { key: "d".into(), reason: "deposit", entries, cause: None, epoch: None };
    db.ledger.transfer(&deposit).await.unwrap();
    db
}

async fn reserve(db: &TestDb, key: &str, amount: u64) -> Result<(), LedgerError> {
    db.ledger.reserve(key, address(1), ETH, U256::from(amount), T0 + Duration::from_secs(60)).await
}

async fn balances(db: &TestDb) -> [i64; 3] {
    let accounts = [account(AccountKind::Payer, 1), account(AccountKind::Reserved, 1), account(AccountKind::Earned, 2)];
    let mut amounts = [0; 3];
    for (amount, key) in amounts.iter_mut().zip(accounts) {
        *amount = db.ledger.balance(key).await.unwrap().as_i64();
    }
    amounts
}

#[tokio::test]
async fn settles_to_what_was_used_once() {
    let db = funded().await;
    for _ in 0..2 {
        reserve(&db, "r", 60).await.unwrap();
        assert_eq!(balances(&db).await, [40, 60, 0]);
    }
    assert!(matches!(reserve(&db, "r", 61).await.unwrap_err(), LedgerError::KeyConflict { .. }));
    let earned = account(AccountKind::Earned, 2);
    let over = db.ledger.settle("r", U256::from(61), earned, None).await.unwrap_err();
    assert!(matches!(over, LedgerError::Invalid { what: "used amount", .. }), "{over}");
    for _ in 0..2 {
        db.ledger.settle("r", U256::from(25), earned, None).await.unwrap();
        assert_eq!(balances(&db).await, [75, 0, 25]);
    }
    let again = db.ledger.settle("r", U256::from(26), earned, None).await.unwrap_err();
    assert!(matches!(again, LedgerError::WrongState { .. }), "{again}");
    assert!(matches!(db.ledger.release("r").await.unwrap_err(), LedgerError::WrongState { .. }));
    assert!(matches!(db.ledger.release("none").await.unwrap_err(), LedgerError::NotFound { .. }));
    assert_eq!(db.refused("UPDATE reservations SET state = 'released', used = 0").await, "MF006");
    assert_eq!(db.refused("DELETE FROM reservations").await, "MF001");
}

#[tokio::test]
async fn of_racing_reservations_only_what_is_covered_succeeds() {
    let db = funded().await;
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let ledger = db.ledger.clone();
            tokio::spawn(async move { ledger.reserve(&format!("r{n}"), address(1), ETH, U256::from(30), T0).await })
        })
        .collect();
    let mut held = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(()) => held += 1,
            Err(LedgerError::InsufficientBalance { owner, .. }) => assert_eq!(owner, address(1)),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((held, balances(&db).await), (3, [10, 90, 0]));
}

#[tokio::test]
async fn the_same_reservation_made_twice_at_once_is_one() {
    let db = funded().await;
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let ledger = db.ledger.clone();
            tokio::spawn(async move { ledger.reserve("r", address(1), ETH, U256::from(30), T0).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(balances(&db).await, [70, 30, 0]);
}

#[tokio::test]
async fn settling_and_expiring_at_once_pays_once() {
    let db = funded().await;
    for n in 0..5 {
        let key = format!("r{n}");
        reserve(&db, &key, 10).await.unwrap();
        let (settler, expirer) = (db.ledger.clone(), db.ledger.clone());
        let settled =
            tokio::spawn(
                async move { settler.settle(&key, U256::from(10), account(AccountKind::Earned, 2), None).await },
            );
        let expired = tokio::spawn(async move { expirer.expire_reservations(T0 + Duration::from_secs(61)).await });
        let won = u8::from(settled.await.unwrap().is_ok());
        let lost = u8::try_from(expired.await.unwrap().unwrap().len()).unwrap();
        assert_eq!(won + lost, 1);
    }
    let [payer, reserved, earned] = balances(&db).await;
    assert_eq!((payer + earned, reserved), (100, 0));
}

#[tokio::test]
async fn gives_back_on_release_and_on_expiry() {
    let db = funded().await;
    reserve(&db, "a", 40).await.unwrap();
    reserve(&db, "b", 40).await.unwrap();
    db.ledger.release("a").await.unwrap();
    db.ledger.release("a").await.unwrap();
    assert_eq!(balances(&db).await, [60, 40, 0]);
    let early = T0 + Duration::from_secs(59);
    assert_eq!(db.ledger.expire_reservations(early).await.unwrap(), Vec::<String>::new());
    assert_eq!(db.ledger.expire_reservations(early + Duration::from_secs(1)).await.unwrap(), ["b"]);
    assert_eq!(balances(&db).await, [100, 0, 0]);
    assert_eq!(db.ledger.reservation("b").await.unwrap().unwrap().state, ReservationState::Expired);
    assert!(db.ledger.settle("b", U256::from(1), account(AccountKind::Earned, 2), None).await.is_err());
}
