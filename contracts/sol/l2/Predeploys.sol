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
}
