//! What became of a post on L1.

use crate::convert::{fee, hash, int, to_amount, uint};
use crate::outbox::{PostId, PostState, Purpose};
use crate::{Ledger, LedgerError};
use alloy_primitives::{Address, B256, U256};
use sqlx::PgConnection;

/// Where an attempt was mined, and at which price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inclusion {
    /// Which attempt.
    pub tx_hash: B256,
    /// The block's number.
    pub block_number: u64,
    /// The block's hash.
    pub block_hash: B256,
    /// False: it reverted.
    pub succeeded: bool,
    /// Gas it used.
    pub gas_used: u64,
    /// Wei paid per gas.
    pub gas_price: u128,
    /// Blob gas it used.
    pub blob_gas_used: u64,
    /// Wei paid per blob gas.
    pub blob_gas_price: u128,
}

/// What the mined posts of one purpose cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostCost {
    /// The purpose.
    pub purpose: Purpose,
    /// How many.
    pub posts: u64,
    /// Their gas.
    pub gas_used: u64,
    /// Their blob gas.
    pub blob_gas_used: u64,
    /// Their fees in wei, both kinds of gas.
    pub wei: U256,
}

impl Ledger {
    /// An attempt was handed to L1. Repeating it keeps the first time.
    pub async fn mark_broadcast(&self, tx_hash: B256) -> Result<(), LedgerError> {
        let mut tx = self.pool.begin().await?;
        let post = sqlx::query_scalar!(
            "UPDATE attempts SET broadcast_at = COALESCE(broadcast_at, now()) WHERE tx_hash = $1 RETURNING post",
            tx_hash.as_slice()
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound { what: "attempt", key: tx_hash.to_string() })?;
        sqlx::query!("UPDATE posts SET state = 'broadcast' WHERE id = $1 AND state = 'signed'", post)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// An attempt has a receipt in L1's canonical chain. Returns its post.
    pub async fn mark_mined(&self, inclusion: &Inclusion) -> Result<PostId, LedgerError> {
        let key = || inclusion.tx_hash.to_string();
        let post = sqlx::query_scalar!("SELECT post FROM attempts WHERE tx_hash = $1", inclusion.tx_hash.as_slice())
            .fetch_optional(&self.pool)
            .await?
            .ok_or_else(|| LedgerError::NotFound { what: "attempt", key: key() })?;
        let stored = self.post(PostId(post)).await?;
        let refused = LedgerError::WrongState { what: "post", key: key(), state: stored.state.to_string() };
        if stored.state.has_ended() {
            return if stored.inclusion.as_ref() == Some(inclusion) { Ok(PostId(post)) } else { Err(refused) };
        }
        let done = sqlx::query!(
            "UPDATE posts SET state = 'mined', mined_tx = $2, mined_number = $3, mined_hash = $4, succeeded = $5, gas_used = $6, \
             gas_price = $7, blob_gas_used = $8, blob_gas_price = $9 WHERE id = $1 AND state IN ('signed', 'broadcast', 'mined')",
            post,
            inclusion.tx_hash.as_slice(),
            int("L1 number", inclusion.block_number)?,
            inclusion.block_hash.as_slice(),
            inclusion.succeeded,
            int("gas used", inclusion.gas_used)?,
            fee(inclusion.gas_price),
            int("blob gas used", inclusion.blob_gas_used)?,
            fee(inclusion.blob_gas_price),
        )
        .execute(&self.pool)
        .await?;
        if done.rows_affected() == 1 { Ok(PostId(post)) } else { Err(refused) }
    }

    /// The block that a post was mined in is final: the post ends as final, as cancelled if a cancelling attempt was
    /// mined, as failed if it reverted. `block_hash` is L1's hash at that number now: another one than stored is refused.
    pub async fn finalize_post(&self, id: PostId, block_hash: B256) -> Result<PostState, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!(
            r#"SELECT p.state, p.mined_hash, p.succeeded, a.cancels AS "cancels?"
               FROM posts p LEFT JOIN attempts a ON a.tx_hash = p.mined_tx WHERE p.id = $1 FOR UPDATE OF p"#,
            id.0
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound { what: "post", key: id.to_string() })?;
        let state: PostState = row.state.parse()?;
        if row.mined_hash.as_deref() != Some(block_hash.as_slice()) || !(state == PostState::Mined || state.has_ended())
        {
            return Err(LedgerError::WrongState { what: "post", key: id.to_string(), state: row.state });
        }
        if state.has_ended() {
            return Ok(state);
        }
        let (end, failure) = match (row.cancels, row.succeeded) {
            (Some(true), _) => (PostState::Cancelled, None),
            (_, Some(true)) => (PostState::Final, None),
            _ => (PostState::Failed, Some("reverted on L1")),
        };
        end_post(&mut tx, id, end, failure).await?;
        tx.commit().await?;
        Ok(end)
    }

