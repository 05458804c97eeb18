//! Batches: built here, or seen on L1.

use crate::convert::{hash, int, opt_int, opt_uint, uint};
use crate::outbox::enqueue_in;
use crate::rollups::names;
use crate::{Enqueued, Ledger, LedgerError, NewPost, PostId};
use alloy_primitives::{Address, B256};
use sqlx::PgConnection;
use std::str::FromStr;

/// Batches in one answer of [`Ledger::batches`].
pub const MAX_BATCHES: usize = 1_000;

/// States of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchState {
    /// Built and queued for L1.
    Built,
    /// In an L1 block.
    Included,
    /// In a final L1 block.
    Final,
    /// Another batch has its place.
    Void,
}

names!(BatchState, "batch state", Built => "built", Included => "included", Final => "final", Void => "void");

/// The header's fields that are known before inclusion (docs/protocol/lifecycle.md, "Batch header").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFields {
    /// Number in the rollup, from 1.
    pub seq: u64,
    /// Hash of the header before.
    pub parent_hash: B256,
    /// L1 origin.
    pub origin_number: u64,
    /// Its hash.
    pub origin_hash: B256,
    /// Queue items consumed up to its end.
    pub queue_up_to: u64,
    /// 0 forced-only, 1 blobs, 2 calldata.
    pub codec: u8,
    /// What the codec says.
    pub data_hash: B256,
    /// Zero for now.
    pub extra_root: B256,
    /// How many blobs carry it.
    pub blobs: u8,
}

/// What its builder, or whoever derived it, knows of a batch's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchContent {
    /// First block.
    pub first_block: u64,
    /// Last block.
    pub last_block: u64,
    /// Transactions, those of the queue included.
    pub transactions: u64,
    /// Size of the payload.
    pub payload_bytes: u64,
}

/// Where a batch is on L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInclusion {
    /// Hash of the full header.
    pub header_hash: B256,
    /// The L1 transaction.
    pub tx_hash: B256,
    /// The L1 block's number.
    pub block_number: u64,
    /// The L1 block's hash.
    pub block_hash: B256,
    /// The L1 block's time.
    pub block_time: u64,
}

/// A stored batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Header fields.
    pub fields: BatchFields,
    /// Where it stands.
    pub state: BatchState,
    /// Its content, if known.
    pub content: Option<BatchContent>,
    /// The post that carries it, if built here.
    pub post: Option<PostId>,
    /// Where it is on L1.
    pub inclusion: Option<BatchInclusion>,
}

