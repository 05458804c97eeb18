//! Posts: queueing and reading them.

use crate::convert::{address, amount, content_hash, hash, opt_int, opt_uint, to_amount, to_fee, uint};
use crate::outbox::Inclusion;
use crate::rollups::names;
use crate::{Ledger, LedgerError};
use alloy_primitives::{Address, B256, Bytes, U256};
use sqlx::PgConnection;
use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;

/// Blobs of one post.
pub const MAX_BLOBS: usize = 6;
/// Size of a blob.
pub const BLOB_BYTES: usize = 131_072;
/// Input data of one post: what nodes on L1 accept in a transaction.
pub const MAX_INPUT_BYTES: usize = 131_072;
/// Open posts of one sender; beyond it nothing is queued, for posting has stalled.
const MAX_OPEN_POSTS: i64 = 1_024;

/// Number of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostId(pub(crate) i64);

impl fmt::Display for PostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a post is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Deploying contracts.
    Deploy,
    /// Creating a rollup.
    Create,
    /// A sequencer's batch.
    Batch,
    /// A forced-only batch.
    ForcedBatch,
    /// A claim.
    Claim,
    /// A rival claim.
    Rival,
    /// Attestations.
    Attest,
    /// Resolving or escalating a dispute.
    Dispute,
    /// Finalising a claim, or paying out its bonds.
    Finalize,
    /// Freezing, or asking for it.
    Freeze,
    /// Ending early.
    End,
    /// A deposit or a forced transaction.
    Queue,
    /// Withdrawals and claims of leaves out of the vault.
    Payout,
    /// Anything else.
    Other,
}

names!(Purpose, "purpose", Deploy => "deploy", Create => "create", Batch => "batch", ForcedBatch => "forced_batch",
    Claim => "claim", Rival => "rival", Attest => "attest", Dispute => "dispute", Finalize => "finalize",
    Freeze => "freeze", End => "end", Queue => "queue", Payout => "payout", Other => "other");

/// States of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PostState {
    /// Stored, without a nonce.
    Queued,
    /// Signed under its nonce, not known to have been broadcast.
    Signed,
    /// At least one attempt was broadcast.
    Broadcast,
    /// An attempt is in an L1 block.
    Mined,
    /// That block is final.
    Final,
    /// Never sent, or replaced by a cancelling attempt that is final.
    Cancelled,
    /// Will not succeed; the reason is stored.
    Failed,
}

names!(PostState, "post state", Queued => "queued", Signed => "signed", Broadcast => "broadcast", Mined => "mined",
    Final => "final", Cancelled => "cancelled", Failed => "failed");

impl PostState {
    /// Whether nothing can happen to the post any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Final | Self::Cancelled | Self::Failed)
    }
}

/// A blob and its versioned hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostBlob {
    /// EIP-4844 versioned hash of its commitment.
    pub hash: B256,
    /// Its [`BLOB_BYTES`] bytes.
    pub data: Bytes,
}

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPost {
    /// Idempotency key: the same intent always has the same, e.g. `batch/0x…/7`.
    pub key: String,
    /// What it is for.
    pub purpose: Purpose,
    /// For which rollup.
    pub rollup: Option<Address>,
    /// From which account.
    pub sender: Address,
    /// To which; none: a contract creation.
    pub to: Option<Address>,
    /// With how much wei.
    pub value: U256,
    /// With which input data.
    pub input: Bytes,
    /// With which gas limit; none: estimate when signing.
    pub gas_limit: Option<u64>,
    /// With which blobs.
    pub blobs: Vec<PostBlob>,
}

/// A stored post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Its number.
    pub id: PostId,
    /// Its idempotency key.
    pub key: String,
    /// What it is for.
    pub purpose: Purpose,
    /// For which rollup.
    pub rollup: Option<Address>,
    /// From which account.
    pub sender: Address,
    /// To which; none: a contract creation.
    pub to: Option<Address>,
    /// With how much wei.
    pub value: U256,
    /// With which input data.
    pub input: Bytes,
    /// With which gas limit; none: estimate when signing.
    pub gas_limit: Option<u64>,
    /// With which blobs; their data: [`Ledger::post_blobs`].
    pub blob_hashes: Vec<B256>,
    /// Its nonce, for ever, once it was signed.
    pub nonce: Option<u64>,
    /// Where it stands.
    pub state: PostState,
    /// Where it was mined.
    pub inclusion: Option<Inclusion>,
    /// Why it failed.
    pub failure: Option<String>,
    /// When it was queued.
    pub created_at: OffsetDateTime,
}

