// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {BridgedToken} from "./BridgedToken.sol";

/// @title An ERC-20 of L1 on the rollup
contract BridgedERC20 is ERC20, BridgedToken {
    string private _bridgedName;
    string private _bridgedSymbol;
    uint8 private _bridgedDecimals;

    constructor() ERC20("", "") {}

    /// @notice Called once by the bridge, when it makes the clone.
    function initialize(address l1Token_, string calldata name_, string calldata symbol_, uint8 decimals_)
        external
        onlyBridge
    {
        _setL1Token(l1Token_);
        _bridgedName = name_;
        _bridgedSymbol = symbol_;
        _bridgedDecimals = decimals_;
    }

    /// @notice Credits a deposit; the bridge only.
    function mint(address to, uint256 amount) external onlyBridge {
        _mint(to, amount);
    }

    /// @notice Takes what its holder withdraws; the bridge only.
    function burn(address from, uint256 amount) external onlyBridge {
        _burn(from, amount);
    }

    /// @notice Name of the token on L1.
    function name() public view override returns (string memory) {
        return _bridgedName;
    }

    /// @notice Symbol of the token on L1.
    function symbol() public view override returns (string memory) {
        return _bridgedSymbol;
    }

    /// @notice Decimals of the token on L1.
    function decimals() public view override returns (uint8) {
        return _bridgedDecimals;
    }
}
