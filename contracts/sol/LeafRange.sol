// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {Leaf} from "./Types.sol";

/// @dev A run of neighbouring leaves as a tree of its own: layers of sorted pairs, a last odd node moves up unchanged.
/// Where a run starts at a multiple of a power of two and is that long, or ends with the settlement's last leaf, its
/// root is a node of the settlement tree, and one ordinary proof from there serves all of its leaves.
///
/// Nothing here is told where a run starts or how long it must be, and need not be: every given leaf goes into the
/// result, so if a proof leads from that to the settlement's root, every given leaf is in the settlement, under the
/// index that its hash contains. Of any other run the root is no node, and there is no proof. A leaf's hash is one of
/// 32 bytes and a node's one of 64, so neither passes for the other.
library LeafRange {
    /// @dev What stands in the tree for a leaf. Bits above a field's type go into the hash, so no leaf has any.
    function hashOf(address rollup, Leaf calldata leaf) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, shr(96, shl(96, rollup)))
            calldatacopy(add(free, 0x20), leaf, 0xc0)
            mstore(0x00, keccak256(free, 0xe0))
            hash := keccak256(0x00, 0x20)
        }
    }

    /// @dev The root over `leaves`, of which there must be at least one.
    function rootOf(address rollup, Leaf[] calldata leaves) internal pure returns (bytes32) {
        bytes32[] memory layer = new bytes32[](leaves.length);
        for (uint256 i = 0; i < layer.length; ++i) {
            layer[i] = hashOf(rollup, leaves[i]);
        }
        return fold(layer);
    }

    /// @dev The root over leaf hashes, of which there must be at least one; overwrites them.
    function fold(bytes32[] memory layer) internal pure returns (bytes32) {
        uint256 width = layer.length;
        while (width > 1) {
            uint256 half = width / 2;
            for (uint256 i = 0; i < half; ++i) {
                layer[i] = Hashes.commutativeKeccak256(layer[2 * i], layer[2 * i + 1]);
            }
            if (width % 2 == 1) layer[half] = layer[width - 1];
            width = (width + 1) / 2;
        }
        return layer[0];
    }
}
