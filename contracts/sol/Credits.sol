// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @dev Pull payments: what a contract owes is noted, and everybody fetches their own.
abstract contract Credits {
    /// @notice Wei owed to an account.
    mapping(address account => uint256 amount) public creditOf;

    /// @notice `account` may withdraw `amount` more.
    event Credited(address indexed account, uint256 amount);
    /// @notice `account` sent its credit to `to`.
    event CreditWithdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice Nothing is owed to the caller.
    error NothingDue(address account);

    /// @notice Sends everything owed to the caller to `to`.
    /// @param to The account that receives the wei.
    function withdrawCredit(address to) external {
        uint256 amount = creditOf[msg.sender];
        if (amount == 0) revert NothingDue(msg.sender);
        creditOf[msg.sender] = 0;
        emit CreditWithdrawn(msg.sender, to, amount);
        Address.sendValue(payable(to), amount);
    }

    function _credit(address account, uint256 amount) internal {
        if (amount == 0) return;
        creditOf[account] += amount;
        emit Credited(account, amount);
    }
}
