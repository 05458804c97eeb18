//! What a transaction offers to pay, and the rules for offering more.

use alloy_rpc_types_eth::FeeHistory;

use crate::{L1Error, TxKind};

/// Fees of a transaction in wei per gas, and per blob gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fees {
    /// Most paid per gas, tip included.
    pub max_fee_per_gas: u128,
    /// Tip per gas.
    pub max_priority_fee_per_gas: u128,
    /// Most paid per blob gas; ignored without blobs.
    pub max_fee_per_blob_gas: u128,
}

/// Limits no offer passes, in wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeCaps {
    /// Most paid per gas.
    pub max_fee_per_gas: u128,
    /// Highest tip.
    pub max_priority_fee_per_gas: u128,
    /// Lowest tip.
    pub min_priority_fee_per_gas: u128,
    /// Most paid per blob gas.
    pub max_fee_per_blob_gas: u128,
}

/// What L1 asks now, and what may be offered for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// The offer, cut to the caps.
    pub fees: Fees,
    /// The first base fee above its cap, and the cap: such an offer waits until L1 asks less.
    over: Option<(u128, u128)>,
}

impl Quote {
    pub(crate) fn of(history: &FeeHistory, kind: TxKind, caps: &FeeCaps) -> Self {
        let (gas, blob) = base_fees(history);
        let asked = [
            (gas.saturating_add(caps.min_priority_fee_per_gas), caps.max_fee_per_gas),
            (if kind == TxKind::Blob { blob } else { 0 }, caps.max_fee_per_blob_gas),
        ];
        let over = asked.into_iter().find(|(wanted, cap)| wanted > cap);
        Self { fees: Fees::suggest(history, caps), over }
    }

    /// The offer, if L1 would take it now.
    ///
    /// # Errors
    /// [`L1Error::FeeCap`] while L1 asks more than the caps allow.
    pub fn within_caps(&self) -> Result<Fees, L1Error> {
        self.over.map_or(Ok(self.fees), |(wanted, cap)| Err(L1Error::FeeCap { wanted, cap }))
    }
}

/// What the next block asks per gas, and per blob gas.
fn base_fees(history: &FeeHistory) -> (u128, u128) {
    let last = |fees: &[u128]| fees.last().copied().unwrap_or_default();
    (last(&history.base_fee_per_gas), last(&history.base_fee_per_blob_gas).max(1))
}

const GWEI: u128 = 1_000_000_000;

impl Default for FeeCaps {
    fn default() -> Self {
        Self {
            max_fee_per_gas: 500 * GWEI,
            max_priority_fee_per_gas: 20 * GWEI,
            min_priority_fee_per_gas: GWEI / 1000,
            max_fee_per_blob_gas: 500 * GWEI,
        }
    }
}

impl Fees {
    /// An offer that survives the base fee doubling, within the caps. The tip is the median of
    /// what the last blocks paid.
    pub(crate) fn suggest(history: &FeeHistory, caps: &FeeCaps) -> Self {
        let (base, blob_base) = base_fees(history);
        let mut tips: Vec<u128> =
            history.reward.iter().flatten().filter_map(|row| row.first().copied()).filter(|tip| *tip > 0).collect();
        tips.sort_unstable();
        let tip = tips.get(tips.len() / 2).copied().unwrap_or_default();
        let tip = tip.min(caps.max_priority_fee_per_gas).max(caps.min_priority_fee_per_gas);
        let max_fee_per_gas = base.saturating_mul(2).saturating_add(tip).min(caps.max_fee_per_gas);
        Self {
            max_fee_per_gas,
            max_priority_fee_per_gas: tip.min(max_fee_per_gas),
            max_fee_per_blob_gas: blob_base.saturating_mul(2).min(caps.max_fee_per_blob_gas),
        }
    }

    /// The offer that replaces `self`: what is suggested now, but at least what pools demand of a
    /// replacement (10 % more, 100 % more for blob transactions, on every field).
    pub fn bump(self, suggested: Self, kind: TxKind, caps: &FeeCaps) -> Result<Self, L1Error> {
        let percent = match kind {
            TxKind::Plain => 10,
            TxKind::Blob => 100,
        };
        let raise = |fee: u128| fee.saturating_mul(100 + percent).div_ceil(100).max(fee.saturating_add(1));
        let blob_fee = match kind {
            TxKind::Plain => self.max_fee_per_blob_gas,
            TxKind::Blob => raise(self.max_fee_per_blob_gas).max(suggested.max_fee_per_blob_gas),
        };
        let tip = raise(self.max_priority_fee_per_gas).max(suggested.max_priority_fee_per_gas);
        let bumped = Self {
            max_fee_per_gas: raise(self.max_fee_per_gas).max(suggested.max_fee_per_gas).max(tip),
            max_priority_fee_per_gas: tip,
            max_fee_per_blob_gas: blob_fee,
        };
        bumped.within(kind, caps)
    }

