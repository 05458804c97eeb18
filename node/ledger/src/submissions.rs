//! Gas-abstracted submissions, written in bulk behind the hot path.

use crate::convert::{address, hash, int, uint};
use crate::{Ledger, LedgerError};
use alloy_primitives::{Address, B256};

/// Submissions in one call of [`Ledger::record_submissions`].
pub const MAX_SUBMISSIONS: usize = 20_000;

/// A transaction whose gas somebody else than its sender carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submission {
    /// Its number over all blocks of the rollup.
    pub global_index: u64,
    /// Its hash.
    pub tx_hash: B256,
    /// Its sender.
    pub sender: Address,
    /// Whose policy covered it; none: the free quota.
    pub policy: Option<B256>,
    /// The gas limit it signed.
    pub gas_limit: u64,
    /// The gas it used.
    pub gas_used: u64,
    /// Its size.
    pub size_bytes: u32,
    /// False: it reverted.
    pub succeeded: bool,
    /// Its block.
    pub block: u64,
}

/// Sums over a rollup's submissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubmissionTotals {
    /// How many.
    pub count: u64,
    /// Their gas.
    pub gas_used: u64,
    /// Their bytes.
    pub size_bytes: u64,
}

impl Ledger {
    /// Stores submissions. Those already there are skipped, so that the chain's log can be replayed; a different
    /// transaction at a number that is taken is refused: take the old ones back first.
    pub async fn record_submissions(&self, rollup: Address, rows: &[Submission]) -> Result<u64, LedgerError> {
        if rows.len() > MAX_SUBMISSIONS {
            return Err(LedgerError::TooMany { what: "submissions", limit: MAX_SUBMISSIONS });
        }
        let ints = |field: fn(&Submission) -> u64| {
            rows.iter().map(|row| int("submission", field(row))).collect::<Result<Vec<_>, _>>()
        };
        let (indexes, blocks) = (ints(|row| row.global_index)?, ints(|row| row.block)?);
        let (limits, used) = (ints(|row| row.gas_limit)?, ints(|row| row.gas_used)?);
        let hashes: Vec<Vec<u8>> = rows.iter().map(|row| row.tx_hash.to_vec()).collect();
        let senders: Vec<Vec<u8>> = rows.iter().map(|row| row.sender.to_vec()).collect();
        let policies: Vec<Option<Vec<u8>>> = rows.iter().map(|row| row.policy.map(|policy| policy.to_vec())).collect();
        let sizes: Vec<i64> = rows.iter().map(|row| i64::from(row.size_bytes)).collect();
        let succeeded: Vec<bool> = rows.iter().map(|row| row.succeeded).collect();
        let mut tx = self.pool.begin().await?;
        let done = sqlx::query!(
            "INSERT INTO submissions (rollup, global_index, tx_hash, sender, policy, gas_limit, gas_used, size_bytes, succeeded, block) \
             SELECT $1, * FROM UNNEST($2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[], \
             $8::bigint[], $9::boolean[], $10::bigint[]) ON CONFLICT (rollup, global_index) DO NOTHING",
            rollup.as_slice(),
            &indexes,
            &hashes,
            &senders,
            &policies as &[Option<Vec<u8>>],
            &limits,
            &used,
            &sizes,
            &succeeded,
            &blocks,
        )
        .execute(&mut *tx)
        .await?;
        // Fewer rows than given: make sure that those skipped are the same transactions.
        if done.rows_affected() < rows.len() as u64 {
            let other = sqlx::query_scalar!(
                r#"SELECT s.global_index FROM submissions s
                   JOIN UNNEST($2::bigint[], $3::bytea[]) AS n (global_index, tx_hash) ON n.global_index = s.global_index
                   WHERE s.rollup = $1 AND s.tx_hash <> n.tx_hash LIMIT 1"#,
                rollup.as_slice(),
                &indexes,
                &hashes,
            )
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(index) = other {
                return Err(LedgerError::KeyConflict { what: "submission", key: index.to_string() });
            }
        }
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// The highest block with a stored submission: replay the chain's log from there.
    pub async fn last_submission_block(&self, rollup: Address) -> Result<Option<u64>, LedgerError> {
        let block = sqlx::query_scalar!("SELECT MAX(block) FROM submissions WHERE rollup = $1", rollup.as_slice())
            .fetch_one(&self.pool)
            .await?;
        block.map(|block| uint("block", block)).transpose()
    }

    /// Blocks from `block` on were taken back: so are their submissions. Returns how many.
    pub async fn revert_submissions(&self, rollup: Address, block: u64) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "DELETE FROM submissions WHERE rollup = $1 AND block >= $2",
            rollup.as_slice(),
            int("block", block)?
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// The submissions of one block.
    pub async fn submissions(&self, rollup: Address, block: u64) -> Result<Vec<Submission>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT global_index, tx_hash, sender, policy, gas_limit, gas_used, size_bytes, succeeded, block FROM submissions \
             WHERE rollup = $1 AND block = $2 ORDER BY global_index LIMIT $3",
            rollup.as_slice(),
            int("block", block)?,
            MAX_SUBMISSIONS as i64,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Submission {
                    global_index: uint("index", row.global_index)?,
                    tx_hash: hash("tx hash", &row.tx_hash)?,
                    sender: address("sender", &row.sender)?,
                    policy: row.policy.map(|bytes| hash("policy", &bytes)).transpose()?,
                    gas_limit: uint("gas limit", row.gas_limit)?,
                    gas_used: uint("gas used", row.gas_used)?,
                    size_bytes: row.size_bytes.unsigned_abs(),
                    succeeded: row.succeeded,
                    block: uint("block", row.block)?,
                })
            })
            .collect()
    }

    /// Sums over a rollup's submissions.
    pub async fn submission_totals(&self, rollup: Address) -> Result<SubmissionTotals, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT COUNT(*) AS "count!", COALESCE(SUM(gas_used), 0)::bigint AS "gas!", COALESCE(SUM(size_bytes), 0)::bigint AS "bytes!"
               FROM submissions WHERE rollup = $1"#,
            rollup.as_slice()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(SubmissionTotals {
            count: uint("count", row.count)?,
            gas_used: uint("gas used", row.gas)?,
            size_bytes: uint("bytes", row.bytes)?,
        })
    }
}
