// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";

/// @title An ERC-1155 contract that anyone may mint to itself
contract DemoItems is ERC1155, Ownable {
    constructor(string memory uri_) ERC1155(uri_) Ownable(msg.sender) {}

    /// @notice Mints to the caller.
    function mint(uint256 id, uint256 amount) external {
        _mint(msg.sender, id, amount, "");
    }

    /// @notice Mints several ids to the caller.
    function mintBatch(uint256[] calldata ids, uint256[] calldata amounts) external {
        _mintBatch(msg.sender, ids, amounts, "");
    }

    /// @notice Destroys units of the caller.
    function burn(uint256 id, uint256 amount) external {
        _burn(msg.sender, id, amount);
    }
}
