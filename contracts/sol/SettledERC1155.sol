// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {SettledToken} from "./SettledToken.sol";
import {Kind} from "./Types.sol";

/// @title An ERC-1155 collection that was born on a rollup and settled on L1
contract SettledERC1155 is ERC1155, SettledToken {
    error ZeroRecipient();

    constructor() ERC1155("") {}

    /// @notice Mints without a callback; the Vault only.
    function mint(address collection_, uint8 kind, address to, uint256 tokenId, uint256 amount)
        external
        override
        onlyVault
    {
        if (collection_ != collection() || kind != Kind.BORN_ERC1155) {
            revert WrongCollection(collection_, kind);
        }
        if (to == address(0)) revert ZeroRecipient();
        uint256[] memory ids = new uint256[](1);
        uint256[] memory amounts = new uint256[](1);
        ids[0] = tokenId;
        amounts[0] = amount;
        _update(address(0), to, ids, amounts);
    }

    /// @notice Name of the collection; empty until it was described.
    function name() external view returns (string memory) {
        return _settledName;
    }

    /// @notice Symbol of the collection; empty until it was described.
    function symbol() external view returns (string memory) {
        return _settledSymbol;
    }

    /// @notice URI of every id, with `{id}` for the client to fill in.
    function uri(uint256) public view override returns (string memory) {
        return _settledBaseURI;
    }
}
