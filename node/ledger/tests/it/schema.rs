//! Schema versions, and the L1 a ledger belongs to.

use crate::env::{db, empty_database, hash};
use mayfly_ledger::{Ledger, LedgerError};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use std::path::Path;

#[tokio::test]
async fn migrates_an_older_database_and_keeps_its_rows() {
    let (url, _server) = empty_database().await;
    let old = tempfile::tempdir().unwrap();
    let name = "0001_rollups.sql";
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name), old.path().join(name)).unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    Migrator::new(old.path()).await.unwrap().run(&pool).await.unwrap();
    sqlx::raw_sql("INSERT INTO l1_chain (chain_id, genesis_hash) VALUES (7, decode(repeat('ab', 32), 'hex'))")
        .execute(&pool)
        .await
        .unwrap();
    let ledger = Ledger::connect(&url).await.unwrap();
    assert_eq!(ledger.schema_version().await.unwrap(), Ledger::supported_schema());
    ledger.bind_l1(7, alloy_primitives::B256::repeat_byte(0xab)).await.unwrap();
}

#[tokio::test]
async fn refuses_a_newer_schema() {
    let db = db().await;
    let newer = Ledger::supported_schema() + 1;
    db.sql(&format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ({newer}, 'later', true, '', 0)"
    ))
    .await
    .unwrap();
    let refused = Ledger::connect(&db.url).await.unwrap_err();
    assert!(matches!(refused, LedgerError::SchemaNewer { database, .. } if database == newer), "{refused}");
}

#[tokio::test]
async fn refuses_a_migration_that_was_edited_after_it_was_applied() {
    let db = db().await;
    db.sql("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 2").await.unwrap();
    assert!(matches!(Ledger::connect(&db.url).await.unwrap_err(), LedgerError::Migrate(_)));
}

#[tokio::test]
async fn belongs_to_one_l1() {
    let db = db().await;
    db.ledger.bind_l1(31_337, hash(1)).await.unwrap();
    db.ledger.bind_l1(31_337, hash(1)).await.unwrap();
    for (chain_id, genesis) in [(31_337, hash(2)), (1, hash(1))] {
        let refused = db.ledger.bind_l1(chain_id, genesis).await.unwrap_err();
        assert!(matches!(refused, LedgerError::OtherL1 { chain_id: 31_337, .. }), "{refused}");
    }
}

#[tokio::test]
async fn says_that_a_lost_connection_is_temporary() {
    let (url, server) = empty_database().await;
    let gone = url.replace("test_", "nowhere_");
    let refused = Ledger::connect(&gone).await.unwrap_err();
    assert!(!refused.is_temporary(), "a database that does not exist is not: {refused}");
    drop(server);
    let refused = Ledger::connect("postgres://postgres@localhost/x?host=/nonexistent").await.unwrap_err();
    assert!(refused.is_temporary(), "{refused}");
}
