//! The meter: who used how much, in memory, between two drains by the ledger.

use crate::{LaneId, Payer, Usage};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Shards of the meter; one lock each.
const SHARDS: usize = 16;

/// Lanes that are counted apart for one payer between two drains; usage of further lanes is counted without a lane.
pub const MAX_LANES_PER_PAYER: usize = 64;

/// Whose usage a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MeterKey {
    /// A payer's, on one of its lanes or outside of any.
    Payer {
        /// Who pays.
        payer: Payer,
        /// The lane, if the service was delivered on one.
        lane: Option<LaneId>,
    },
    /// That of all payers who did not fit into the meter.
    Other,
}

/// What one key used since the last drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterRow {
    /// Whose usage.
    pub key: MeterKey,
    /// How much.
    pub usage: Usage,
}

#[derive(Default)]
struct Account {
    /// Usage outside of any lane, or of lanes beyond the limit.
    plain: Usage,
    lanes: HashMap<LaneId, Usage>,
}

#[derive(Default)]
struct Shard {
    payers: HashMap<Payer, Account>,
    other: Usage,
}

/// Sums usage by payer and lane. Bounded: at most the capacity of distinct payers (rounded up to a multiple of the
/// shards) and [`MAX_LANES_PER_PAYER`] lanes each. Calls from many threads meet only when their payers share a shard.
pub struct Meter {
    shards: [Mutex<Shard>; SHARDS],
    payers_per_shard: usize,
}

impl Meter {
    /// A meter for `capacity` distinct payers between two drains.
    pub fn new(capacity: usize) -> Self {
        Self { shards: Default::default(), payers_per_shard: capacity.div_ceil(SHARDS) }
    }

    /// Adds usage. Never fails and never grows the meter over its capacity.
    pub fn record(&self, payer: Payer, lane: Option<LaneId>, usage: Usage) {
        let mut shard = self.shards[shard_of(payer)].lock();
        let full = shard.payers.len() >= self.payers_per_shard;
        if full && !shard.payers.contains_key(&payer) {
            shard.other.add(&usage);
            return;
        }
        shard.payers.entry(payer).or_default().add(lane, &usage);
    }

    /// Takes everything counted so far, in the order of keys, rows without usage left out.
    ///
    /// The caller stores the rows, or gives them back with [`Meter::restore`].
    pub fn drain(&self) -> Vec<MeterRow> {
        let mut rows = Vec::new();
        let mut other = Usage::ZERO;
        for shard in &self.shards {
            let taken = std::mem::take(&mut *shard.lock());
            other.add(&taken.other);
            for (payer, account) in taken.payers {
                rows.extend(account.into_rows(payer));
            }
        }
        rows.push(MeterRow { key: MeterKey::Other, usage: other });
        rows.retain(|row| !row.usage.is_zero());
        rows.sort_unstable_by_key(|row| row.key);
        rows
    }

    /// Puts drained rows back that could not be stored.
    pub fn restore(&self, rows: &[MeterRow]) {
        for row in rows {
            match row.key {
                MeterKey::Payer { payer, lane } => self.record(payer, lane, row.usage),
                MeterKey::Other => self.shards[0].lock().other.add(&row.usage),
            }
        }
    }
}

impl Account {
    fn add(&mut self, lane: Option<LaneId>, usage: &Usage) {
        let room = self.lanes.len() < MAX_LANES_PER_PAYER;
        match lane {
            Some(lane) if room || self.lanes.contains_key(&lane) => self.lanes.entry(lane).or_default().add(usage),
            _ => self.plain.add(usage),
        }
    }

    fn into_rows(self, payer: Payer) -> impl Iterator<Item = MeterRow> {
        let plain = MeterRow { key: MeterKey::Payer { payer, lane: None }, usage: self.plain };
        let lanes = self
            .lanes
            .into_iter()
            .map(move |(lane, usage)| MeterRow { key: MeterKey::Payer { payer, lane: Some(lane) }, usage });
        std::iter::once(plain).chain(lanes)
    }
}

/// Addresses are hashes, but a client can grind them: then it slows down its own shard.
fn shard_of(payer: Payer) -> usize {
    usize::from(payer.0[19]) % SHARDS
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Commodity;

    fn payer(n: u64) -> Payer {
        let mut bytes = [0u8; 20];
        bytes[12..].copy_from_slice(&n.to_be_bytes());
        Payer::from(bytes)
    }

    fn lane(id: u64) -> LaneId {
        LaneId::new(id).unwrap()
    }

    fn gas(amount: u128) -> Usage {
        Usage::of(Commodity::EvmGas, amount)
    }

    #[test]
    fn sums_by_payer_and_lane() {
        let meter = Meter::new(100);
        meter.record(payer(1), None, gas(1));
        meter.record(payer(1), Some(lane(9)), gas(2));
        meter.record(payer(1), Some(lane(9)), gas(3));
        meter.record(payer(2), None, gas(4));
        let amounts: Vec<_> = meter.drain().iter().map(|row| (row.key, row.usage.get(Commodity::EvmGas))).collect();
        let key = |n, id: Option<u64>| MeterKey::Payer { payer: payer(n), lane: id.map(lane) };
        assert_eq!(amounts, [(key(1, None), 1), (key(1, Some(9)), 5), (key(2, None), 4)]);
        assert!(meter.drain().is_empty());
    }

    #[test]
    fn counts_payers_beyond_the_cap_as_other_and_loses_nothing() {
        let meter = Meter::new(SHARDS * 2);
        for n in 0..1_000 {
            meter.record(payer(n), None, gas(1));
        }
        let rows = meter.drain();
        assert_eq!(rows.len(), SHARDS * 2 + 1);
        let total: u128 = rows.iter().map(|row| row.usage.get(Commodity::EvmGas)).sum();
        assert_eq!(total, 1_000);
        assert_eq!(rows.last().map(|row| row.key), Some(MeterKey::Other));
    }

    #[test]
    fn counts_lanes_beyond_the_cap_without_lane() {
        let meter = Meter::new(1);
        for id in 0..MAX_LANES_PER_PAYER as u64 + 10 {
            meter.record(payer(0), Some(lane(id)), gas(1));
        }
        let rows = meter.drain();
        assert_eq!(rows.len(), MAX_LANES_PER_PAYER + 1);
        assert_eq!(rows[0].key, MeterKey::Payer { payer: payer(0), lane: None });
        assert_eq!(rows[0].usage, gas(10));
    }

    #[test]
    fn restored_rows_are_drained_again_with_what_came_since() {
        let meter = Meter::new(1);
        meter.record(payer(0), None, gas(5));
        meter.record(payer(16), None, gas(7));
        let rows = meter.drain();
        meter.record(payer(0), None, gas(1));
        meter.restore(&rows);
        let amounts: Vec<_> = meter.drain().iter().map(|row| row.usage).collect();
        assert_eq!(amounts, [gas(6), gas(7)]);
    }

    #[test]
    fn threads_lose_no_usage_to_a_concurrent_drain() {
        let meter = Meter::new(64);
        let drained = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|n| {
                    let meter = &meter;
                    scope.spawn(move || (0..5_000).for_each(|i| meter.record(payer(n * 31 + i % 50), None, gas(1))))
                })
                .collect();
            let mut total = 0;
            while writers.iter().any(|writer| !writer.is_finished()) {
                total += meter.drain().iter().map(|row| row.usage.get(Commodity::EvmGas)).sum::<u128>();
            }
            total
        });
        let rest: u128 = meter.drain().iter().map(|row| row.usage.get(Commodity::EvmGas)).sum();
        assert_eq!(drained + rest, 20_000);
    }
}
