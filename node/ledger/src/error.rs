//! What can go wrong with the ledger.

use crate::server::ServerError;
use alloy_primitives::{Address, B256};

/// The ledger refused, or the database failed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database failed or cannot be reached.
    #[error("database: {0}")]
    Sql(sqlx::Error),
    /// A migration failed, or one that was applied has been edited since.
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The database was written by a newer build.
    #[error("the database has schema version {database}, this build knows {supported}: use a newer build")]
    SchemaNewer {
        /// Version found in the database.
        database: i64,
        /// The newest version this build knows.
        supported: i64,
    },
    /// PostgreSQL is too old.
    #[error("PostgreSQL {0} is too old, 15 is the oldest supported")]
    ServerTooOld(i32),
    /// The ledger belongs to another L1.
    #[error("this ledger belongs to L1 chain {chain_id} with genesis {genesis_hash}")]
    OtherL1 {
        /// Chain id stored at first use.
        chain_id: u64,
        /// Genesis hash stored at first use.
        genesis_hash: B256,
    },
    /// An L1 block does not fit onto the ones seen: record a reorganisation first.
    #[error("L1 block {number} ({hash}) does not fit the blocks seen before")]
    L1Mismatch {
        /// Its number.
        number: u64,
        /// Its hash.
        hash: B256,
    },
    /// Something is not in the ledger.
    #[error("no {what} {key}")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// Its key.
        key: String,
    },
    /// The same idempotency key came with other content.
    #[error("{what} {key} exists with other content")]
    KeyConflict {
        /// Kind of thing.
        what: &'static str,
        /// Its key.
        key: String,
    },
    /// A thing is in a state that does not allow the step.
    #[error("{what} {key} is {state}")]
    WrongState {
        /// Kind of thing.
        what: &'static str,
        /// Its key.
        key: String,
        /// The state it is in.
        state: String,
    },
    /// A raw transaction is not what its post and nonce say.
    #[error("raw transaction refused: {0}")]
    BadRaw(String),
    /// A post would get a second nonce, or a nonce a second post.
    #[error("nonce refused: {0}")]
    Nonce(String),
    /// More of something than a named limit allows.
    #[error("more than {limit} {what}")]
    TooMany {
        /// Kind of thing.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A value does not fit where it is stored, or has the wrong form.
    #[error("invalid {what}: {value}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// What it was.
        value: String,
    },
    /// A transfer's entries do not sum to zero for every asset, or it has fewer than two.
    #[error("unbalanced transfer: {0}")]
    Unbalanced(String),
    /// An account that must not be negative would be.
    #[error("insufficient balance of {owner}: {detail}")]
    InsufficientBalance {
        /// Whose account, if known.
        owner: Address,
        /// What was asked of it.
        detail: String,
    },
    /// Something written for good would be changed.
    #[error("append-only: {0}")]
    AppendOnly(String),
    /// What the database returned cannot be right.
    #[error("corrupt {what}: {value}")]
    Corrupt {
        /// Which value.
        what: &'static str,
        /// What it was.
        value: String,
    },
    /// An L1 time before the first epoch.
    #[error("time {time} is before the first epoch at {start}")]
    BeforeFirstEpoch {
        /// The time.
        time: u64,
        /// Start of epoch 0.
        start: u64,
    },
    /// The private server could not be run.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl LedgerError {
    /// Whether trying the same again later may work: connections, timeouts, deadlocks, a server starting or stopping.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
            Self::Sql(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                ["40001", "40P01", "55P03"].contains(&code.as_ref())
                    || ["08", "53", "57"].iter().any(|class| code.starts_with(class))
            }),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        let sqlx::Error::Database(database) = &error else { return Self::Sql(error) };
        let message = database.message().to_owned();
        match (database.code().as_deref(), database.constraint()) {
            (Some("MF001" | "MF003" | "MF005" | "MF006"), _) => Self::AppendOnly(message),
            (Some("MF002"), _) => Self::Unbalanced(message),
            (Some("MF004"), _) | (_, Some("posts_sender_nonce_key")) => Self::Nonce(message),
            (_, Some("balance_not_negative")) => Self::InsufficientBalance { owner: Address::ZERO, detail: message },
            (Some("22003"), _) => Self::Invalid { what: "amount", value: message },
            _ => Self::Sql(error),
        }
    }
}
