//! Where derivation stands after a block, as its header says.

use alloy_consensus::Header;
use alloy_primitives::Bytes;
use serde::{Deserialize, Serialize};

/// First byte of `extraData` in protocol version 1.
const VERSION: u8 = 1;
const POSITION_BYTES: usize = 17;

/// The L1 origin of a block, and how many queue items were consumed up to and including it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Number of the L1 origin.
    pub origin: u64,
    /// Queue items consumed.
    pub queue_end: u64,
}

impl Position {
    /// `0x01 ‖ u64 origin ‖ u64 queueEnd`.
    pub fn encode(self) -> Bytes {
        let mut out = [0; POSITION_BYTES];
        out[0] = VERSION;
        out[1..9].copy_from_slice(&self.origin.to_be_bytes());
        out[9..].copy_from_slice(&self.queue_end.to_be_bytes());
        Bytes::copy_from_slice(&out)
    }

    /// Reads `extraData`; `None` if it is not of this version.
    pub fn decode(extra_data: &[u8]) -> Option<Self> {
        let bytes: &[u8; POSITION_BYTES] = extra_data.try_into().ok()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (bytes[0] == VERSION).then(|| Self { origin: number(&bytes[1..9]), queue_end: number(&bytes[9..]) })
    }

    /// The position in a block's header.
    pub fn of(header: &Header) -> Option<Self> {
        Self::decode(&header.extra_data)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn positions_round_trip_and_nothing_else_is_one() {
        let position = Position { origin: 0x0102_0304, queue_end: u64::MAX };
        let bytes = position.encode();
        assert_eq!(bytes.len(), 17);
        assert_eq!(Position::decode(&bytes), Some(position));
        assert_eq!(Position::decode(&bytes[1..]), None);
        assert_eq!(Position::decode(&[2; 17]), None);
    }
}