impl Ledger {
    /// Stores a batch built here and queues its post, in one step; one built before under its number is void from then
    /// on. Repeating it answers with the post that is there, and changes nothing.
    pub async fn enqueue_batch(
        &self,
        rollup: Address,
        fields: &BatchFields,
        content: &BatchContent,
        post: &NewPost,
    ) -> Result<Enqueued, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let enqueued = enqueue_in(&mut tx, post).await?;
        if enqueued.is_new {
            sqlx::query!(
                "UPDATE batches SET state = 'void' WHERE rollup = $1 AND seq = $2 AND state = 'built'",
                rollup.as_slice(),
                int("seq", fields.seq)?
            )
            .execute(&mut *tx)
            .await?;
            let stored = insert(&mut tx, rollup, fields, Some(content), Some(enqueued.id)).await?;
            if !stored {
                return Err(LedgerError::KeyConflict { what: "batch", key: fields.seq.to_string() });
            }
        }
        tx.commit().await?;
        Ok(enqueued)
    }

    /// A batch was seen on L1. If the one built here under its number has other fields, that one is void from now on.
    pub async fn batch_included(
        &self,
        rollup: Address,
        fields: &BatchFields,
        at: &BatchInclusion,
    ) -> Result<(), LedgerError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "UPDATE batches SET state = 'void' WHERE rollup = $1 AND seq = $2 AND state = 'built' \
             AND (parent_hash, origin_number, queue_up_to, codec, data_hash) <> ($3, $4, $5, $6, $7)",
            rollup.as_slice(),
            int("seq", fields.seq)?,
            fields.parent_hash.as_slice(),
            int("origin", fields.origin_number)?,
            int("queue", fields.queue_up_to)?,
            i16::from(fields.codec),
            fields.data_hash.as_slice(),
        )
        .execute(&mut *tx)
        .await?;
        insert(&mut tx, rollup, fields, None, None).await?;
        let done = sqlx::query!(
            "UPDATE batches SET state = CASE state WHEN 'built' THEN 'included' ELSE state END, header_hash = $4, included_tx = $5, \
             included_number = $6, included_hash = $7, included_time = $8 \
             WHERE rollup = $1 AND seq = $2 AND data_hash = $3 AND state <> 'void' AND (state = 'built' OR included_hash = $7)",
            rollup.as_slice(),
            int("seq", fields.seq)?,
            fields.data_hash.as_slice(),
            at.header_hash.as_slice(),
            at.tx_hash.as_slice(),
            int("L1 number", at.block_number)?,
            at.block_hash.as_slice(),
            int("L1 time", at.block_time)?,
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() != 1 {
            return Err(LedgerError::KeyConflict { what: "included batch", key: fields.seq.to_string() });
        }
        tx.commit().await?;
        Ok(())
    }

    /// What a batch seen on L1 turned out to hold.
    pub async fn set_batch_content(
        &self,
        rollup: Address,
        seq: u64,
        content: &BatchContent,
    ) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE batches SET first_block = $3, last_block = $4, transactions = $5, payload_bytes = $6 \
             WHERE rollup = $1 AND seq = $2 AND state <> 'void'",
            rollup.as_slice(),
            int("seq", seq)?,
            int("block", content.first_block)?,
            int("block", content.last_block)?,
            int("transactions", content.transactions)?,
            int("bytes", content.payload_bytes)?,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Batches in L1 blocks up to `l1_number` are final. The caller has handled every reorganisation before.
    pub async fn finalize_batches(&self, rollup: Address, l1_number: u64) -> Result<u64, LedgerError> {
        let done = sqlx::query!(
            "UPDATE batches SET state = 'final' WHERE rollup = $1 AND state = 'included' AND included_number <= $2",
            rollup.as_slice(),
            int("L1 number", l1_number)?
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }

    /// Batches from number `from`, in order, at most [`MAX_BATCHES`], void ones left out.
    pub async fn batches(&self, rollup: Address, from: u64) -> Result<Vec<Batch>, LedgerError> {
        let rows = sqlx::query_as!(
            BatchRow,
            "SELECT seq, state, parent_hash, origin_number, origin_hash, queue_up_to, codec, data_hash, extra_root, first_block, \
             last_block, transactions, payload_bytes, blobs, post, header_hash, included_tx, included_number, included_hash, \
             included_time FROM batches WHERE rollup = $1 AND seq >= $2 AND state <> 'void' ORDER BY seq LIMIT $3",
            rollup.as_slice(),
            int("seq", from)?,
            MAX_BATCHES as i64,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Batch::try_from).collect()
    }

    /// The batch with the highest number that is not void.
    pub async fn last_batch(&self, rollup: Address) -> Result<Option<Batch>, LedgerError> {
        let seq = sqlx::query_scalar!(
            "SELECT MAX(seq) FROM batches WHERE rollup = $1 AND state <> 'void'",
            rollup.as_slice()
        )
        .fetch_one(&self.pool)
        .await?;
        match seq {
            Some(seq) => Ok(self.batches(rollup, uint("seq", seq)?).await?.pop()),
            None => Ok(None),
        }
    }
}

