//! Revert data in words.

use std::fmt::Debug;

use alloy_primitives::hex;
use alloy_sol_types::{Panic, Revert, SolError, SolInterface};
use mayfly_contracts::{
    factory::RollupFactory::RollupFactoryErrors, inbox::Inbox::InboxErrors,
    settlement::CommitteeResolver::CommitteeResolverErrors, settlement::Settlement::SettlementErrors,
    vault::Vault::VaultErrors,
};

/// `Error(string)`, `Panic(uint256)` and the errors of Mayfly's contracts are decoded; any other
/// shows its selector. Without data, what the node said.
pub(crate) fn reason(data: &[u8], message: &str) -> String {
    if let Ok(revert) = Revert::abi_decode(data) {
        return revert.reason;
    }
    if let Ok(panic) = Panic::abi_decode(data) {
        return panic.to_string();
    }
    let ours = decode::<InboxErrors>(data)
        .or_else(|| decode::<SettlementErrors>(data))
        .or_else(|| decode::<VaultErrors>(data))
        .or_else(|| decode::<RollupFactoryErrors>(data))
        .or_else(|| decode::<CommitteeResolverErrors>(data));
    match (ours, data.get(..4)) {
        (Some(error), _) => error,
        (None, Some(selector)) => format!("custom error 0x{}", hex::encode(selector)),
        (None, None) => message.to_owned(),
    }
}

/// An error's name and fields, without the name of the enum's variant around them.
fn decode<E: SolInterface + Debug>(data: &[u8]) -> Option<String> {
    let text = format!("{:?}", E::abi_decode(data).ok()?);
    let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    Some(inner.map_or_else(|| text.clone(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strings_panics_and_our_errors() {
        assert_eq!(reason(&Revert::from("no").abi_encode(), ""), "no");
        assert!(reason(&Panic::from(0x11).abi_encode(), "").contains("overflow"));
        let ours = mayfly_contracts::inbox::Inbox::WrongSequence { seq: 3, expected: 2 }.abi_encode();
        assert_eq!(reason(&ours, ""), "WrongSequence { seq: 3, expected: 2 }");
        assert_eq!(reason(&[1, 2, 3, 4, 5], ""), "custom error 0x01020304");
        assert_eq!(reason(&[], "execution reverted"), "execution reverted");
    }
}
