//! The commodity table: what a node can be paid for, and in which unit.

use crate::ProtoError;
use serde::{Deserialize, Serialize};

/// Something a node delivers and measures. The code is part of signed and stored data and never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Commodity {
    /// Bytes sent to the client.
    EgressBytes = 0,
    /// Bytes received from the client.
    IngressBytes = 1,
    /// Compute units of a service, as its price table defines them.
    ComputeUnits = 2,
    /// Gas used by included transactions.
    EvmGas = 3,
    /// Bytes kept, times seconds.
    StorageByteSeconds = 4,
    /// Bytes posted to L1.
    ChainBytes = 5,
    /// Units of proving work.
    ProvingUnits = 6,
}

impl Commodity {
    /// How many commodities there are.
    pub const COUNT: usize = 7;

    /// The table, in the order of codes.
    pub const ALL: [Self; Self::COUNT] = [
        Self::EgressBytes,
        Self::IngressBytes,
        Self::ComputeUnits,
        Self::EvmGas,
        Self::StorageByteSeconds,
        Self::ChainBytes,
        Self::ProvingUnits,
    ];

    /// The code in signed and stored data.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The name in SQL, JSON and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EgressBytes => "egress_bytes",
            Self::IngressBytes => "ingress_bytes",
            Self::ComputeUnits => "compute_units",
            Self::EvmGas => "evm_gas",
            Self::StorageByteSeconds => "storage_byte_seconds",
            Self::ChainBytes => "chain_bytes",
            Self::ProvingUnits => "proving_units",
        }
    }

    /// The commodity of a name, refusing names that are not in the table.
    pub fn from_name(name: &str) -> Result<Self, ProtoError> {
        Self::ALL
            .into_iter()
            .find(|commodity| commodity.name() == name)
            .ok_or_else(|| ProtoError::UnknownCommodityName(name.chars().take(64).collect()))
    }
}

impl TryFrom<u8> for Commodity {
    type Error = ProtoError;

    fn try_from(code: u8) -> Result<Self, ProtoError> {
        Self::ALL.get(usize::from(code)).copied().ok_or(ProtoError::UnknownCommodity(code))
    }
}

/// An amount of every commodity. Sums saturate at `u128::MAX`, which no node reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage([u128; Commodity::COUNT]);

impl Usage {
    /// Nothing.
    pub const ZERO: Self = Self([0; Commodity::COUNT]);

    /// `amount` of one commodity.
    pub fn of(commodity: Commodity, amount: u128) -> Self {
        Self::ZERO.with(commodity, amount)
    }

    /// The same with `amount` more of one commodity.
    #[must_use]
    pub fn with(mut self, commodity: Commodity, amount: u128) -> Self {
        let cell = &mut self.0[usize::from(commodity.code())];
        *cell = cell.saturating_add(amount);
        self
    }

    /// The amount of one commodity.
    pub fn get(&self, commodity: Commodity) -> u128 {
        self.0[usize::from(commodity.code())]
    }

    /// Adds another usage to this one.
    pub fn add(&mut self, other: &Self) {
        for (cell, more) in self.0.iter_mut().zip(other.0) {
            *cell = cell.saturating_add(more);
        }
    }

    /// Whether every amount is zero.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|amount| *amount == 0)
    }

    /// The amounts that are not zero, in the order of codes.
    pub fn iter(&self) -> impl Iterator<Item = (Commodity, u128)> + '_ {
        Commodity::ALL.into_iter().zip(self.0).filter(|(_, amount)| *amount != 0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_positions_in_the_table() {
        for (position, commodity) in Commodity::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(commodity.code()), position);
            assert_eq!(Commodity::try_from(commodity.code()).unwrap(), commodity);
            assert_eq!(Commodity::from_name(commodity.name()).unwrap(), commodity);
            let json = serde_json::to_string(&commodity).unwrap();
            assert_eq!(json, format!("\"{}\"", commodity.name()));
        }
    }

    #[test]
    fn refuses_unknown_codes_and_names() {
        assert!(matches!(Commodity::try_from(7), Err(ProtoError::UnknownCommodity(7))));
        assert!(matches!(Commodity::from_name("gas"), Err(ProtoError::UnknownCommodityName(_))));
    }

    #[test]
    fn usage_adds_by_commodity_and_saturates() {
        let mut usage = Usage::of(Commodity::EvmGas, 3).with(Commodity::ChainBytes, u128::MAX);
        usage.add(&Usage::of(Commodity::ChainBytes, 1).with(Commodity::EvmGas, 4));
        let amounts: Vec<_> = usage.iter().collect();
        assert_eq!(amounts, [(Commodity::EvmGas, 7), (Commodity::ChainBytes, u128::MAX)]);
        assert!(!usage.is_zero());
        assert!(Usage::ZERO.is_zero());
    }
}
