// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @title An open ERC-721 collection: anyone mints to itself
contract DemoCollection is ERC721, Ownable {
    string private _base;
    /// @notice The next token to be minted; the first is 1.
    uint256 public nextTokenId = 1;

    constructor(string memory name_, string memory symbol_, string memory baseURI_)
        ERC721(name_, symbol_)
        Ownable(msg.sender)
    {
        _base = baseURI_;
    }

    /// @notice Mints the next token to the caller.
    function mint() external returns (uint256 tokenId) {
        tokenId = nextTokenId++;
        _mint(msg.sender, tokenId);
    }

    /// @notice Destroys a token of the caller.
    function burn(uint256 tokenId) external {
        _checkAuthorized(ownerOf(tokenId), msg.sender, tokenId);
        _burn(tokenId);
    }

    function _baseURI() internal view override returns (string memory) {
        return _base;
    }
}
