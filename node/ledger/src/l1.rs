//! L1 blocks that were seen, and what a reorganisation takes back.

use crate::convert::{hash, int, uint};
use crate::{Ledger, LedgerError, PostId, TransferId};
use alloy_primitives::B256;

/// Blocks in one call of [`Ledger::record_l1_blocks`].
pub const MAX_L1_BLOCKS: usize = 4_096;

/// An L1 block as the ledger keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// The hash of the block before.
    pub parent_hash: B256,
    /// Its timestamp in seconds.
    pub time: u64,
}

/// Where on L1 something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Log {
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: B256,
    /// The log's index in the block.
    pub index: u64,
}

/// What a reorganisation took back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reorged {
    /// Blocks that are no longer part of L1, oldest first.
    pub blocks: Vec<B256>,
    /// Posts that were mined in them and are waiting to be mined again.
    pub posts: Vec<PostId>,
    /// Transfers that they had caused; each was compensated.
    pub transfers: Vec<TransferId>,
}

impl Ledger {
    /// Records blocks in ascending order. Blocks already there are skipped; a block that contradicts what is there
    /// (another hash at its number, or another parent) is refused with [`LedgerError::L1Mismatch`].
    pub async fn record_l1_blocks(&self, blocks: &[L1Block]) -> Result<(), LedgerError> {
        if blocks.len() > MAX_L1_BLOCKS {
            return Err(LedgerError::TooMany { what: "L1 blocks", limit: MAX_L1_BLOCKS });
        }
        let Some(first) = blocks.first() else { return Ok(()) };
        for pair in blocks.windows(2) {
            if pair[1].number != pair[0].number + 1 || pair[1].parent_hash != pair[0].hash {
                return Err(LedgerError::L1Mismatch { number: pair[1].number, hash: pair[1].hash });
            }
        }
        let mut tx = self.pool.begin().await?;
        // Writers of blocks take turns, so that the checks below see all there is.
        sqlx::query!("LOCK TABLE l1_blocks IN SHARE ROW EXCLUSIVE MODE").execute(&mut *tx).await?;
        let before = sqlx::query_scalar!(
            "SELECT hash FROM l1_blocks WHERE number = $1::bigint - 1",
            int("L1 number", first.number)?
        )
        .fetch_optional(&mut *tx)
        .await?;
        if before.is_some_and(|parent| parent != first.parent_hash.as_slice()) {
            return Err(LedgerError::L1Mismatch { number: first.number, hash: first.hash });
        }
        let numbers = blocks.iter().map(|block| int("L1 number", block.number)).collect::<Result<Vec<_>, _>>()?;
        let times = blocks.iter().map(|block| int("L1 time", block.time)).collect::<Result<Vec<_>, _>>()?;
        let hashes: Vec<Vec<u8>> = blocks.iter().map(|block| block.hash.to_vec()).collect();
        let parents: Vec<Vec<u8>> = blocks.iter().map(|block| block.parent_hash.to_vec()).collect();
        sqlx::query!(
            "INSERT INTO l1_blocks (hash, number, parent_hash, time) \
             SELECT * FROM UNNEST($1::bytea[], $2::bigint[], $3::bytea[], $4::bigint[]) ON CONFLICT (number) DO NOTHING",
            &hashes,
            &numbers,
            &parents,
            &times,
        )
        .execute(&mut *tx)
        .await?;
        let conflict = sqlx::query!(
            r#"SELECT n.number AS "number!", n.hash AS "hash!" FROM UNNEST($1::bytea[], $2::bigint[]) AS n (hash, number)
               LEFT JOIN l1_blocks b ON b.number = n.number AND b.hash = n.hash
               WHERE b.hash IS NULL ORDER BY n.number LIMIT 1"#,
            &hashes,
            &numbers,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(row) = conflict {
            return Err(LedgerError::L1Mismatch {
                number: uint("L1 number", row.number)?,
                hash: hash("L1 hash", &row.hash)?,
            });
        }
        tx.commit().await?;
        Ok(())
    }

    /// The newest L1 block seen.
    pub async fn l1_head(&self) -> Result<Option<L1Block>, LedgerError> {
        let row = sqlx::query!("SELECT number, hash, parent_hash, time FROM l1_blocks ORDER BY number DESC LIMIT 1")
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| {
            Ok(L1Block {
                number: uint("L1 number", row.number)?,
                hash: hash("L1 hash", &row.hash)?,
                parent_hash: hash("L1 hash", &row.parent_hash)?,
                time: uint("L1 time", row.time)?,
            })
        })
        .transpose()
    }

