// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @dev The two trees of the protocol, built the slow and obvious way: the oracle for contracts and their proofs.
library Trees {
    /// @dev Root of sorted pairs; a last odd node moves up unchanged.
    function sortedRoot(bytes32[] memory leaves) internal pure returns (bytes32) {
        if (leaves.length == 0) return 0;
        bytes32[] memory layer = leaves;
        while (layer.length > 1) {
            layer = _up(layer);
        }
        return layer[0];
    }

    function sortedProof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory proof) {
        bytes32[] memory found = new bytes32[](32);
        uint256 count = 0;
        bytes32[] memory layer = leaves;
        while (layer.length > 1) {
            uint256 sibling = index ^ 1;
            if (sibling < layer.length) found[count++] = layer[sibling];
            layer = _up(layer);
            index /= 2;
        }
        proof = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            proof[i] = found[i];
        }
    }

    /// @dev The nodes of a height of the tree of sorted pairs; 0 are the leaves.
    function sortedLayer(bytes32[] memory leaves, uint256 height) internal pure returns (bytes32[] memory layer) {
        layer = leaves;
        for (uint256 i = 0; i < height; ++i) {
            layer = _up(layer);
        }
    }

    /// @dev Root of the append-only tree of depth 32 with empty leaves 0.
    function appendRoot(bytes32[] memory leaves) internal pure returns (bytes32 root) {
        (root,) = appendProof(leaves, 0);
    }

    function appendProof(bytes32[] memory leaves, uint256 index)
        internal
        pure
        returns (bytes32 root, bytes32[32] memory proof)
    {
        bytes32[] memory layer = leaves;
        bytes32 empty = 0;
        for (uint256 level = 0; level < 32; ++level) {
            uint256 sibling = index ^ 1;
            proof[level] = sibling < layer.length ? layer[sibling] : empty;
            bytes32[] memory next = new bytes32[]((layer.length + 1) / 2);
            for (uint256 i = 0; i < next.length; ++i) {
                bytes32 right = 2 * i + 1 < layer.length ? layer[2 * i + 1] : empty;
                next[i] = keccak256(abi.encode(layer[2 * i], right));
            }
            layer = next;
            empty = keccak256(abi.encode(empty, empty));
            index /= 2;
        }
        root = layer.length == 0 ? empty : layer[0];
    }

    function _up(bytes32[] memory layer) private pure returns (bytes32[] memory next) {
        next = new bytes32[]((layer.length + 1) / 2);
        for (uint256 i = 0; i < next.length; ++i) {
            (bytes32 a, bytes32 b) = (layer[2 * i], 2 * i + 1 < layer.length ? layer[2 * i + 1] : bytes32(0));
            if (2 * i + 1 == layer.length) next[i] = a;
            else next[i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
        }
    }
}
