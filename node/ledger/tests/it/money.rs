//! The double-entry core refuses, whoever asks.

use crate::env::{TestDb, address, block, db, log};
use alloy_primitives::{Address, I256, U256};
use mayfly_ledger::{AccountKey, AccountKind, LedgerError, NewTransfer};

const ETH: Address = Address::ZERO;

fn account(kind: AccountKind, owner: u8) -> AccountKey {
    AccountKey { kind, owner: address(owner), asset: ETH }
}

fn amount(value: i64) -> I256 {
    I256::try_from(value).unwrap()
}

fn transfer(key: &str, entries: &[(AccountKey, i64)]) -> NewTransfer {
    let entries = entries.iter().map(|(account, value)| (*account, amount(*value))).collect();
    NewTransfer { key: key.to_owned(), reason: "test", entries, cause: None, epoch: None }
}

/// The vault (owner 0xff) received a payer's deposit.
fn deposit(key: &str, payer: u8, value: i64) -> NewTransfer {
    transfer(key, &[(account(AccountKind::Custody, 0xff), -value), (account(AccountKind::Payer, payer), value)])
}

async fn balance(db: &TestDb, kind: AccountKind, owner: u8) -> I256 {
    db.ledger.balance(account(kind, owner)).await.unwrap()
}

#[tokio::test]
async fn a_transfer_is_booked_once() {
    let db = db().await;
    let first = db.ledger.transfer(&deposit("d", 1, 100)).await.unwrap();
    let again = db.ledger.transfer(&deposit("d", 1, 100)).await.unwrap();
    assert!(first.is_new && !again.is_new && first.id == again.id);
    assert!(matches!(db.ledger.transfer(&deposit("d", 1, 101)).await.unwrap_err(), LedgerError::KeyConflict { .. }));
    assert_eq!(balance(&db, AccountKind::Payer, 1).await, amount(100));
    assert_eq!(db.ledger.liabilities(ETH).await.unwrap(), U256::from(100));
    assert_eq!(db.ledger.audit().await.unwrap(), []);
}

#[tokio::test]
async fn refuses_unbalanced_transfers() {
    let db = db().await;
    let payer = account(AccountKind::Payer, 1);
    let custody = account(AccountKind::Custody, 0xff);
    let token = AccountKey { asset: address(0x77), ..payer };
    for entries in [vec![], vec![(payer, 5)], vec![(custody, -5), (payer, 4)], vec![(custody, -5), (token, 5)]] {
        let refused = db.ledger.transfer(&transfer("x", &entries)).await.unwrap_err();
        assert!(matches!(refused, LedgerError::Unbalanced(_)), "{entries:?}: {refused}");
    }
    // Around the API, and by a constraint that is checked early and then broken.
    db.ledger.transfer(&deposit("d", 1, 100)).await.unwrap();
    let insert = "INSERT INTO transfers (key, content_hash, reason) VALUES ('y', sha256(''), 'test');";
    assert_eq!(db.refused(insert).await, "MF002");
    let late = format!(
        "BEGIN; {insert} INSERT INTO entries SELECT (SELECT id FROM transfers WHERE key = 'y'), id, CASE kind WHEN 'payer' THEN 5 ELSE -5 END \
         FROM accounts WHERE kind IN ('payer', 'custody') AND asset = decode(repeat('00', 20), 'hex'); SET CONSTRAINTS ALL IMMEDIATE; \
         INSERT INTO accounts (kind, owner, asset) VALUES ('earned', decode(repeat('01', 20), 'hex'), decode(repeat('00', 20), 'hex')); \
         INSERT INTO entries SELECT (SELECT id FROM transfers WHERE key = 'y'), id, 1 FROM accounts WHERE kind = 'earned'; COMMIT;"
    );
    assert_eq!(db.refused(&late).await, "MF002");
    assert_eq!(balance(&db, AccountKind::Payer, 1).await, amount(100));
}

