//! Reservations: the full amount is set aside before the work, what was used is paid after it, the rest goes back.

use crate::convert::{address, amount, to_amount};
use crate::money::transfer::transfer_in;
use crate::money::{AccountKey, AccountKind, NewTransfer};
use crate::rollups::names;
use crate::{Ledger, LedgerError};
use alloy_primitives::{Address, I256, U256};
use mayfly_proto::EpochNumber;
use sqlx::PgConnection;
use std::str::FromStr;
use time::OffsetDateTime;

/// Reservations that one call of [`Ledger::expire_reservations`] ends.
pub const MAX_EXPIRED: usize = 1_000;

/// States of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReservationState {
    /// The amount is set aside.
    Open,
    /// The used part was paid.
    Settled,
    /// Everything went back.
    Released,
    /// Everything went back, because time ran out.
    Expired,
}

names!(ReservationState, "reservation state", Open => "open", Settled => "settled", Released => "released", Expired => "expired");

/// A reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its idempotency key.
    pub key: String,
    /// Whose money.
    pub owner: Address,
    /// Which asset.
    pub asset: Address,
    /// How much was set aside.
    pub amount: U256,
    /// When it may be ended by [`Ledger::expire_reservations`].
    pub expires_at: OffsetDateTime,
    /// Where it stands.
    pub state: ReservationState,
    /// What was used of it.
    pub used: Option<U256>,
}

impl Ledger {
    /// Sets `amount` of a payer's balance aside, in full or not at all. Repeating it changes nothing.
    pub async fn reserve(
        &self,
        key: &str,
        owner: Address,
        asset: Address,
        wanted: U256,
        expires_at: OffsetDateTime,
    ) -> Result<(), LedgerError> {
        let mut tx = self.pool.begin().await?;
        let entries = vec![
            (AccountKey { kind: AccountKind::Payer, owner, asset }, -positive(wanted)?),
            (AccountKey { kind: AccountKind::Reserved, owner, asset }, positive(wanted)?),
        ];
        let opened =
            NewTransfer { key: format!("reserve/{key}"), reason: "reserve", entries, cause: None, epoch: None };
        let opened = transfer_in(&mut tx, &opened, None).await?;
        if !opened.is_new {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO reservations (key, owner, asset, amount, expires_at, opened_by) VALUES ($1, $2, $3, $4, $5, $6)",
            key,
            owner.as_slice(),
            asset.as_slice(),
            amount(wanted),
            expires_at,
            opened.id.0,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Pays `used` of a reservation to `payee` and gives the rest back. Repeating it changes nothing.
    pub async fn settle(
        &self,
        key: &str,
        used: U256,
        payee: AccountKey,
        epoch: Option<EpochNumber>,
    ) -> Result<(), LedgerError> {
        let end = End { state: ReservationState::Settled, used, payee: Some(payee), epoch };
        let mut tx = self.pool.begin().await?;
        close(&mut tx, key, &end).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives a reservation back in full. Repeating it changes nothing.
    pub async fn release(&self, key: &str) -> Result<(), LedgerError> {
        let end = End { state: ReservationState::Released, used: U256::ZERO, payee: None, epoch: None };
        let mut tx = self.pool.begin().await?;
        close(&mut tx, key, &end).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gives back what ran out at `now`, at most [`MAX_EXPIRED`]; returns the keys.
    pub async fn expire_reservations(&self, now: OffsetDateTime) -> Result<Vec<String>, LedgerError> {
        let mut tx = self.pool.begin().await?;
        let keys = sqlx::query_scalar!(
            "SELECT key FROM reservations WHERE state = 'open' AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2 \
             FOR UPDATE SKIP LOCKED",
            now,
            MAX_EXPIRED as i64,
        )
        .fetch_all(&mut *tx)
        .await?;
        for key in &keys {
            let end = End { state: ReservationState::Expired, used: U256::ZERO, payee: None, epoch: None };
            close(&mut tx, key, &end).await?;
        }
        tx.commit().await?;
        Ok(keys)
    }

    /// A reservation.
    pub async fn reservation(&self, key: &str) -> Result<Option<Reservation>, LedgerError> {
        let mut conn = self.pool.acquire().await?;
        find(&mut conn, key).await
    }
}

struct End {
    state: ReservationState,
    used: U256,
    payee: Option<AccountKey>,
    epoch: Option<EpochNumber>,
}

/// A reservation's row, locked.
async fn find(conn: &mut PgConnection, key: &str) -> Result<Option<Reservation>, LedgerError> {
    let row = sqlx::query!(
        "SELECT key, owner, asset, amount, expires_at, state, used FROM reservations WHERE key = $1 FOR UPDATE",
        key
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Reservation {
            key: row.key,
            owner: address("owner", &row.owner)?,
            asset: address("asset", &row.asset)?,
            amount: to_amount("amount", &row.amount)?,
            expires_at: row.expires_at,
            state: ReservationState::from_str(&row.state)?,
            used: row.used.map(|used| to_amount("used", &used)).transpose()?,
        })
    })
    .transpose()
}

async fn close(conn: &mut PgConnection, key: &str, end: &End) -> Result<(), LedgerError> {
    let found = find(&mut *conn, key)
        .await?
        .ok_or_else(|| LedgerError::NotFound { what: "reservation", key: key.to_owned() })?;
    if found.state != ReservationState::Open {
        let same = found.state == end.state && found.used == Some(end.used);
        let refused =
            LedgerError::WrongState { what: "reservation", key: key.to_owned(), state: found.state.to_string() };
        return if same { Ok(()) } else { Err(refused) };
    }
    if end.used > found.amount {
        return Err(LedgerError::Invalid { what: "used amount", value: format!("{} of {}", end.used, found.amount) });
    }
    let account = |kind| AccountKey { kind, owner: found.owner, asset: found.asset };
    let mut entries = vec![
        (account(AccountKind::Reserved), -positive(found.amount)?),
        (account(AccountKind::Payer), positive(found.amount - end.used)?),
    ];
    if let Some(payee) = end.payee {
        entries.push((payee, positive(end.used)?));
    }
    let closed = NewTransfer {
        key: format!("{}/{key}", end.state),
        reason: end.state.name(),
        entries,
        cause: None,
        epoch: end.epoch,
    };
    let closed = transfer_in(&mut *conn, &closed, None).await?;
    sqlx::query!(
        "UPDATE reservations SET state = $2, used = $3, closed_by = $4 WHERE key = $1",
        key,
        end.state.name(),
        amount(end.used),
        closed.id.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn positive(value: U256) -> Result<I256, LedgerError> {
    I256::try_from(value).map_err(|_| LedgerError::Invalid { what: "amount", value: value.to_string() })
}
