// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CloneArgs} from "./CloneArgs.sol";
import {ISettlementMinter} from "./ISettlementMinter.sol";

/// @dev What both kinds of settled collections share: a clone with immutable arguments
/// `abi.encode(vault, rollup, collection)`, minted and described by the Vault alone.
abstract contract SettledToken is ISettlementMinter {
    string internal _settledName;
    string internal _settledSymbol;
    string internal _settledBaseURI;

    /// @notice The collection was given its name.
    event Described(string name, string symbol, string baseURI);

    error NotVault(address caller);
    error WrongCollection(address collection, uint8 kind);

    modifier onlyVault() {
        if (msg.sender != CloneArgs.addressAt(0)) revert NotVault(msg.sender);
        _;
    }

    /// @notice The rollup on which the collection was born.
    function rollup() external view returns (address) {
        return CloneArgs.addressAt(1);
    }

    /// @notice The collection's address on the rollup.
    function collection() public view returns (address) {
        return CloneArgs.addressAt(2);
    }

    /// @notice Sets what the collection says of itself; the Vault only, which checks it against the settlement.
    /// @param name_ Name on the rollup.
    /// @param symbol_ Symbol on the rollup.
    /// @param baseURI_ Base of the token URIs.
    function describe(string calldata name_, string calldata symbol_, string calldata baseURI_) external onlyVault {
        _settledName = name_;
        _settledSymbol = symbol_;
        _settledBaseURI = baseURI_;
        emit Described(name_, symbol_, baseURI_);
    }
}
