// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Allocation, Config, Leaf, Message} from "../Types.sol";
import {Rig} from "./Rig.sol";
import {TestERC1155, TestERC20, TestERC721} from "./TestTokens.sol";
import {Trees} from "./Trees.sol";

/// @dev A rollup with one asset of every kind in custody, and the trees that pay them out.
abstract contract VaultRig is Rig {
    TestERC20 internal erc20;
    TestERC721 internal erc721;
    TestERC1155 internal erc1155;
    Leaf[] internal leaves;
    Message[] internal messages;

    function setUp() public virtual override {
        super.setUp();
        fill(baseConfig());
    }

    function fill(Config memory c) internal {
        launch(c, new Allocation[](0));
        erc20 = new TestERC20("Test", "TST", 18);
        erc721 = new TestERC721("Cards", "CRD", "");
        erc1155 = new TestERC1155("");
        erc20.mint(user, 1000);
        erc721.mint(user, 7);
        erc1155.mint(user, 3, 100);
        vm.deal(user, 10 ether);
        vm.startPrank(user);
        erc20.approve(address(inbox), 1000);
        erc721.setApprovalForAll(address(inbox), true);
        erc1155.setApprovalForAll(address(inbox), true);
        inbox.depositETH{value: 10 ether}(user);
        inbox.depositERC20(address(erc20), user, 1000);
        inbox.depositERC721(address(erc721), user, 7);
        inbox.depositERC1155(address(erc1155), user, 3, 100);
        vm.stopPrank();
        delete leaves;
        delete messages;
    }

    function addLeaf(uint8 kind, address token, uint256 tokenId, uint256 amount, address to) internal {
        leaves.push(Leaf(leaves.length, kind, token, tokenId, amount, to));
    }

    function leafHashes() internal view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < hashes.length; ++i) {
            Leaf memory l = leaves[i];
            hashes[i] = keccak256(
                abi.encode(
                    keccak256(abi.encode(address(inbox), l.index, l.kind, l.token, l.tokenId, l.amount, l.recipient))
                )
            );
        }
    }

    function proofOf(uint256 index) internal view returns (bytes32[] memory) {
        return Trees.sortedProof(leafHashes(), index);
    }

    function addMessage(uint8 kind, address token, uint256 tokenId, uint256 amount, address to, bytes memory data)
        internal
    {
        messages.push(Message(uint64(messages.length), kind, user, token, tokenId, amount, to, data));
    }

    function messageHashes() internal view returns (bytes32[] memory hashes) {
        hashes = new bytes32[](messages.length);
        uint256 chain = vault.rollupChainId();
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(keccak256(abi.encode("mayfly message v1", chain, messages[i]))));
        }
    }

    function messageProof(uint256 index) internal view returns (bytes32[32] memory proof) {
        (, proof) = Trees.appendProof(messageHashes(), index);
    }

    function settleAll() internal returns (bytes32) {
        return settle(Trees.sortedRoot(leafHashes()), Trees.appendRoot(messageHashes()));
    }

    function claim(uint256 index) internal {
        vault.claim(leaves[index], proofOf(index));
    }
}
