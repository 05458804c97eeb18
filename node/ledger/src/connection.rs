//! Connecting: server version, schema version, migrations, and the L1 the ledger belongs to.

use crate::LedgerError;
use crate::convert::{hash, int, uint};
use alloy_primitives::B256;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Row};
use std::str::FromStr;
use std::time::Duration;

static MIGRATOR: Migrator = sqlx::migrate!();

/// Connections of one ledger.
const MAX_CONNECTIONS: u32 = 8;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// The oldest PostgreSQL with `NULLS NOT DISTINCT`.
const OLDEST_SERVER: i32 = 150_000;

/// The database of one node. Cheap to clone; every method is one SQL transaction unless it says otherwise.
#[derive(Clone, Debug)]
pub struct Ledger {
    pub(crate) pool: PgPool,
}

impl Ledger {
    /// Connects, refuses a schema newer than this build's, and migrates an older one.
    pub async fn connect(url: &str) -> Result<Self, LedgerError> {
        let options = PgConnectOptions::from_str(url)?.application_name("mayfly");
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        let ledger = Self { pool };
        ledger.check_server().await?;
        ledger.check_schema().await?;
        MIGRATOR.run(&ledger.pool).await?;
        Ok(ledger)
    }

    /// The schema version of a database, which is only looked at; 0 if it is empty.
    pub async fn inspect(url: &str) -> Result<i64, LedgerError> {
        let ledger = Self::look(url).await?;
        let version = ledger.schema_version().await?;
        ledger.close().await;
        Ok(version)
    }

    /// Connects to a database to read it, whatever its schema: it is not migrated, so reads of what it lacks fail.
    pub async fn look(url: &str) -> Result<Self, LedgerError> {
        let options = PgConnectOptions::from_str(url)?.application_name("mayfly doctor");
        let pool =
            PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_TIMEOUT).connect_with(options).await?;
        let ledger = Self { pool };
        ledger.check_server().await?;
        Ok(ledger)
    }

    /// The newest schema version that this build knows.
    pub fn supported_schema() -> i64 {
        MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    /// The schema version of the database; 0 if it is empty.
    pub async fn schema_version(&self) -> Result<i64, LedgerError> {
        // Not `query!`: sqlx's own table is there only after the first migration.
        let exists: bool =
            sqlx::query("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(&self.pool).await?.get(0);
        if !exists {
            return Ok(0);
        }
        Ok(sqlx::query("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations").fetch_one(&self.pool).await?.get(0))
    }

    /// Ties the ledger to one L1 at first use; refuses every other one from then on.
    pub async fn bind_l1(&self, chain_id: u64, genesis_hash: B256) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO l1_chain (chain_id, genesis_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            int("L1 chain id", chain_id)?,
            genesis_hash.as_slice(),
        )
        .execute(&self.pool)
        .await?;
        let row = sqlx::query!("SELECT chain_id, genesis_hash FROM l1_chain").fetch_one(&self.pool).await?;
        let stored = (uint("L1 chain id", row.chain_id)?, hash("L1 genesis", &row.genesis_hash)?);
        if stored == (chain_id, genesis_hash) {
            Ok(())
        } else {
            Err(LedgerError::OtherL1 { chain_id: stored.0, genesis_hash: stored.1 })
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every connection; the ledger cannot be used afterwards.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn check_server(&self) -> Result<(), LedgerError> {
        let version: i32 =
            sqlx::query("SELECT current_setting('server_version_num')::int").fetch_one(&self.pool).await?.get(0);
        if version < OLDEST_SERVER { Err(LedgerError::ServerTooOld(version / 10_000)) } else { Ok(()) }
    }

    async fn check_schema(&self) -> Result<(), LedgerError> {
        let (database, supported) = (self.schema_version().await?, Self::supported_schema());
        if database > supported { Err(LedgerError::SchemaNewer { database, supported }) } else { Ok(()) }
    }
}