#[tokio::test]
async fn refuses_a_negative_balance() {
    let db = db().await;
    db.ledger.transfer(&deposit("d", 1, 100)).await.unwrap();
    let spend = |value: i64| {
        transfer("s", &[(account(AccountKind::Payer, 1), -value), (account(AccountKind::Earned, 2), value)])
    };
    let refused = db.ledger.transfer(&spend(101)).await.unwrap_err();
    assert!(matches!(&refused, LedgerError::InsufficientBalance { owner, .. } if *owner == address(1)), "{refused}");
    db.ledger.transfer(&spend(100)).await.unwrap();
    assert_eq!(balance(&db, AccountKind::Payer, 1).await, I256::ZERO);
    assert_eq!(balance(&db, AccountKind::Earned, 2).await, amount(100));
    assert_eq!(db.ledger.liabilities(ETH).await.unwrap(), U256::from(100));
}

#[tokio::test]
async fn refuses_every_change_to_what_was_booked() {
    let db = db().await;
    db.ledger.transfer(&deposit("d", 1, 100)).await.unwrap();
    for table in ["entries", "transfers", "accounts", "account_kinds"] {
        assert_eq!(db.refused(&format!("DELETE FROM {table}")).await, "MF001");
        assert_eq!(db.refused(&format!("TRUNCATE {table} CASCADE")).await, "MF001");
    }
    assert_eq!(db.refused("UPDATE entries SET amount = amount * 2").await, "MF001");
    assert_eq!(db.refused("UPDATE transfers SET reason = 'other'").await, "MF001");
    assert_eq!(db.refused("UPDATE accounts SET kind = 'shortfall'").await, "MF001");
    assert_eq!(db.refused("UPDATE account_kinds SET may_be_negative = true").await, "MF001");
    // Entries added later, even ones that sum to zero.
    let more = "INSERT INTO accounts (kind, owner, asset) SELECT 'earned', owner, asset FROM accounts; \
                INSERT INTO entries SELECT 1, id, CASE WHEN row_number() OVER () = 1 THEN 5 ELSE -5 END FROM accounts WHERE kind = 'earned'";
    assert_eq!(db.refused(more).await, "MF001");
    for sql in
        ["UPDATE balances SET amount = 1000", "DELETE FROM balances", "UPDATE balances SET may_be_negative = true"]
    {
        assert_eq!(db.refused(sql).await, "MF003");
    }
}

#[tokio::test]
async fn the_audit_finds_a_tampered_balance() {
    let db = db().await;
    db.ledger.transfer(&deposit("d", 1, 100)).await.unwrap();
    db.sql("SET session_replication_role = replica; UPDATE balances SET amount = 1 WHERE NOT may_be_negative; RESET session_replication_role")
        .await
        .unwrap();
    assert_eq!(db.ledger.audit().await.unwrap(), [account(AccountKind::Payer, 1)]);
}

#[tokio::test]
async fn amounts_reach_to_the_largest_int256_and_not_beyond_the_column() {
    let db = db().await;
    let big = |key: &str, owner| NewTransfer {
        entries: vec![
            (account(AccountKind::Custody, 0xff), -I256::MAX),
            (account(AccountKind::Payer, owner), I256::MAX),
        ],
        ..deposit(key, owner, 1)
    };
    db.ledger.transfer(&big("a", 1)).await.unwrap();
    assert_eq!(balance(&db, AccountKind::Payer, 1).await, I256::MAX);
    let twice = NewTransfer { entries: [big("b", 1).entries, big("b", 1).entries].concat(), ..big("b", 1) };
    assert!(matches!(db.ledger.transfer(&twice).await.unwrap_err(), LedgerError::Invalid { .. }));
}

#[tokio::test]
async fn one_l1_log_is_one_transfer() {
    let db = db().await;
    let cause = Some(log(&block(5, 0, 99), 3));
    db.ledger.transfer(&NewTransfer { cause, ..deposit("a", 1, 100) }).await.unwrap();
    assert!(db.ledger.transfer(&NewTransfer { cause, ..deposit("b", 1, 100) }).await.is_err());
    assert_eq!(balance(&db, AccountKind::Payer, 1).await, amount(100));
}

