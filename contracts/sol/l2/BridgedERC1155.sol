// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {BridgedToken} from "./BridgedToken.sol";

/// @title An ERC-1155 contract of L1 on the rollup
contract BridgedERC1155 is ERC1155, BridgedToken {
    mapping(uint256 id => string) private _uris;

    error ZeroRecipient();

    constructor() ERC1155("") {}

    /// @notice Called once by the bridge, when it makes the clone.
    function initialize(address l1Token_) external onlyBridge {
        _setL1Token(l1Token_);
    }

    /// @notice Credits a deposit, without a callback; the bridge only.
    function mint(address to, uint256 id, uint256 amount, string calldata uri_) external onlyBridge {
        if (to == address(0)) revert ZeroRecipient();
        _uris[id] = uri_;
        (uint256[] memory ids, uint256[] memory amounts) = (new uint256[](1), new uint256[](1));
        ids[0] = id;
        amounts[0] = amount;
        _update(address(0), to, ids, amounts);
    }

    /// @notice Takes what its holder withdraws; the bridge only.
    function burn(address from, uint256 id, uint256 amount) external onlyBridge {
        _burn(from, id, amount);
    }

    /// @notice The id's URI on L1 when it was last deposited.
    function uri(uint256 id) public view override returns (string memory) {
        return _uris[id];
    }
}
