//! One server for the tests that run at the same time, a database for each.

use alloy_primitives::{Address, B256};
use mayfly_ledger::{L1Block, L1Log, Ledger, Role, Rollup, Server, ServerOptions};
use sqlx::{AssertSqlSafe, PgPool};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use tempfile::TempDir;
use tokio::sync::Mutex;

static SHARED: Mutex<Weak<Shared>> = Mutex::const_new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

struct Shared {
    // Stopped before its directory is removed.
    server: Server,
    _dir: TempDir,
}

/// A ledger of its own, and a second way into its database.
pub(crate) struct TestDb {
    pub(crate) ledger: Ledger,
    pub(crate) pool: PgPool,
    pub(crate) url: String,
    _shared: Arc<Shared>,
}

pub(crate) fn quick() -> ServerOptions {
    ServerOptions { fsync: false, max_connections: 200 }
}

/// The URL of an empty database, and what keeps its server alive.
pub(crate) async fn empty_database() -> (String, Arc<dyn Send + Sync>) {
    let (url, shared) = database().await;
    (url, shared)
}

async fn database() -> (String, Arc<Shared>) {
    let mut weak = SHARED.lock().await;
    let shared = match weak.upgrade() {
        Some(shared) => shared,
        None => {
            let dir = tempfile::tempdir().unwrap();
            let server = Server::start(dir.path(), &quick()).await.unwrap();
            let shared = Arc::new(Shared { server, _dir: dir });
            *weak = Arc::downgrade(&shared);
            shared
        }
    };
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    (shared.server.create_database(&name).await.unwrap(), shared)
}

pub(crate) async fn db() -> TestDb {
    let (url, shared) = database().await;
    let ledger = Ledger::connect(&url).await.unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    TestDb { ledger, pool, url, _shared: shared }
}

impl TestDb {
    /// Runs SQL around the ledger's API, as somebody with the database's password could.
    pub(crate) async fn sql(&self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.map(drop)
    }

    /// The SQLSTATE that SQL is refused with.
    pub(crate) async fn refused(&self, sql: &str) -> String {
        match self.sql(sql).await {
            Err(sqlx::Error::Database(error)) => error.code().unwrap().into_owned(),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

pub(crate) fn hash(n: u64) -> B256 {
    let mut bytes = [0xee; 32];
    bytes[24..].copy_from_slice(&n.to_be_bytes());
    B256::from(bytes)
}

pub(crate) fn address(n: u8) -> Address {
    Address::repeat_byte(n)
}

/// Block `number` of the branch `branch`, on its branch's block before, from number `fork` on.
pub(crate) fn block(number: u64, branch: u64, fork: u64) -> L1Block {
    let id = |number: u64| hash(if number < fork { number } else { branch << 32 | number });
    L1Block { number, hash: id(number), parent_hash: id(number.wrapping_sub(1)), time: 1_000 + number * 12 }
}

pub(crate) fn log(block: &L1Block, index: u64) -> L1Log {
    L1Log { number: block.number, hash: block.hash, index }
}

pub(crate) fn rollup(n: u8) -> Rollup {
    let created = L1Log { number: 1, hash: hash(1), index: 0 };
    Rollup {
        address: address(n),
        name: format!("rollup-{n}"),
        chain_id: 1_000 + u64::from(n),
        settlement: address(n ^ 0x40),
        vault: address(n ^ 0x80),
        role: Role::Sequencer,
        config: "{}".to_owned(),
        created,
    }
}