/// One signed transaction of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its hash.
    pub tx_hash: B256,
    /// Of which post.
    pub post: PostId,
    /// The signed bytes, as they were given to [`crate::Lease::record`]; none once the post has ended.
    pub raw: Option<Bytes>,
    /// Fee cap in wei.
    pub max_fee_per_gas: u128,
    /// Tip cap in wei.
    pub max_priority_fee_per_gas: u128,
    /// Blob fee cap in wei.
    pub max_fee_per_blob_gas: Option<u128>,
    /// Whether it replaces the post by nothing.
    pub cancels: bool,
    /// When it was stored.
    pub signed_at: OffsetDateTime,
    /// When it was first broadcast.
    pub broadcast_at: Option<OffsetDateTime>,
}

/// The answer to queueing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The post under that key.
    pub id: PostId,
    /// False: it had been queued before.
    pub is_new: bool,
}

impl NewPost {
    pub(super) fn check(&self) -> Result<(), LedgerError> {
        if self.blobs.len() > MAX_BLOBS {
            return Err(LedgerError::TooMany { what: "blobs", limit: MAX_BLOBS });
        }
        if self.input.len() > MAX_INPUT_BYTES {
            return Err(LedgerError::TooMany { what: "bytes of input", limit: MAX_INPUT_BYTES });
        }
        if let Some(blob) = self.blobs.iter().find(|blob| blob.data.len() != BLOB_BYTES) {
            return Err(LedgerError::Invalid { what: "blob size", value: blob.data.len().to_string() });
        }
        if !self.blobs.is_empty() && self.to.is_none() {
            return Err(LedgerError::Invalid { what: "blobs", value: "in a contract creation".to_owned() });
        }
        Ok(())
    }

    pub(super) fn content_hash(&self) -> B256 {
        let (rollup, to) = (self.rollup.unwrap_or_default(), self.to.unwrap_or_default());
        let flags = [u8::from(self.rollup.is_some()), u8::from(self.to.is_some())];
        let hashes: Vec<u8> = self.blobs.iter().flat_map(|blob| blob.hash.0).collect();
        content_hash(&[
            self.purpose.name().as_bytes(),
            &flags,
            rollup.as_slice(),
            self.sender.as_slice(),
            to.as_slice(),
            &self.value.to_be_bytes::<32>(),
            &self.input,
            &hashes,
        ])
    }
}

