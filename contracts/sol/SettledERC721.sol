// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {SettledToken} from "./SettledToken.sol";
import {Kind} from "./Types.sol";

/// @title An ERC-721 collection that was born on a rollup and settled on L1
contract SettledERC721 is ERC721, SettledToken {
    constructor() ERC721("", "") {}

    /// @notice Mints without a callback; the Vault only.
    function mint(address collection_, uint8 kind, address to, uint256 tokenId, uint256 amount)
        external
        override
        onlyVault
    {
        if (collection_ != collection() || kind != Kind.BORN_ERC721 || amount != 1) {
            revert WrongCollection(collection_, kind);
        }
        _mint(to, tokenId);
    }

    /// @notice Name of the collection; empty until it was described.
    function name() public view override returns (string memory) {
        return _settledName;
    }

    /// @notice Symbol of the collection; empty until it was described.
    function symbol() public view override returns (string memory) {
        return _settledSymbol;
    }

    function _baseURI() internal view override returns (string memory) {
        return _settledBaseURI;
    }
}
