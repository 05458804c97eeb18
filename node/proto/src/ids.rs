//! Newtypes for identifiers.

use crate::ProtoError;
use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who pays for a service: an account on L1 (a sponsor, an app, a client).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payer(pub Address);

impl From<[u8; 20]> for Payer {
    fn from(bytes: [u8; 20]) -> Self {
        Self(Address::from(bytes))
    }
}

impl From<Address> for Payer {
    fn from(address: Address) -> Self {
        Self(address)
    }
}

impl fmt::Display for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lane of one payer: a resumable, strictly sequential stream of service. The payer assigns the numbers, below 2⁴⁸.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LaneId(u64);

impl LaneId {
    /// The largest lane number.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// Refuses numbers above [`LaneId::MAX`].
    pub fn new(number: u64) -> Result<Self, ProtoError> {
        if number <= Self::MAX.0 { Ok(Self(number)) } else { Err(ProtoError::LaneOutOfRange(number)) }
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for LaneId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(u64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an accounting epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EpochNumber(pub u64);

impl fmt::Display for EpochNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn refuses_lanes_above_48_bits() {
        assert_eq!(LaneId::new(LaneId::MAX.number()).unwrap(), LaneId::MAX);
        assert!(matches!(LaneId::new(1 << 48), Err(ProtoError::LaneOutOfRange(_))));
        assert_eq!(serde_json::from_str::<LaneId>("7").unwrap().number(), 7);
        assert!(serde_json::from_str::<LaneId>("281474976710656").is_err());
    }
}
