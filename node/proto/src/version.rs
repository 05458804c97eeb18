//! The version of everything in this crate.

use crate::ProtoError;

/// The wire version that this build speaks. It changes when any encoding in this crate does.
pub const WIRE_VERSION: u16 = 1;

/// Refuses every version but [`WIRE_VERSION`].
pub fn check_wire_version(actual: u16) -> Result<(), ProtoError> {
    if actual == WIRE_VERSION { Ok(()) } else { Err(ProtoError::WireVersion { supported: WIRE_VERSION, actual }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_every_other_version() {
        assert!(check_wire_version(WIRE_VERSION).is_ok());
        for other in [0, WIRE_VERSION + 1, u16::MAX] {
            assert!(
                matches!(check_wire_version(other), Err(ProtoError::WireVersion { actual, .. }) if actual == other)
            );
        }
    }
}
