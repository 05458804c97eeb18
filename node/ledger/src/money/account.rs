//! Accounts and balances.

use crate::convert::{address, to_amount, to_signed};
use crate::rollups::names;
use crate::{Ledger, LedgerError};
use alloy_primitives::{Address, I256, U256};
use sqlx::PgConnection;
use std::str::FromStr;

/// Kinds of accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccountKind {
    /// What a vault on L1 holds, as a negative amount: the other side of all others.
    Custody,
    /// What a payer deposited and may spend.
    Payer,
    /// What is set aside for a payer's work under way.
    Reserved,
    /// What a payee earned.
    Earned,
    /// The protocol's share.
    Protocol,
    /// What a compensation could not take back because it was spent; negative.
    Shortfall,
}

names!(AccountKind, "account kind", Custody => "custody", Payer => "payer", Reserved => "reserved", Earned => "earned",
    Protocol => "protocol", Shortfall => "shortfall");

/// An account: one per kind, owner and asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountKey {
    /// Kind.
    pub kind: AccountKind,
    /// Owner; of custody: the vault.
    pub owner: Address,
    /// Asset: an ERC-20 on L1, zero for ETH.
    pub asset: Address,
}

impl Ledger {
    /// An account's balance; zero if nothing was ever booked.
    pub async fn balance(&self, account: AccountKey) -> Result<I256, LedgerError> {
        let amount = sqlx::query_scalar!(
            "SELECT b.amount FROM balances b JOIN accounts a ON a.id = b.account WHERE a.kind = $1 AND a.owner = $2 AND a.asset = $3",
            account.kind.name(),
            account.owner.as_slice(),
            account.asset.as_slice(),
        )
        .fetch_optional(&self.pool)
        .await?;
        amount.map_or(Ok(I256::ZERO), |amount| to_signed("balance", &amount))
    }

    /// What all accounts but custody hold of an asset. It must equal the vault's balance on L1 at a finalised block, or
    /// sponsored admission stops.
    pub async fn liabilities(&self, asset: Address) -> Result<U256, LedgerError> {
        let sum = sqlx::query_scalar!(
            r#"SELECT COALESCE(SUM(b.amount), 0) AS "sum!" FROM balances b JOIN accounts a ON a.id = b.account
               WHERE a.asset = $1 AND a.kind <> 'custody'"#,
            asset.as_slice()
        )
        .fetch_one(&self.pool)
        .await?;
        to_amount("liabilities", &sum)
    }

    /// Recomputes every balance from the entries and answers with the accounts where the two differ: none, or the
    /// database was tampered with.
    pub async fn audit(&self) -> Result<Vec<AccountKey>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT a.kind, a.owner, a.asset FROM accounts a LEFT JOIN balances b ON b.account = a.id \
             LEFT JOIN (SELECT account, SUM(amount) AS amount FROM entries GROUP BY account) e ON e.account = a.id \
             WHERE COALESCE(b.amount, 0) <> COALESCE(e.amount, 0) ORDER BY a.id"
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(AccountKey {
                    kind: AccountKind::from_str(&row.kind)?,
                    owner: address("owner", &row.owner)?,
                    asset: address("asset", &row.asset)?,
                })
            })
            .collect()
    }
}

/// The row of an account, made if it is not there.
pub(super) async fn account_id(conn: &mut PgConnection, key: &AccountKey) -> Result<i64, LedgerError> {
    let (kind, owner, asset) = (key.kind.name(), key.owner.as_slice(), key.asset.as_slice());
    let find = || {
        sqlx::query_scalar!("SELECT id FROM accounts WHERE kind = $1 AND owner = $2 AND asset = $3", kind, owner, asset)
    };
    if let Some(id) = find().fetch_optional(&mut *conn).await? {
        return Ok(id);
    }
    sqlx::query!(
        "INSERT INTO accounts (kind, owner, asset) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        kind,
        owner,
        asset
    )
    .execute(&mut *conn)
    .await?;
    Ok(find().fetch_one(conn).await?)
}
