// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Mints on L1 what was born on a rollup
interface ISettlementMinter {
    /// @notice Mints to a claimant; the rollup's Vault only. Must revert if it does not mint.
    /// @param collection The collection's address on the rollup.
    /// @param kind 4 for ERC-721, 5 for ERC-1155.
    /// @param to The claimant.
    /// @param tokenId The token.
    /// @param amount Units; 1 for an ERC-721.
    function mint(address collection, uint8 kind, address to, uint256 tokenId, uint256 amount) external;
}
