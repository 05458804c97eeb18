//! Handing out a nonce and storing what was signed under it, as one step.

use crate::convert::{fee, hash, int, opt_uint, to_amount, uint};
use crate::outbox::{PostId, PostState};
use crate::{Ledger, LedgerError};
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U256};
use sqlx::{Postgres, Transaction};

/// Attempts of one post.
pub const MAX_ATTEMPTS: usize = 64;
/// A signed transaction with six blobs and their proofs stays below it.
pub const MAX_RAW_BYTES: usize = 1 << 20;

/// A nonce, held by an open SQL transaction until [`Lease::record`]. Dropping the lease gives the nonce back, which is
/// safe: nothing was stored, so nothing was broadcast. The sender's other leases wait, so sign without delay.
pub struct Lease(Held);

enum Held {
    Row(Box<RowLease>),
    #[cfg(feature = "simulation")]
    Memory(Box<super::memory::MemoryLease>),
}

struct RowLease {
    tx: Transaction<'static, Postgres>,
    id: PostId,
    nonce: u64,
    expected: Expected,
}

#[cfg(feature = "simulation")]
impl From<super::memory::MemoryLease> for Lease {
    fn from(lease: super::memory::MemoryLease) -> Self {
        Self(Held::Memory(Box::new(lease)))
    }
}

/// What the signed transaction must carry.
pub(super) struct Expected {
    sender: Address,
    to: Option<Address>,
    value: U256,
    input: Bytes,
    blob_hashes: Vec<B256>,
}

impl Ledger {
    /// Leases the nonce of a post: its own if it has one, else the next of its sender, which is never below
    /// `chain_nonce` (the sender's transaction count in L1's latest block) nor below one that another post has.
    pub async fn lease(&self, id: PostId, chain_nonce: u64) -> Result<Lease, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let sender = sqlx::query_scalar!(
            "SELECT s.address FROM senders s JOIN posts p ON p.sender = s.address WHERE p.id = $1 FOR UPDATE OF s",
            id.0
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| LedgerError::NotFound { what: "post", key: id.to_string() })?;
        let row = sqlx::query!(
            "SELECT state, nonce, target, value, input, blob_hashes FROM posts WHERE id = $1 FOR UPDATE",
            id.0
        )
        .fetch_one(&mut *tx)
        .await?;
        let state: PostState = row.state.parse()?;
        if !matches!(state, PostState::Queued | PostState::Signed | PostState::Broadcast) {
            return Err(LedgerError::WrongState { what: "post", key: id.to_string(), state: row.state });
        }
        let made = sqlx::query_scalar!(r#"SELECT COUNT(*) AS "made!" FROM attempts WHERE post = $1"#, id.0)
            .fetch_one(&mut *tx)
            .await?;
        if made >= MAX_ATTEMPTS as i64 {
            return Err(LedgerError::TooMany { what: "attempts of a post", limit: MAX_ATTEMPTS });
        }
        let nonce = match opt_uint("nonce", row.nonce)? {
            Some(nonce) => nonce,
            None => {
                let next = sqlx::query_scalar!(
                    r#"SELECT GREATEST($2::bigint, COALESCE(MAX(nonce) + 1, 0)) AS "next!" FROM posts WHERE sender = $1"#,
                    sender,
                    int("nonce", chain_nonce)?,
                )
                .fetch_one(&mut *tx)
                .await?;
                uint("nonce", next)?
            }
        };
        let expected = Expected {
            sender: crate::convert::address("sender", &sender)?,
            to: row.target.map(|bytes| crate::convert::address("target", &bytes)).transpose()?,
            value: to_amount("value", &row.value)?,
            input: row.input.into(),
            blob_hashes: row.blob_hashes.iter().map(|bytes| hash("blob hash", bytes)).collect::<Result<_, _>>()?,
        };
        Ok(Lease(Held::Row(Box::new(RowLease { tx, id, nonce, expected }))))
    }
}

impl Lease {
    /// The nonce to sign with.
    pub fn nonce(&self) -> u64 {
        match &self.0 {
            Held::Row(row) => row.nonce,
            #[cfg(feature = "simulation")]
            Held::Memory(lease) => lease.nonce,
        }
    }

