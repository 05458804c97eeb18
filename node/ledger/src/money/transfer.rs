//! Transfers: writing them once, and taking them back by writing the opposite.

use crate::convert::{address, content_hash, opt_int, signed, to_signed};
use crate::money::account::account_id;
use crate::money::{AccountKey, AccountKind};
use crate::{L1Log, Ledger, LedgerError};
use alloy_primitives::I256;
use mayfly_proto::EpochNumber;
use sqlx::PgConnection;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Entries of one transfer.
pub const MAX_ENTRIES: usize = 256;

/// Number of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransferId(pub(crate) i64);

impl fmt::Display for TransferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What to book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTransfer {
    /// Idempotency key.
    pub key: String,
    /// Why, as a short name: lower case letters and `_`.
    pub reason: &'static str,
    /// What each account gets (positive) or gives (negative); entries of one account are added up.
    pub entries: Vec<(AccountKey, I256)>,
    /// The L1 log that caused it; one log causes one transfer.
    pub cause: Option<L1Log>,
    /// The epoch it belongs to.
    pub epoch: Option<EpochNumber>,
}

/// The answer to booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transferred {
    /// The transfer under that key.
    pub id: TransferId,
    /// False: it had been booked before.
    pub is_new: bool,
}

impl NewTransfer {
    /// Entries per account, zero ones left out.
    fn merged(&self) -> Result<BTreeMap<AccountKey, I256>, LedgerError> {
        if self.entries.len() > MAX_ENTRIES {
            return Err(LedgerError::TooMany { what: "entries of a transfer", limit: MAX_ENTRIES });
        }
        let mut merged = BTreeMap::new();
        for (account, amount) in &self.entries {
            let sum: &mut I256 = merged.entry(*account).or_default();
            *sum = sum
                .checked_add(*amount)
                .ok_or_else(|| LedgerError::Invalid { what: "amount", value: amount.to_string() })?;
        }
        merged.retain(|_, amount| !amount.is_zero());
        Ok(merged)
    }

    fn content_hash(&self, merged: &BTreeMap<AccountKey, I256>) -> alloy_primitives::B256 {
        let mut parts: Vec<Vec<u8>> = vec![self.reason.as_bytes().to_vec()];
        for (account, amount) in merged {
            parts.push(account.kind.name().as_bytes().to_vec());
            parts.push([account.owner.as_slice(), account.asset.as_slice(), &amount.to_be_bytes::<32>()].concat());
        }
        if let Some(log) = &self.cause {
            parts.push([&log.number.to_be_bytes()[..], log.hash.as_slice(), &log.index.to_be_bytes()].concat());
        }
        parts.push(self.epoch.map(|epoch| epoch.0.to_be_bytes().to_vec()).unwrap_or_default());
        content_hash(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }
}

impl Ledger {
    /// Books a transfer. The same key with the same content answers with the transfer that is there.
    pub async fn transfer(&self, transfer: &NewTransfer) -> Result<Transferred, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let done = transfer_in(&mut tx, transfer, None).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Takes a transfer back by booking its opposite. What an account that must not be negative has spent in the
    /// meantime is booked against its owner's [`AccountKind::Shortfall`] instead. Repeating it changes nothing.
    pub async fn compensate(&self, id: TransferId) -> Result<TransferId, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let done = compensate_in(&mut tx, id).await?;
        tx.commit().await?;
        Ok(done)
    }
}