/// False: there is a batch under this number that is not void.
async fn insert(
    conn: &mut PgConnection,
    rollup: Address,
    fields: &BatchFields,
    content: Option<&BatchContent>,
    post: Option<PostId>,
) -> Result<bool, LedgerError> {
    let done = sqlx::query!(
        "INSERT INTO batches (rollup, seq, state, parent_hash, origin_number, origin_hash, queue_up_to, codec, data_hash, extra_root, \
         first_block, last_block, transactions, payload_bytes, blobs, post) \
         VALUES ($1, $2, 'built', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) ON CONFLICT DO NOTHING",
        rollup.as_slice(),
        int("seq", fields.seq)?,
        fields.parent_hash.as_slice(),
        int("origin", fields.origin_number)?,
        fields.origin_hash.as_slice(),
        int("queue", fields.queue_up_to)?,
        i16::from(fields.codec),
        fields.data_hash.as_slice(),
        fields.extra_root.as_slice(),
        opt_int("block", content.map(|content| content.first_block))?,
        opt_int("block", content.map(|content| content.last_block))?,
        opt_int("transactions", content.map(|content| content.transactions))?,
        opt_int("bytes", content.map(|content| content.payload_bytes))?,
        i16::from(fields.blobs),
        post.map(|post| post.0),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Batches included in the blocks `gone` wait again; those that only L1 knew are forgotten.
pub(crate) async fn reopen_batches(conn: &mut PgConnection, gone: &[Vec<u8>]) -> Result<(), LedgerError> {
    sqlx::query!(
        "DELETE FROM batches WHERE state IN ('included', 'final') AND included_hash = ANY($1) AND post IS NULL",
        gone
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE batches SET state = 'built', header_hash = NULL, included_tx = NULL, included_number = NULL, included_hash = NULL, \
         included_time = NULL WHERE state IN ('included', 'final') AND included_hash = ANY($1)",
        gone
    )
    .execute(&mut *conn)
    .await?;
    Ok(())
}

struct BatchRow {
    seq: i64,
    state: String,
    parent_hash: Vec<u8>,
    origin_number: i64,
    origin_hash: Vec<u8>,
    queue_up_to: i64,
    codec: i16,
    data_hash: Vec<u8>,
    extra_root: Vec<u8>,
    first_block: Option<i64>,
    last_block: Option<i64>,
    transactions: Option<i64>,
    payload_bytes: Option<i64>,
    blobs: i16,
    post: Option<i64>,
    header_hash: Option<Vec<u8>>,
    included_tx: Option<Vec<u8>>,
    included_number: Option<i64>,
    included_hash: Option<Vec<u8>>,
    included_time: Option<i64>,
}

impl TryFrom<BatchRow> for Batch {
    type Error = LedgerError;

    fn try_from(row: BatchRow) -> Result<Self, LedgerError> {
        let small = |what, number: i16| {
            u8::try_from(number).map_err(|_| LedgerError::Corrupt { what, value: number.to_string() })
        };
        Ok(Self {
            content: content(&row)?,
            inclusion: inclusion(&row)?,
            fields: BatchFields {
                seq: uint("seq", row.seq)?,
                parent_hash: hash("parent", &row.parent_hash)?,
                origin_number: uint("origin", row.origin_number)?,
                origin_hash: hash("origin", &row.origin_hash)?,
                queue_up_to: uint("queue", row.queue_up_to)?,
                codec: small("codec", row.codec)?,
                data_hash: hash("data hash", &row.data_hash)?,
                extra_root: hash("extra root", &row.extra_root)?,
                blobs: small("blobs", row.blobs)?,
            },
            state: BatchState::from_str(&row.state)?,
            post: row.post.map(PostId),
        })
    }
}

fn content(row: &BatchRow) -> Result<Option<BatchContent>, LedgerError> {
    let known = (row.first_block, row.last_block, row.transactions, row.payload_bytes);
    let (Some(first), Some(last), Some(transactions), Some(bytes)) = known else { return Ok(None) };
    Ok(Some(BatchContent {
        first_block: uint("block", first)?,
        last_block: uint("block", last)?,
        transactions: uint("transactions", transactions)?,
        payload_bytes: uint("bytes", bytes)?,
    }))
}

fn inclusion(row: &BatchRow) -> Result<Option<BatchInclusion>, LedgerError> {
    let (Some(header), Some(tx), Some(block)) = (&row.header_hash, &row.included_tx, &row.included_hash) else {
        return Ok(None);
    };
    Ok(Some(BatchInclusion {
        header_hash: hash("header hash", header)?,
        tx_hash: hash("L1 tx", tx)?,
        block_number: opt_uint("L1 number", row.included_number)?.unwrap_or(0),
        block_hash: hash("L1 hash", block)?,
        block_time: opt_uint("L1 time", row.included_time)?.unwrap_or(0),
    }))
}
