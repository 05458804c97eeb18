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
    /// False: it had been booked before, and counts since.
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
    /// Books a transfer. The same key with the same content answers with the transfer that is there; if a
    /// reorganisation took that back and its log is here again, it counts again.
    pub async fn transfer(&self, transfer: &NewTransfer) -> Result<Transferred, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let mut done = transfer_in(&mut tx, transfer, None).await?;
        if !done.is_new && transfer.cause.is_some() {
            done.is_new = reinstate_in(&mut tx, done.id).await?;
        }
        tx.commit().await?;
        Ok(done)
    }

    /// Takes a transfer back by booking its opposite. What an account that must not be negative has spent in the
    /// meantime is booked against its owner's [`AccountKind::Shortfall`] instead. Repeating it changes nothing.
    pub async fn compensate(&self, id: TransferId) -> Result<TransferId, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let done = compensate_in(&mut tx, id, "compensation").await?;
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

/// The reason of what a reorganisation booked: L1 may undo it.
const REORG: &str = "reorg";

/// The newest of a transfer and of what was booked to take it back, to bring it back and so on.
struct Newest {
    id: i64,
    reason: String,
    /// Whether the transfer counts: it was taken back as often as it was brought back.
    counts: bool,
}

async fn newest_of(conn: &mut PgConnection, id: TransferId) -> Result<Newest, LedgerError> {
    // Its row is locked, so that two do not take it back at once.
    sqlx::query_scalar!("SELECT id FROM transfers WHERE id = $1 FOR UPDATE", id.0)
        .fetch_optional(&mut *conn)
        .await?
        .ok_or_else(|| LedgerError::NotFound { what: "transfer", key: id.to_string() })?;
    let row = sqlx::query!(
        r#"WITH RECURSIVE chain (id, reason, depth) AS (
             SELECT id, reason, 0 FROM transfers WHERE id = $1
             UNION ALL SELECT t.id, t.reason, c.depth + 1 FROM transfers t JOIN chain c ON t.compensates = c.id)
           SELECT id AS "id!", reason AS "reason!", depth AS "depth!" FROM chain ORDER BY depth DESC LIMIT 1"#,
        id.0
    )
    .fetch_one(conn)
    .await?;
    Ok(Newest { id: row.id, reason: row.reason, counts: row.depth % 2 == 0 })
}

/// Takes a transfer back if it counts; answers with what took it back.
async fn compensate_in(
    conn: &mut PgConnection,
    id: TransferId,
    reason: &'static str,
) -> Result<TransferId, LedgerError> {
    let newest = newest_of(&mut *conn, id).await?;
    if newest.counts { opposite(conn, newest.id, reason).await } else { Ok(TransferId(newest.id)) }
}

/// Brings a transfer back whose log is part of L1 again. What was taken back by hand stays so.
async fn reinstate_in(conn: &mut PgConnection, id: TransferId) -> Result<bool, LedgerError> {
    let newest = newest_of(&mut *conn, id).await?;
    let returns = !newest.counts && newest.reason == REORG;
    if returns {
        opposite(conn, newest.id, "reinstate").await?;
    }
    Ok(returns)
}

/// Books the opposite of a transfer.
async fn opposite(conn: &mut PgConnection, id: i64, reason: &'static str) -> Result<TransferId, LedgerError> {
    // Locked in the order of accounts, as transfers lock them.
    let rows = sqlx::query!(
        "SELECT a.kind, a.owner, a.asset, e.amount, b.amount AS balance, b.may_be_negative FROM entries e \
         JOIN accounts a ON a.id = e.account JOIN balances b ON b.account = a.id \
         WHERE e.transfer = $1 ORDER BY a.id FOR UPDATE OF b",
        id
    )
    .fetch_all(&mut *conn)
    .await?;
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
    let transfer = NewTransfer { key: format!("compensate/{id}"), reason, entries, cause: None, epoch: None };
    Ok(transfer_in(conn, &transfer, Some(TransferId(id))).await?.id)
}

/// Takes back every transfer that a log in the blocks `gone` had caused; answers with those that counted.
pub(crate) async fn compensate_all_of(
    conn: &mut PgConnection,
    gone: &[Vec<u8>],
) -> Result<Vec<TransferId>, LedgerError> {
    let ids = sqlx::query_scalar!("SELECT id FROM transfers WHERE l1_hash = ANY($1) ORDER BY id DESC", gone)
        .fetch_all(&mut *conn)
        .await?;
    let mut done = Vec::with_capacity(ids.len());
    for id in ids.into_iter().map(TransferId) {
        let newest = newest_of(&mut *conn, id).await?;
        if newest.counts {
            opposite(&mut *conn, newest.id, REORG).await?;
            done.push(id);
        }
    }
    Ok(done)
}
