// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {CloneArgs} from "./CloneArgs.sol";

/// @title Makes the calls that a rollup sends to L1
/// @notice A clone per rollup with immutable arguments `abi.encode(vault, rollup)`, made by the Vault at the first
/// call. Apart from the Vault, because whoever makes a rollup's calls can be told to call anything: nothing may be
/// owned by, or approved to, this contract.
contract CallExecutor {
    using TransientSlot for *;

    bytes32 private constant SENDER_SLOT = keccak256("mayfly call executor sender v1");

    error NotVault(address caller);
    error NoCall();

    /// @notice The rollup whose calls this contract makes.
    function rollup() external view returns (address) {
        return CloneArgs.addressAt(1);
    }

    /// @notice Who sent the call that is being made, on the rollup; reverts when none is.
    function rollupSender() external view returns (address sender) {
        sender = SENDER_SLOT.asAddress().tload();
        if (sender == address(0)) revert NoCall();
    }

    /// @notice Makes a call without value; the Vault only. Reverts if the call does, so that it can be tried again.
    /// @param sender Who sent it on the rollup.
    /// @param to The contract to call.
    /// @param data The call's input.
    function execute(address sender, address to, bytes calldata data) external {
        if (msg.sender != CloneArgs.addressAt(0)) revert NotVault(msg.sender);
        SENDER_SLOT.asAddress().tstore(sender);
        Address.functionCall(to, data);
        SENDER_SLOT.asAddress().tstore(address(0));
    }
}