    /// Whether it offers at least as much as `other` in every field that counts for the kind.
    pub fn covers(self, other: Self, kind: TxKind) -> bool {
        self.max_fee_per_gas >= other.max_fee_per_gas
            && self.max_priority_fee_per_gas >= other.max_priority_fee_per_gas
            && (kind == TxKind::Plain || self.max_fee_per_blob_gas >= other.max_fee_per_blob_gas)
    }

    fn within(self, kind: TxKind, caps: &FeeCaps) -> Result<Self, L1Error> {
        let over = |wanted: u128, cap: u128| if wanted > cap { Err(L1Error::FeeCap { wanted, cap }) } else { Ok(()) };
        over(self.max_fee_per_gas, caps.max_fee_per_gas)?;
        over(self.max_priority_fee_per_gas, caps.max_fee_per_gas)?;
        if kind == TxKind::Blob {
            over(self.max_fee_per_blob_gas, caps.max_fee_per_blob_gas)?;
        }
        Ok(self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn history(base: u128, tips: &[u128]) -> FeeHistory {
        FeeHistory {
            base_fee_per_gas: vec![1, base],
            base_fee_per_blob_gas: vec![1, 3],
            reward: Some(tips.iter().map(|tip| vec![*tip]).collect()),
            ..Default::default()
        }
    }

    #[test]
    fn suggests_within_caps() {
        let caps = FeeCaps::default();
        let fees = Fees::suggest(&history(10 * GWEI, &[0, GWEI, 3 * GWEI, 2 * GWEI]), &caps);
        assert_eq!(fees.max_priority_fee_per_gas, 2 * GWEI);
        assert_eq!(fees.max_fee_per_gas, 22 * GWEI);
        assert_eq!(fees.max_fee_per_blob_gas, 6);
        let high = Fees::suggest(&history(u128::MAX, &[u128::MAX]), &caps);
        assert_eq!(high.max_fee_per_gas, caps.max_fee_per_gas);
        assert_eq!(high.max_priority_fee_per_gas, caps.max_priority_fee_per_gas);
        assert_eq!(Fees::suggest(&FeeHistory::default(), &caps).max_priority_fee_per_gas, GWEI / 1000);
    }

    #[test]
    fn what_l1_asks_above_a_cap_is_named_and_below_it_offered() {
        let caps = FeeCaps { max_fee_per_gas: 10 * GWEI, max_fee_per_blob_gas: 3, ..FeeCaps::default() };
        let quote = |base: u128, blob: u128, kind| {
            let fees = FeeHistory { base_fee_per_blob_gas: vec![1, blob], ..history(base, &[GWEI]) };
            Quote::of(&fees, kind, &caps).within_caps()
        };
        let offered = quote(9 * GWEI, 3, TxKind::Blob).unwrap();
        assert_eq!((offered.max_fee_per_gas, offered.max_fee_per_blob_gas), (10 * GWEI, 3));
        assert!(matches!(quote(900 * GWEI, 3, TxKind::Plain), Err(L1Error::FeeCap { cap, .. }) if cap == 10 * GWEI));
        assert!(matches!(quote(GWEI, 4, TxKind::Blob), Err(L1Error::FeeCap { wanted: 4, cap: 3 })));
        assert!(quote(GWEI, 4, TxKind::Plain).is_ok(), "blobs cost nothing where there are none");
    }

    #[test]
    fn an_offer_covers_what_it_is_not_below_in_any_field() {
        let offer = Fees { max_fee_per_gas: 5, max_priority_fee_per_gas: 2, max_fee_per_blob_gas: 1 };
        assert!(offer.covers(Fees { max_fee_per_blob_gas: 9, ..offer }, TxKind::Plain));
        assert!(!offer.covers(Fees { max_fee_per_blob_gas: 9, ..offer }, TxKind::Blob));
        assert!(!offer.covers(Fees { max_priority_fee_per_gas: 3, ..offer }, TxKind::Plain));
    }

    #[test]
    fn bumps_as_pools_demand_and_stops_at_the_cap() {
        let caps = FeeCaps::default();
        let old = Fees { max_fee_per_gas: 101, max_priority_fee_per_gas: 1, max_fee_per_blob_gas: 7 };
        let plain = old.bump(Fees::default(), TxKind::Plain, &caps).unwrap();
        assert_eq!((plain.max_fee_per_gas, plain.max_priority_fee_per_gas), (112, 2));
        let blob = old.bump(Fees::default(), TxKind::Blob, &caps).unwrap();
        assert_eq!((blob.max_fee_per_gas, blob.max_fee_per_blob_gas), (202, 14));
        let market = Fees { max_fee_per_gas: 5000, ..Fees::default() };
        assert_eq!(old.bump(market, TxKind::Plain, &caps).unwrap().max_fee_per_gas, 5000);
        let rich = Fees { max_fee_per_gas: caps.max_fee_per_gas, ..old };
        assert!(matches!(rich.bump(Fees::default(), TxKind::Plain, &caps), Err(L1Error::FeeCap { .. })));
        let rich = Fees { max_fee_per_blob_gas: caps.max_fee_per_blob_gas, ..old };
        assert!(matches!(rich.bump(Fees::default(), TxKind::Blob, &caps), Err(L1Error::FeeCap { .. })));
    }
}
