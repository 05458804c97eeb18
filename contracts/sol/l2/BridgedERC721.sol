// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {BridgedToken} from "./BridgedToken.sol";

/// @title An ERC-721 collection of L1 on the rollup
contract BridgedERC721 is ERC721, BridgedToken {
    string private _bridgedName;
    string private _bridgedSymbol;
    mapping(uint256 tokenId => string) private _uris;

    error NotHolder(address account, uint256 tokenId);

    constructor() ERC721("", "") {}

    /// @notice Called once by the bridge, when it makes the clone.
    function initialize(address l1Token_, string calldata name_, string calldata symbol_) external onlyBridge {
        _setL1Token(l1Token_);
        _bridgedName = name_;
        _bridgedSymbol = symbol_;
    }

    /// @notice Credits a deposit, without a callback; the bridge only.
    function mint(address to, uint256 tokenId, string calldata uri) external onlyBridge {
        _uris[tokenId] = uri;
        _mint(to, tokenId);
    }

    /// @notice Takes what its holder withdraws; the bridge only.
    function burn(address from, uint256 tokenId) external onlyBridge {
        if (ownerOf(tokenId) != from) revert NotHolder(from, tokenId);
        _burn(tokenId);
    }

    /// @notice Name of the collection on L1.
    function name() public view override returns (string memory) {
        return _bridgedName;
    }

    /// @notice Symbol of the collection on L1.
    function symbol() public view override returns (string memory) {
        return _bridgedSymbol;
    }

    /// @notice The token's URI on L1 when it was deposited.
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        return _uris[tokenId];
    }
}