#[tokio::test]
async fn a_reorganisation_is_compensated_not_erased() {
    let db = db().await;
    let at = |number, index| Some(log(&block(number, 0, 99), index));
    db.ledger.transfer(&NewTransfer { cause: at(5, 0), ..deposit("kept", 1, 10) }).await.unwrap();
    let gone = db.ledger.transfer(&NewTransfer { cause: at(6, 0), ..deposit("gone", 1, 100) }).await.unwrap().id;
    let spend = transfer("spend", &[(account(AccountKind::Payer, 1), -70), (account(AccountKind::Earned, 2), 70)]);
    db.ledger.transfer(&spend).await.unwrap();
    let fork = [block(6, 0, 99).hash];
    assert_eq!(db.ledger.reorg(&fork).await.unwrap().transfers, [gone]);
    assert_eq!(db.ledger.reorg(&fork).await.unwrap().transfers, [], "once");
    assert_eq!(balance(&db, AccountKind::Payer, 1).await, I256::ZERO, "what was left of it");
    assert_eq!(balance(&db, AccountKind::Shortfall, 1).await, amount(-60), "what was spent of it");
    assert_eq!(balance(&db, AccountKind::Custody, 0xff).await, amount(-10));
    assert_eq!(db.ledger.liabilities(ETH).await.unwrap(), U256::from(10), "what the vault holds");
    let first = db.ledger.compensate(gone).await.unwrap();
    assert_eq!(db.ledger.compensate(gone).await.unwrap(), first);
    assert_eq!(db.ledger.audit().await.unwrap(), []);
}

#[tokio::test]
async fn a_log_that_l1_takes_back_and_returns_counts_again() {
    let db = db().await;
    let there = block(6, 0, 99);
    let booked = NewTransfer { cause: Some(log(&there, 0)), ..deposit("d", 1, 100) };
    let id = db.ledger.transfer(&booked).await.unwrap().id;
    let spend = transfer("spend", &[(account(AccountKind::Payer, 1), -70), (account(AccountKind::Earned, 2), 70)]);
    db.ledger.transfer(&spend).await.unwrap();
    for _ in 0..2 {
        assert_eq!(db.ledger.reorg(&[there.hash]).await.unwrap().transfers, [id]);
        assert_eq!(balance(&db, AccountKind::Payer, 1).await, I256::ZERO);
        assert_eq!(balance(&db, AccountKind::Shortfall, 1).await, amount(-70));
        let again = db.ledger.transfer(&booked).await.unwrap();
        assert_eq!((again.id, again.is_new), (id, true));
        assert!(!db.ledger.transfer(&booked).await.unwrap().is_new, "once");
        assert_eq!(balance(&db, AccountKind::Payer, 1).await, amount(30));
        assert_eq!(balance(&db, AccountKind::Shortfall, 1).await, I256::ZERO);
    }
    // What was taken back by hand is not brought back by reading L1 again.
    db.ledger.compensate(id).await.unwrap();
    assert!(!db.ledger.transfer(&booked).await.unwrap().is_new);
    assert_eq!(balance(&db, AccountKind::Payer, 1).await, I256::ZERO);
    assert_eq!(db.ledger.audit().await.unwrap(), []);
}

#[tokio::test]
async fn opposite_transfers_at_once_do_not_block_each_other() {
    let db = db().await;
    for owner in [1, 2] {
        db.ledger.transfer(&deposit(&format!("d{owner}"), owner, 1_000)).await.unwrap();
    }
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let (from, to) = if n % 2 == 0 { (1, 2) } else { (2, 1) };
            let entries = [(account(AccountKind::Payer, from), -7), (account(AccountKind::Payer, to), 7)];
            let (ledger, booked) = (db.ledger.clone(), transfer(&format!("t{n}"), &entries));
            tokio::spawn(async move { ledger.transfer(&booked).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(
        (balance(&db, AccountKind::Payer, 1).await, balance(&db, AccountKind::Payer, 2).await),
        (amount(1_000), amount(1_000))
    );
}
