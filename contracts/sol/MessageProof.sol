// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Message} from "./Types.sol";

/// @dev Leaves and proofs of the messenger's tree: depth 32, leaf i at position i, node = keccak256(left ‖ right).
library MessageProof {
    uint256 internal constant DEPTH = 32;

    function leafOf(uint256 rollupChainId, Message memory message) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode("mayfly message v1", rollupChainId, message))));
    }

    /// @dev An index of 2³² or more has no position and yields the root of nothing.
    function rootOf(bytes32 leaf, uint64 index, bytes32[DEPTH] calldata proof) internal pure returns (bytes32 node) {
        if (index >> DEPTH != 0) return 0;
        node = leaf;
        for (uint256 level = 0; level < DEPTH; ++level) {
            node = (index >> level) & 1 == 0
                ? Hashes.efficientKeccak256(node, proof[level])
                : Hashes.efficientKeccak256(proof[level], node);
        }
    }
}