/// Books in the caller's transaction.
pub(super) async fn transfer_in(
    conn: &mut PgConnection,
    transfer: &NewTransfer,
    compensates: Option<TransferId>,
) -> Result<Transferred, LedgerError> {
    let merged = transfer.merged()?;
    let content = transfer.content_hash(&merged);
    let inserted = sqlx::query_scalar!(
        "INSERT INTO transfers (key, content_hash, reason, compensates, l1_number, l1_hash, l1_log, epoch) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (key) DO NOTHING RETURNING id",
        transfer.key,
        content.as_slice(),
        transfer.reason,
        compensates.map(|id| id.0),
        opt_int("L1 number", transfer.cause.map(|log| log.number))?,
        transfer.cause.as_ref().map(|log| log.hash.as_slice()),
        opt_int("log index", transfer.cause.map(|log| log.index))?,
        opt_int("epoch", transfer.epoch.map(|epoch| epoch.0))?,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(id) = inserted else {
        let row = sqlx::query!("SELECT id, content_hash FROM transfers WHERE key = $1", transfer.key)
            .fetch_one(&mut *conn)
            .await?;
        if row.content_hash != content.as_slice() {
            return Err(LedgerError::KeyConflict { what: "transfer", key: transfer.key.clone() });
        }
        return Ok(Transferred { id: TransferId(row.id), is_new: false });
    };
    let mut rows = Vec::with_capacity(merged.len());
    for (account, amount) in merged {
        rows.push((account_id(&mut *conn, &account).await?, account, amount));
    }
    // Balances are locked in the order of account numbers, by everybody: no deadlocks.
    rows.sort_unstable_by_key(|(number, ..)| *number);
    for (number, account, amount) in rows {
        sqlx::query!("INSERT INTO entries (transfer, account, amount) VALUES ($1, $2, $3)", id, number, signed(amount))
            .execute(&mut *conn)
            .await
            .map_err(|error| match error.into() {
                LedgerError::InsufficientBalance { .. } => LedgerError::InsufficientBalance {
                    owner: account.owner,
                    detail: format!("{amount} of {} asked of {}", account.asset, account.kind),
                },
                other => other,
            })?;
    }
    Ok(Transferred { id: TransferId(id), is_new: true })
}

async fn compensate_in(conn: &mut PgConnection, id: TransferId) -> Result<TransferId, LedgerError> {
    let known =
        sqlx::query_scalar!("SELECT id FROM transfers WHERE compensates = $1", id.0).fetch_optional(&mut *conn).await?;
    if let Some(known) = known {
        return Ok(TransferId(known));
    }
    // Locked in the order of accounts, as transfers lock them.
    let rows = sqlx::query!(
        "SELECT a.kind, a.owner, a.asset, e.amount, b.amount AS balance, b.may_be_negative FROM entries e \
         JOIN accounts a ON a.id = e.account JOIN balances b ON b.account = a.id \
         WHERE e.transfer = $1 ORDER BY a.id FOR UPDATE OF b",
        id.0
    )
    .fetch_all(&mut *conn)
    .await?;
    if rows.is_empty() {
        return Err(LedgerError::NotFound { what: "transfer", key: id.to_string() });
    }
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let account = AccountKey {
            kind: AccountKind::from_str(&row.kind)?,
            owner: address("owner", &row.owner)?,
            asset: address("asset", &row.asset)?,
        };
        let back = -to_signed("amount", &row.amount)?;
        let balance = to_signed("balance", &row.balance)?;
        // The most that can be taken from an account that must stay at zero or above.
        let taken = if row.may_be_negative { back } else { back.max(-balance) };
        entries.push((account, taken));
        if taken != back {
            entries.push((AccountKey { kind: AccountKind::Shortfall, ..account }, back - taken));
        }
    }
    let transfer =
        NewTransfer { key: format!("compensate/{id}"), reason: "compensation", entries, cause: None, epoch: None };
    Ok(transfer_in(conn, &transfer, Some(id)).await?.id)
}

/// Compensates every transfer that an L1 log after block `keep` had caused; answers with those transfers.
pub(crate) async fn compensate_after(conn: &mut PgConnection, keep: i64) -> Result<Vec<TransferId>, LedgerError> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM transfers t WHERE l1_number > $1 \
         AND NOT EXISTS (SELECT 1 FROM transfers c WHERE c.compensates = t.id) ORDER BY id DESC",
        keep
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut done = Vec::with_capacity(ids.len());
    for id in ids {
        compensate_in(conn, TransferId(id)).await?;
        done.push(TransferId(id));
    }
    Ok(done)
}
