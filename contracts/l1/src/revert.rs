//! Revert data in words.

use alloy_primitives::hex;
use alloy_sol_types::{Panic, Revert, SolError};

/// `Error(string)` and `Panic(uint256)` are decoded; a custom error shows its selector, since
/// whoever called knows its contract's errors. Without data, what the node said.
pub(crate) fn reason(data: &[u8], message: &str) -> String {
    if let Ok(revert) = Revert::abi_decode(data) {
        return revert.reason;
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return panic.to_string();
    }
    match data.get(..4) {
        Some(selector) => format!("custom error 0x{}", hex::encode(selector)),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strings_panics_and_selectors() {
        assert_eq!(reason(&Revert::from("no").abi_encode(), ""), "no");
        assert!(reason(&Panic::from(0x11).abi_encode(), "").contains("overflow"));
        assert_eq!(reason(&[1, 2, 3, 4, 5], ""), "custom error 0x01020304");
        assert_eq!(reason(&[], "execution reverted"), "execution reverted");
    }
}