    /// Stores a signed transaction of the post together with its nonce; broadcast it only after this returned.
    ///
    /// `raw` is EIP-2718, blobs with or without their sidecar. It must carry this nonce, come from the post's sender, and
    /// send what the post says.
    pub async fn record(self, raw: &[u8]) -> Result<B256, LedgerError> {
        self.store(raw, false).await
    }

    /// Stores a transaction that takes the post's nonce without doing anything: from the sender to itself, empty.
    pub async fn record_cancel(self, raw: &[u8]) -> Result<B256, LedgerError> {
        self.store(raw, true).await
    }

    async fn store(self, raw: &[u8], cancels: bool) -> Result<B256, LedgerError> {
        if raw.len() > MAX_RAW_BYTES {
            return Err(LedgerError::TooMany { what: "bytes of a raw transaction", limit: MAX_RAW_BYTES });
        }
        match self.0 {
            Held::Row(row) => row.store(raw, cancels).await,
            #[cfg(feature = "simulation")]
            Held::Memory(lease) => lease.store(raw, cancels),
        }
    }
}

impl RowLease {
    async fn store(mut self, raw: &[u8], cancels: bool) -> Result<B256, LedgerError> {
        if cancels {
            self.expected = self.expected.cancelling();
        }
        let envelope = self.expected.check(raw, self.nonce, cancels)?;
        let tx_hash = *envelope.tx_hash();
        sqlx::query!(
            "INSERT INTO attempts (tx_hash, post, raw, max_fee_per_gas, max_priority_fee_per_gas, max_fee_per_blob_gas, cancels) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tx_hash) DO NOTHING",
            tx_hash.as_slice(),
            self.id.0,
            raw,
            fee(envelope.max_fee_per_gas()),
            fee(envelope.max_priority_fee_per_gas().unwrap_or_else(|| envelope.max_fee_per_gas())),
            envelope.max_fee_per_blob_gas().map(fee),
            cancels,
        )
        .execute(&mut *self.tx)
        .await?;
        sqlx::query!(
            "UPDATE posts SET nonce = $2, state = CASE state WHEN 'queued' THEN 'signed' ELSE state END WHERE id = $1",
            self.id.0,
            int("nonce", self.nonce)?,
        )
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await?;
        Ok(tx_hash)
    }
}

impl Expected {
    /// What the post says.
    #[cfg(feature = "simulation")]
    pub(super) fn of(post: &super::Post) -> Self {
        Self {
            sender: post.sender,
            to: post.to,
            value: post.value,
            input: post.input.clone(),
            blob_hashes: post.blob_hashes.clone(),
        }
    }

    /// From the sender to itself, empty.
    pub(super) fn cancelling(&self) -> Self {
        let (sender, to) = (self.sender, Some(self.sender));
        Self { sender, to, value: U256::ZERO, input: Bytes::new(), blob_hashes: Vec::new() }
    }

    pub(super) fn check(&self, raw: &[u8], nonce: u64, cancels: bool) -> Result<TxEnvelope, LedgerError> {
        let refuse = |reason: String| Err(LedgerError::BadRaw(reason));
        let mut rest = raw;
        let envelope = match TxEnvelope::decode_2718(&mut rest) {
            Ok(envelope) if rest.is_empty() => envelope,
            Ok(_) => return refuse(format!("{} bytes too many", rest.len())),
            Err(error) => return refuse(error.to_string()),
        };
        if envelope.nonce() != nonce {
            return refuse(format!("nonce {} instead of {nonce}", envelope.nonce()));
        }
        match envelope.recover_signer() {
            Ok(signer) if signer == self.sender => {}
            Ok(signer) => return refuse(format!("signed by {signer} instead of {}", self.sender)),
            Err(error) => return refuse(error.to_string()),
        }
        // A blob transaction can only be replaced by another, so a cancelling attempt may carry a blob of its own.
        let blobs = cancels || envelope.blob_versioned_hashes().unwrap_or_default() == self.blob_hashes;
        let same =
            envelope.to() == self.to && envelope.value() == self.value && *envelope.input() == self.input && blobs;
        if same { Ok(envelope) } else { refuse("it does not send what its post says".to_owned()) }
    }
}