/// Queues a post in the caller's transaction.
pub(crate) async fn enqueue_in(conn: &mut PgConnection, post: &NewPost) -> Result<Enqueued, LedgerError> {
    post.check()?;
    let content = post.content_hash();
    let sender = post.sender.as_slice();
    sqlx::query!("INSERT INTO senders (address) VALUES ($1) ON CONFLICT DO NOTHING", sender)
        .execute(&mut *conn)
        .await?;
    let open = sqlx::query_scalar!(
        r#"SELECT COUNT(*) AS "open!" FROM posts WHERE sender = $1 AND state IN ('queued', 'signed', 'broadcast', 'mined')"#,
        sender
    )
    .fetch_one(&mut *conn)
    .await?;
    let hashes: Vec<Vec<u8>> = post.blobs.iter().map(|blob| blob.hash.to_vec()).collect();
    let inserted = sqlx::query_scalar!(
        "INSERT INTO posts (key, content_hash, purpose, rollup, sender, target, value, input, gas_limit, blob_hashes) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (key) DO NOTHING RETURNING id",
        post.key,
        content.as_slice(),
        post.purpose.name(),
        post.rollup.as_ref().map(|rollup| rollup.as_slice()),
        sender,
        post.to.as_ref().map(|to| to.as_slice()),
        amount(post.value),
        post.input.as_ref(),
        opt_int("gas limit", post.gas_limit)?,
        &hashes,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(id) = inserted else {
        let row =
            sqlx::query!("SELECT id, content_hash FROM posts WHERE key = $1", post.key).fetch_one(&mut *conn).await?;
        if row.content_hash != content.as_slice() {
            return Err(LedgerError::KeyConflict { what: "post", key: post.key.clone() });
        }
        return Ok(Enqueued { id: PostId(row.id), is_new: false });
    };
    if open >= MAX_OPEN_POSTS {
        return Err(LedgerError::TooMany { what: "open posts of a sender", limit: MAX_OPEN_POSTS as usize });
    }
    for (position, blob) in (0i16..).zip(&post.blobs) {
        sqlx::query!(
            "INSERT INTO post_blobs (post, position, data) VALUES ($1, $2, $3)",
            id,
            position,
            blob.data.as_ref()
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(Enqueued { id: PostId(id), is_new: true })
}

/// A row of `posts`, as every query here selects it.
pub(super) struct PostRow {
    pub(super) id: i64,
    pub(super) key: String,
    pub(super) purpose: String,
    pub(super) rollup: Option<Vec<u8>>,
    pub(super) sender: Vec<u8>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) value: sqlx::types::BigDecimal,
    pub(super) input: Vec<u8>,
    pub(super) gas_limit: Option<i64>,
    pub(super) blob_hashes: Vec<Vec<u8>>,
    pub(super) nonce: Option<i64>,
    pub(super) state: String,
    pub(super) mined_tx: Option<Vec<u8>>,
    pub(super) mined_number: Option<i64>,
    pub(super) mined_hash: Option<Vec<u8>>,
    pub(super) succeeded: Option<bool>,
    pub(super) gas_used: Option<i64>,
    pub(super) gas_price: Option<sqlx::types::BigDecimal>,
    pub(super) blob_gas_used: Option<i64>,
    pub(super) blob_gas_price: Option<sqlx::types::BigDecimal>,
    pub(super) failure: Option<String>,
    pub(super) created_at: OffsetDateTime,
}

impl TryFrom<PostRow> for Post {
    type Error = LedgerError;

    fn try_from(row: PostRow) -> Result<Self, LedgerError> {
        Ok(Self {
            inclusion: inclusion(&row)?,
            id: PostId(row.id),
            key: row.key,
            purpose: Purpose::from_str(&row.purpose)?,
            rollup: row.rollup.map(|bytes| address("rollup", &bytes)).transpose()?,
            sender: address("sender", &row.sender)?,
            to: row.target.map(|bytes| address("target", &bytes)).transpose()?,
            value: to_amount("value", &row.value)?,
            input: row.input.into(),
            gas_limit: opt_uint("gas limit", row.gas_limit)?,
            blob_hashes: row.blob_hashes.iter().map(|bytes| hash("blob hash", bytes)).collect::<Result<_, _>>()?,
            nonce: opt_uint("nonce", row.nonce)?,
            state: PostState::from_str(&row.state)?,
            failure: row.failure,
            created_at: row.created_at,
        })
    }
}

fn inclusion(row: &PostRow) -> Result<Option<Inclusion>, LedgerError> {
    let (Some(tx), Some(number), Some(block), Some(succeeded), Some(gas), Some(price)) =
        (&row.mined_tx, row.mined_number, &row.mined_hash, row.succeeded, row.gas_used, &row.gas_price)
    else {
        return Ok(None);
    };
    Ok(Some(Inclusion {
        tx_hash: hash("mined tx", tx)?,
        block_number: uint("mined number", number)?,
        block_hash: hash("mined hash", block)?,
        succeeded,
        gas_used: uint("gas used", gas)?,
        gas_price: to_fee("gas price", price)?,
        blob_gas_used: opt_uint("blob gas used", row.blob_gas_used)?.unwrap_or(0),
        blob_gas_price: row.blob_gas_price.as_ref().map(|p| to_fee("blob gas price", p)).transpose()?.unwrap_or(0),
    }))
}

impl Ledger {
    /// Queues a post. The same key with the same content answers with the post that is there.
    pub async fn enqueue(&self, post: &NewPost) -> Result<Enqueued, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let enqueued = enqueue_in(&mut tx, post).await?;
        tx.commit().await?;
        Ok(enqueued)
    }

    /// One post.
    pub async fn post(&self, id: PostId) -> Result<Post, LedgerError> {
        let row = sqlx::query_as!(
            PostRow,
            "SELECT id, key, purpose, rollup, sender, target, value, input, gas_limit, blob_hashes, nonce, state, mined_tx, \
             mined_number, mined_hash, succeeded, gas_used, gas_price, blob_gas_used, blob_gas_price, failure, created_at \
             FROM posts WHERE id = $1",
            id.0
        )
        .fetch_optional(&self.pool)
        .await?;
        row.ok_or_else(|| LedgerError::NotFound { what: "post", key: id.to_string() })?.try_into()
    }

    /// The post under a key.
    pub async fn post_by_key(&self, key: &str) -> Result<Option<Post>, LedgerError> {
        let id = sqlx::query_scalar!("SELECT id FROM posts WHERE key = $1", key).fetch_optional(&self.pool).await?;
        match id {
            Some(id) => Ok(Some(self.post(PostId(id)).await?)),
            None => Ok(None),
        }
    }

    /// A sender's posts that have not ended, in the order of their nonces, then of queueing.
    pub async fn open_posts(&self, sender: Address) -> Result<Vec<Post>, LedgerError> {
        let rows = sqlx::query_as!(
            PostRow,
            "SELECT id, key, purpose, rollup, sender, target, value, input, gas_limit, blob_hashes, nonce, state, mined_tx, \
             mined_number, mined_hash, succeeded, gas_used, gas_price, blob_gas_used, blob_gas_price, failure, created_at \
             FROM posts WHERE sender = $1 AND state IN ('queued', 'signed', 'broadcast', 'mined') \
             ORDER BY nonce NULLS LAST, id LIMIT $2",
            sender.as_slice(),
            MAX_OPEN_POSTS,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Post::try_from).collect()
    }

    /// A post's blobs in order; empty once it has ended.
    pub async fn post_blobs(&self, id: PostId) -> Result<Vec<PostBlob>, LedgerError> {
        let hashes = self.post(id).await?.blob_hashes;
        let data = sqlx::query_scalar!("SELECT data FROM post_blobs WHERE post = $1 ORDER BY position", id.0)
            .fetch_all(&self.pool)
            .await?;
        Ok(hashes.into_iter().zip(data).map(|(hash, data)| PostBlob { hash, data: data.into() }).collect())
    }

    /// A post's attempts, oldest first.
    pub async fn attempts(&self, id: PostId) -> Result<Vec<Attempt>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT tx_hash, raw, max_fee_per_gas, max_priority_fee_per_gas, max_fee_per_blob_gas, cancels, signed_at, broadcast_at \
             FROM attempts WHERE post = $1 ORDER BY signed_at, tx_hash",
            id.0
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Attempt {
                    tx_hash: hash("tx hash", &row.tx_hash)?,
                    post: id,
                    raw: row.raw.map(Bytes::from),
                    max_fee_per_gas: to_fee("fee", &row.max_fee_per_gas)?,
                    max_priority_fee_per_gas: to_fee("fee", &row.max_priority_fee_per_gas)?,
                    max_fee_per_blob_gas: row.max_fee_per_blob_gas.map(|fee| to_fee("fee", &fee)).transpose()?,
                    cancels: row.cancels,
                    signed_at: row.signed_at,
                    broadcast_at: row.broadcast_at,
                })
            })
            .collect()
    }

    /// The hashes of all attempts of a sender's open posts: what to ask L1 about after a restart or a "nonce too low".
    pub async fn open_attempts(&self, sender: Address) -> Result<Vec<(PostId, B256)>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT a.post, a.tx_hash FROM attempts a JOIN posts p ON p.id = a.post \
             WHERE p.sender = $1 AND p.state IN ('signed', 'broadcast', 'mined') ORDER BY p.nonce, a.signed_at",
            sender.as_slice()
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok((PostId(row.post), hash("tx hash", &row.tx_hash)?))).collect()
    }

    /// Each sender with how many of its posts are open.
    pub async fn open_counts(&self) -> Result<Vec<(Address, u64)>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT sender, COUNT(*) AS "open!" FROM posts WHERE state IN ('queued', 'signed', 'broadcast', 'mined')
               GROUP BY sender ORDER BY sender"#
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok((address("sender", &row.sender)?, uint("open posts", row.open)?))).collect()
    }
}
