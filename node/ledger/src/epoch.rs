//! Accounting epochs, and what payers used in each.

use crate::convert::{address, fee, int, opt_int, to_fee, uint};
use crate::{Ledger, LedgerError};
use alloy_primitives::Address;
use mayfly_proto::{Commodity, EpochNumber, LaneId, MeterKey, MeterRow, Payer, Usage};
use std::collections::BTreeMap;

/// Rows in one call of [`Ledger::record_usage`].
pub const MAX_USAGE_ROWS: usize = 100_000;

/// The division of L1 time: `epoch = ⌊(L1 time − start) / length⌋`. Fixed per contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    start: u64,
    length: u64,
}

impl Epoch {
    /// Epochs of `length` seconds from `start` on; refuses a length of zero.
    pub fn new(start: u64, length: u64) -> Result<Self, LedgerError> {
        if length == 0 {
            return Err(LedgerError::Invalid { what: "epoch length", value: length.to_string() });
        }
        Ok(Self { start, length })
    }

    /// The epoch of an L1 time.
    pub fn at(&self, time: u64) -> Result<EpochNumber, LedgerError> {
        let passed = time.checked_sub(self.start).ok_or(LedgerError::BeforeFirstEpoch { time, start: self.start })?;
        Ok(EpochNumber(passed / self.length))
    }

    /// The first second of an epoch; none beyond the end of time.
    pub fn start_of(&self, epoch: EpochNumber) -> Option<u64> {
        epoch.0.checked_mul(self.length)?.checked_add(self.start)
    }
}

impl Ledger {
    /// Adds a drain of the meter to an epoch, once: `key` names the drain, and repeating it changes nothing. False: it was
    /// there before. If this fails, give the rows back with [`mayfly_proto::Meter::restore`], or repeat it with its key.
    pub async fn record_usage(&self, key: &str, epoch: EpochNumber, rows: &[MeterRow]) -> Result<bool, LedgerError> {
        if rows.len() > MAX_USAGE_ROWS {
            return Err(LedgerError::TooMany { what: "usage rows", limit: MAX_USAGE_ROWS });
        }
        let number = int("epoch", epoch.0)?;
        let mut tx = self.pool.begin().await?;
        let is_new =
            sqlx::query!("INSERT INTO usage_drains (key, epoch) VALUES ($1, $2) ON CONFLICT DO NOTHING", key, number)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                == 1;
        if !is_new {
            return Ok(false);
        }
        let cells: Vec<_> = rows.iter().flat_map(|row| row.usage.iter().map(move |cell| (row.key, cell))).collect();
        let payers: Vec<Option<Vec<u8>>> =
            cells.iter().map(|(key, _)| payer(key).map(|payer| payer.0.to_vec())).collect();
        let lanes = cells
            .iter()
            .map(|(key, _)| opt_int("lane", lane(key).map(LaneId::number)))
            .collect::<Result<Vec<_>, _>>()?;
        let commodities: Vec<i16> = cells.iter().map(|(_, (commodity, _))| i16::from(commodity.code())).collect();
        let amounts: Vec<_> = cells.iter().map(|(_, (_, amount))| fee(*amount)).collect();
        sqlx::query!(
            "INSERT INTO usage AS u (epoch, payer, lane, commodity, amount) \
             SELECT $1, n.payer, n.lane, n.commodity, SUM(n.amount) \
             FROM UNNEST($2::bytea[], $3::bigint[], $4::smallint[], $5::numeric[]) AS n (payer, lane, commodity, amount) \
             GROUP BY n.payer, n.lane, n.commodity ORDER BY n.payer, n.lane, n.commodity \
             ON CONFLICT (epoch, payer, lane, commodity) DO UPDATE SET amount = u.amount + EXCLUDED.amount",
            number,
            &payers as &[Option<Vec<u8>>],
            &lanes as &[Option<i64>],
            &commodities,
            &amounts,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// What was used in an epoch, by payer and lane, at most [`MAX_USAGE_ROWS`] amounts.
    pub async fn usage(&self, epoch: EpochNumber) -> Result<Vec<MeterRow>, LedgerError> {
        let rows = sqlx::query!(
            "SELECT payer, lane, commodity, amount FROM usage WHERE epoch = $1 ORDER BY payer, lane NULLS FIRST LIMIT $2",
            int("epoch", epoch.0)?,
            MAX_USAGE_ROWS as i64,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut sums: BTreeMap<MeterKey, Usage> = BTreeMap::new();
        for row in rows {
            let code = u8::try_from(row.commodity).ok().and_then(|code| Commodity::try_from(code).ok());
            let commodity =
                code.ok_or_else(|| LedgerError::Corrupt { what: "commodity", value: row.commodity.to_string() })?;
            let key = meter_key(row.payer.map(|bytes| address("payer", &bytes)).transpose()?, row.lane)?;
            sums.entry(key).or_default().add(&Usage::of(commodity, to_fee("usage", &row.amount)?));
        }
        Ok(sums.into_iter().map(|(key, usage)| MeterRow { key, usage }).collect())
    }
}

fn payer(key: &MeterKey) -> Option<Payer> {
    match key {
        MeterKey::Payer { payer, .. } => Some(*payer),
        MeterKey::Other => None,
    }
}

fn lane(key: &MeterKey) -> Option<LaneId> {
    match key {
        MeterKey::Payer { lane, .. } => *lane,
        MeterKey::Other => None,
    }
}

fn meter_key(payer: Option<Address>, lane: Option<i64>) -> Result<MeterKey, LedgerError> {
    let Some(payer) = payer else { return Ok(MeterKey::Other) };
    let lane = lane
        .map(|number| {
            LaneId::new(uint("lane", number)?)
                .map_err(|_| LedgerError::Corrupt { what: "lane", value: number.to_string() })
        })
        .transpose()?;
    Ok(MeterKey::Payer { payer: Payer(payer), lane })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_floors_of_l1_time() {
        let epochs = Epoch::new(1_000, 60).unwrap();
        for (time, number) in [(1_000, 0), (1_059, 0), (1_060, 1), (4_600, 60)] {
            assert_eq!(epochs.at(time).unwrap(), EpochNumber(number));
        }
        assert_eq!(epochs.start_of(EpochNumber(60)), Some(4_600));
        assert_eq!(epochs.start_of(EpochNumber(u64::MAX)), None);
    }

    #[test]
    fn refuses_empty_epochs_and_times_before_the_first() {
        assert!(matches!(Epoch::new(0, 0), Err(LedgerError::Invalid { .. })));
        let epochs = Epoch::new(1_000, 60).unwrap();
        assert!(matches!(epochs.at(999), Err(LedgerError::BeforeFirstEpoch { time: 999, start: 1_000 })));
    }
}