    /// The hash of the L1 block seen at a number.
    pub async fn l1_hash_at(&self, number: u64) -> Result<Option<B256>, LedgerError> {
        let row = sqlx::query_scalar!("SELECT hash FROM l1_blocks WHERE number = $1", int("L1 number", number)?)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|bytes| hash("L1 hash", &bytes)).transpose()
    }

    /// Forgets blocks below `number` that nothing hangs on; returns how many.
    pub async fn prune_l1_blocks(&self, number: u64) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "DELETE FROM l1_blocks b WHERE number < $1 \
             AND NOT EXISTS (SELECT 1 FROM lifecycle_steps s WHERE s.l1_hash = b.hash) \
             AND NOT EXISTS (SELECT 1 FROM claims c WHERE c.l1_hash = b.hash) \
             AND NOT EXISTS (SELECT 1 FROM claim_events e WHERE e.l1_hash = b.hash)",
            int("L1 number", number)?,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// The L1 blocks after `number` that were recorded or that anything here hangs on, in the order of their numbers.
    /// Those that L1 does not hold at their numbers any more are what [`Ledger::reorg`] wants.
    pub async fn l1_seen_after(&self, number: u64) -> Result<Vec<(u64, B256)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT number AS "number!", hash AS "hash!" FROM (
                 SELECT number, hash FROM l1_blocks WHERE number > $1
                 UNION SELECT included_number, included_hash FROM batches WHERE included_number > $1
                 UNION SELECT mined_number, mined_hash FROM posts WHERE state = 'mined' AND mined_number > $1
                 UNION SELECT l1_number, l1_hash FROM transfers WHERE l1_number > $1) AS seen
               ORDER BY number, hash"#,
            int("L1 number", number)?,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok((uint("L1 number", row.number)?, hash("L1 hash", &row.hash)?))).collect()
    }

    /// L1 was reorganised: the blocks `gone` are no longer part of it. Takes back everything that they caused: lifecycle
    /// steps, claims and their events go, batches and posts wait again, transfers are compensated. By hash and not by
    /// number, for another rollup may have recorded the blocks that came in their place already.
    pub async fn reorg(&self, gone: &[B256]) -> Result<Reorged, LedgerError> {
        if gone.len() > MAX_L1_BLOCKS {
            return Err(LedgerError::TooMany { what: "L1 blocks", limit: MAX_L1_BLOCKS });
        }
        let gone: Vec<Vec<u8>> = gone.iter().map(|hash| hash.to_vec()).collect();
        let mut tx = self.pool.begin().await?;
        let blocks =
            sqlx::query_scalar!("SELECT hash FROM l1_blocks WHERE hash = ANY($1) ORDER BY number FOR UPDATE", &gone)
                .fetch_all(&mut *tx)
                .await?;
        let posts = crate::outbox::reopen_posts(&mut tx, &gone).await?;
        crate::batches::reopen_batches(&mut tx, &gone).await?;
        let transfers = crate::money::compensate_all_of(&mut tx, &gone).await?;
        sqlx::query!("DELETE FROM l1_blocks WHERE hash = ANY($1)", &gone).execute(&mut *tx).await?;
        tx.commit().await?;
        let blocks = blocks.iter().map(|bytes| hash("L1 hash", bytes)).collect::<Result<_, _>>()?;
        Ok(Reorged { blocks, posts, transfers })
    }
}
