//! Code at fixed addresses on every rollup of protocol version 1; see docs/protocol/derivation.md.

use alloy_eips::{eip2935, eip4788};
use alloy_primitives::{Address, Bytes, address, bytes};

use crate::l2;

/// Credits deposits and takes withdrawals.
pub const L2_BRIDGE: Address = address!("0x4d61796600000000000000000000000000000001");
/// Keeps the tree of messages to L1; its root is storage slot 0.
pub const L2_MESSENGER: Address = address!("0x4d61796600000000000000000000000000000002");
/// Knows beneficiaries and collections that settle.
pub const L2_REGISTRY: Address = address!("0x4d61796600000000000000000000000000000003");
/// Implementation behind the bridge's ERC-20 clones.
pub const BRIDGED_ERC20: Address = address!("0x4d61796600000000000000000000000000000011");
/// Implementation behind the bridge's ERC-721 clones.
pub const BRIDGED_ERC721: Address = address!("0x4d61796600000000000000000000000000000012");
/// Implementation behind the bridge's ERC-1155 clones.
pub const BRIDGED_ERC1155: Address = address!("0x4d61796600000000000000000000000000000013");
/// `from` of every deposit; has no key and no code.
pub const SYSTEM_SENDER: Address = address!("0x4d617966000000000000000000000000000000ff");
/// The deterministic deployment proxy: input is `salt ‖ init code`.
pub const CREATE2_DEPLOYER: Address = address!("0x4e59b44847b379578588920ca78fbf26c0b4956c");

/// An account with code in a rollup's genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predeploy {
    /// Where it stands.
    pub address: Address,
    /// Name for logs and reports.
    pub name: &'static str,
    /// Runtime code.
    pub code: Bytes,
}

/// Every account with code in the genesis of protocol version 1, by address.
pub fn predeploys() -> Vec<Predeploy> {
    let predeploy = |address, name, code: &Bytes| Predeploy { address, name, code: code.clone() };
    let mut all = vec![
        predeploy(L2_BRIDGE, "L2Bridge", &l2::L2Bridge::DEPLOYED_BYTECODE),
        predeploy(L2_MESSENGER, "L2Messenger", &l2::L2Messenger::DEPLOYED_BYTECODE),
        predeploy(L2_REGISTRY, "L2Registry", &l2::L2Registry::DEPLOYED_BYTECODE),
        predeploy(BRIDGED_ERC20, "BridgedERC20", &l2::BridgedERC20::DEPLOYED_BYTECODE),
        predeploy(BRIDGED_ERC721, "BridgedERC721", &l2::BridgedERC721::DEPLOYED_BYTECODE),
        predeploy(BRIDGED_ERC1155, "BridgedERC1155", &l2::BridgedERC1155::DEPLOYED_BYTECODE),
        predeploy(CREATE2_DEPLOYER, "CREATE2 deployer", &create2_deployer_code()),
        predeploy(eip2935::HISTORY_STORAGE_ADDRESS, "EIP-2935 history", &eip2935::HISTORY_STORAGE_CODE),
        predeploy(eip4788::BEACON_ROOTS_ADDRESS, "EIP-4788 beacon roots", &eip4788::BEACON_ROOTS_CODE),
    ];
    all.sort_by_key(|predeploy| predeploy.address);
    all
}

/// Addresses whose balances never settle: every predeploy and the system sender.
pub fn fixed_addresses() -> Vec<Address> {
    let mut all: Vec<Address> = predeploys().iter().map(|predeploy| predeploy.address).collect();
    all.push(SYSTEM_SENDER);
    all.sort();
    all
}

/// Whether L1 refuses to credit an account: it is the protocol's own, or in the range of 256 that is kept for predeploys
/// (`Predeploys.isFixed`), and nobody could ever claim what it holds.
pub fn is_fixed(account: Address) -> bool {
    let others = [CREATE2_DEPLOYER, eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS];
    account[..19] == L2_BRIDGE[..19] || others.contains(&account)
}

/// Code of the clone that the bridge makes for a token: the EIP-1167 proxy to `implementation`.
pub fn clone_code(implementation: Address) -> Bytes {
    let mut code = Vec::with_capacity(45);
    code.extend_from_slice(&[0x36, 0x3d, 0x3d, 0x37, 0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73]);
    code.extend_from_slice(implementation.as_slice());
    code.extend_from_slice(&[0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d, 0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3]);
    code.into()
}

/// Runtime code of the deterministic deployment proxy.
pub fn create2_deployer_code() -> Bytes {
    bytes!(
        "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{b256, keccak256};
    use std::collections::BTreeSet;

    #[test]
    fn every_predeploy_has_code_and_an_address_of_its_own() {
        let all = predeploys();
        assert!(all.iter().all(|predeploy| !predeploy.code.is_empty()));
        let addresses: BTreeSet<_> = fixed_addresses().into_iter().collect();
        assert_eq!(addresses.len(), all.len() + 1);
    }

    #[test]
    fn l1_credits_no_fixed_address() {
        assert!(fixed_addresses().into_iter().all(is_fixed));
        assert!(is_fixed(address!("0x4d61796600000000000000000000000000000042")));
        assert!(!is_fixed(address!("0x4d61796600000000000000000000000000000100")));
    }

    #[test]
    fn create2_deployer_has_its_known_code_hash() {
        let known = b256!("0x2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989");
        assert_eq!(keccak256(create2_deployer_code()), known);
    }
}
