// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";
import {MessageProof} from "../MessageProof.sol";
import {Kind, Message} from "../Types.sol";
import {Predeploys} from "./Predeploys.sol";

/// @title Messages from the rollup to L1
/// @notice An append-only tree of depth 32; its root is the claim's `withdrawalRoot`.
contract L2Messenger {
    /// @notice Root over all messages; 0 while there is none. Slot 0, read by derivation.
    bytes32 public root;
    /// @notice Number of messages.
    uint64 public count;
    /// @dev For every level the left sibling that waits for its right one.
    bytes32[32] private _branch;

    /// @notice Longest input of a call.
    uint256 public constant MAX_DATA_BYTES = 16_384;

    /// @notice A message was sent.
    event MessageSent(uint64 indexed index, Message message);

    error NotBridge(address caller);
    error ZeroRecipient();
    error DataTooLong(uint256 size, uint256 limit);
    error TreeFull();

    /// @notice Sends a call, to be made on L1 without value by the rollup's executor.
    /// @param to The contract on L1.
    /// @param data The call's input.
    /// @return index Index of the message.
    function send(address to, bytes calldata data) external returns (uint64 index) {
        if (data.length > MAX_DATA_BYTES) revert DataTooLong(data.length, MAX_DATA_BYTES);
        return _append(Kind.CALL, msg.sender, address(0), 0, 0, to, data);
    }

    /// @notice Sends an asset that the bridge took; the bridge only.
    /// @return index Index of the message.
    function sendAsset(uint8 kind, address sender, address token, uint256 tokenId, uint256 amount, address to)
        external
        returns (uint64 index)
    {
        if (msg.sender != Predeploys.BRIDGE) revert NotBridge(msg.sender);
        return _append(kind, sender, token, tokenId, amount, to, "");
    }

    function _append(
        uint8 kind,
        address sender,
        address token,
        uint256 tokenId,
        uint256 amount,
        address to,
        bytes memory data
    ) private returns (uint64 index) {
        if (to == address(0)) revert ZeroRecipient();
        index = count;
        if (index >> MessageProof.DEPTH != 0) revert TreeFull();
        count = index + 1;
        Message memory message = Message({
            index: index, kind: kind, sender: sender, token: token, tokenId: tokenId, amount: amount, to: to, data: data
        });
        _insert(MessageProof.leafOf(block.chainid, message), index);
        emit MessageSent(index, message);
    }

    function _insert(bytes32 node, uint64 index) private {
        bytes32 empty = 0;
        bool kept = false;
        for (uint256 level = 0; level < MessageProof.DEPTH; ++level) {
            if ((index >> level) & 1 == 0) {
                // Only the lowest left node has to wait: every later leaf passes it first.
                if (!kept) {
                    _branch[level] = node;
                    kept = true;
                }
                node = Hashes.efficientKeccak256(node, empty);
            } else {
                node = Hashes.efficientKeccak256(_branch[level], node);
            }
            empty = Hashes.efficientKeccak256(empty, empty);
        }
        root = node;
    }
}
