// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @dev Fixed addresses on every rollup; see docs/protocol/derivation.md. Their code stands in the genesis, so none
/// of them has a constructor, immutables or initial storage.
library Predeploys {
    address internal constant BRIDGE = 0x4d61796600000000000000000000000000000001;
    address internal constant MESSENGER = 0x4d61796600000000000000000000000000000002;
    address internal constant REGISTRY = 0x4D61796600000000000000000000000000000003;
    address internal constant BRIDGED_ERC20 = 0x4D61796600000000000000000000000000000011;
    address internal constant BRIDGED_ERC721 = 0x4d61796600000000000000000000000000000012;
    address internal constant BRIDGED_ERC1155 = 0x4D61796600000000000000000000000000000013;
    /// @dev `from` of every deposit; has no key.
    address internal constant SYSTEM = 0x4D617966000000000000000000000000000000fF;
    address internal constant CREATE2_DEPLOYER = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    /// @dev EIP-2935.
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    /// @dev EIP-4788.
    address internal constant BEACON_ROOTS = 0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02;

    /// @dev Whether an account is the protocol's own, one of the above or of the range of 256 that is kept for them:
    /// nobody could ever claim what it holds.
    function isFixed(address account) internal pure returns (bool) {
        return uint160(account) >> 8 == uint160(BRIDGE) >> 8 || account == CREATE2_DEPLOYER || account == HISTORY
            || account == BEACON_ROOTS;
    }
}