    /// A post was mined in a block that L1 does not hold any more, or without a receipt there: it waits to be mined again.
    /// Nothing changes if it is elsewhere meanwhile.
    pub async fn reopen_post(&self, id: PostId, block_hash: B256) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE posts SET state = 'broadcast', mined_tx = NULL, mined_number = NULL, mined_hash = NULL, succeeded = NULL, \
             gas_used = NULL, gas_price = NULL, blob_gas_used = NULL, blob_gas_price = NULL \
             WHERE id = $1 AND state = 'mined' AND mined_hash = $2",
            id.0,
            block_hash.as_slice()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Takes back a post that has no nonce yet. One that has must be replaced by a cancelling attempt instead.
    pub async fn cancel_post(&self, id: PostId) -> Result<(), LedgerError> {
        let mut tx = self.pool.begin().await?;
        let state = sqlx::query_scalar!("SELECT state FROM posts WHERE id = $1 FOR UPDATE", id.0)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| LedgerError::NotFound { what: "post", key: id.to_string() })?;
        match state.parse()? {
            PostState::Cancelled => return Ok(()),
            PostState::Queued => {}
            _ => return Err(LedgerError::WrongState { what: "post", key: id.to_string(), state }),
        }
        end_post(&mut tx, id, PostState::Cancelled, None).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives a post up: before it has a nonce, or when something else used its nonce, as `chain_nonce` (the sender's
    /// transaction count in a final L1 block) shows. Otherwise it could still be mined, and this is refused.
    pub async fn fail_post(&self, id: PostId, reason: &str, chain_nonce: u64) -> Result<(), LedgerError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!("SELECT state, nonce FROM posts WHERE id = $1 FOR UPDATE", id.0)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| LedgerError::NotFound { what: "post", key: id.to_string() })?;
        let used = row.nonce.is_none_or(|nonce| u64::try_from(nonce).is_ok_and(|nonce| nonce < chain_nonce));
        match row.state.parse()? {
            PostState::Failed => return Ok(()),
            PostState::Queued | PostState::Signed | PostState::Broadcast if used => {}
            _ => return Err(LedgerError::WrongState { what: "post", key: id.to_string(), state: row.state }),
        }
        end_post(&mut tx, id, PostState::Failed, Some(reason)).await?;
        tx.commit().await?;
        Ok(())
    }

    /// What the mined posts of a rollup cost, by purpose.
    pub async fn post_costs(&self, rollup: Address) -> Result<Vec<PostCost>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT purpose, COUNT(*) AS "posts!", SUM(gas_used)::bigint AS "gas!", SUM(COALESCE(blob_gas_used, 0))::bigint AS "blob_gas!",
               SUM(gas_used * gas_price + COALESCE(blob_gas_used * blob_gas_price, 0)) AS "wei!"
               FROM posts WHERE rollup = $1 AND mined_hash IS NOT NULL GROUP BY purpose ORDER BY purpose"#,
            rollup.as_slice()
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(PostCost {
                    purpose: row.purpose.parse()?,
                    posts: uint("posts", row.posts)?,
                    gas_used: uint("gas used", row.gas)?,
                    blob_gas_used: uint("blob gas used", row.blob_gas)?,
                    wei: to_amount("cost", &row.wei)?,
                })
            })
            .collect()
    }

    /// Mined posts in L1 blocks up to `number`, with the hash of the block each was mined in: candidates for
    /// [`Ledger::finalize_post`].
    pub async fn mined_posts(&self, number: u64) -> Result<Vec<(PostId, u64, B256)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT id, mined_number AS "number!", mined_hash AS "hash!" FROM posts
               WHERE state = 'mined' AND mined_number <= $1 ORDER BY mined_number, id"#,
            int("L1 number", number)?
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| Ok((PostId(row.id), uint("L1 number", row.number)?, hash("L1 hash", &row.hash)?)))
            .collect()
    }
}

/// Ends a post; its payload goes, its attempts' hashes and fees stay.
async fn end_post(
    conn: &mut PgConnection,
    id: PostId,
    state: PostState,
    failure: Option<&str>,
) -> Result<(), LedgerError> {
    sqlx::query!("UPDATE posts SET state = $2, failure = $3 WHERE id = $1", id.0, state.name(), failure)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("DELETE FROM post_blobs WHERE post = $1", id.0).execute(&mut *conn).await?;
    sqlx::query!("UPDATE attempts SET raw = NULL WHERE post = $1", id.0).execute(&mut *conn).await?;
    Ok(())
}

/// Posts mined in the blocks `gone` wait to be mined again.
pub(crate) async fn reopen_posts(conn: &mut PgConnection, gone: &[Vec<u8>]) -> Result<Vec<PostId>, LedgerError> {
    let ids = sqlx::query_scalar!(
        "UPDATE posts SET state = 'broadcast', mined_tx = NULL, mined_number = NULL, mined_hash = NULL, succeeded = NULL, \
         gas_used = NULL, gas_price = NULL, blob_gas_used = NULL, blob_gas_price = NULL \
         WHERE state = 'mined' AND mined_hash = ANY($1) RETURNING id",
        gone
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(PostId).collect())
}
