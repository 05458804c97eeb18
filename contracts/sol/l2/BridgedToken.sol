// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Predeploys} from "./Predeploys.sol";

/// @dev What all bridged tokens share: a clone made by the bridge, minted and burnt by it alone.
abstract contract BridgedToken {
    /// @notice The token on L1.
    address public l1Token;

    error NotBridge(address caller);
    error AlreadyInitialized();

    modifier onlyBridge() {
        if (msg.sender != Predeploys.BRIDGE) revert NotBridge(msg.sender);
        _;
    }

    function _setL1Token(address l1Token_) internal {
        if (l1Token != address(0)) revert AlreadyInitialized();
        l1Token = l1Token_;
    }
}
