//! How far a rollup was answered, and which answers were lost with its chain's directory.

use alloy_primitives::{Address, B256};
use time::OffsetDateTime;

use crate::convert::{hash, int, uint};
use crate::{Ledger, LedgerError};

/// A durable block: everything up to it may have been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Its number.
    pub block: u64,
    /// Its hash.
    pub hash: B256,
    /// Transactions of the chain up to it.
    pub transactions: u64,
}

/// Blocks that were answered, are in no batch on L1 and are not here any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostAnswers {
    /// The first of them.
    pub first_block: u64,
    /// The last that is known of.
    pub last_block: u64,
    /// At most so many transactions.
    pub transactions: u64,
    /// When that was found.
    pub noted_at: OffsetDateTime,
}

impl Ledger {
    /// The newest durable block. Written behind the chain, never waited for.
    pub async fn record_answered(&self, rollup: Address, at: &Answered) -> Result<(), LedgerError> {
        record(&mut *self.pool.acquire().await?, rollup, at).await
    }

    /// The last one recorded.
    pub async fn answered(&self, rollup: Address) -> Result<Option<Answered>, LedgerError> {
        let row = sqlx::query!("SELECT block, hash, transactions FROM answered WHERE rollup = $1", rollup.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            Ok(Answered {
                block: uint("block", row.block)?,
                hash: hash("hash", &row.hash)?,
                transactions: uint("transactions", row.transactions)?,
            })
        })
        .transpose()
    }

    /// Up to `transactions` of the answers up to `last` are lost, from block `first_block` on, and the chain goes on from
    /// `now`. Repeating it changes nothing.
    pub async fn record_lost_answers(
        &self,
        rollup: Address,
        first_block: u64,
        last: &Answered,
        transactions: u64,
        now: &Answered,
    ) -> Result<(), LedgerError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "INSERT INTO lost_answers (rollup, hash, first_block, last_block, transactions) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (rollup, hash) DO NOTHING",
            rollup.as_slice(),
            last.hash.as_slice(),
            int("block", first_block)?,
            int("block", last.block)?,
            int("transactions", transactions)?,
        )
        .execute(&mut *tx)
        .await?;
        record(&mut tx, rollup, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// All losses of a rollup, oldest first.
    pub async fn lost_answers(&self, rollup: Address) -> Result<Vec<LostAnswers>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT first_block, last_block, transactions, noted_at FROM lost_answers WHERE rollup = $1 ORDER BY noted_at",
            rollup.as_slice()
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(LostAnswers {
                    first_block: uint("block", row.first_block)?,
                    last_block: uint("block", row.last_block)?,
                    transactions: uint("transactions", row.transactions)?,
                    noted_at: row.noted_at,
                })
            })
            .collect()
    }
}

async fn record(conn: &mut sqlx::PgConnection, rollup: Address, at: &Answered) -> Result<(), LedgerError> {
    sqlx::query!(
        "INSERT INTO answered (rollup, block, hash, transactions) VALUES ($1, $2, $3, $4) ON CONFLICT (rollup) DO UPDATE \
         SET block = EXCLUDED.block, hash = EXCLUDED.hash, transactions = EXCLUDED.transactions, recorded_at = now()",
        rollup.as_slice(),
        int("block", at.block)?,
        at.hash.as_slice(),
        int("transactions", at.transactions)?,
    )
    .execute(conn)
    .await?;
    Ok(())
}
