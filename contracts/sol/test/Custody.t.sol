// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Leaf, Message} from "../Types.sol";
import {RevertingReceiver} from "./Nasty.sol";
import {TestERC20} from "./TestTokens.sol";
import {Trees} from "./Trees.sol";
import {Checks} from "./Vm.sol";
import {VaultRig} from "./VaultRig.sol";

/// @dev A rollup at its end: random deposits were shared out over leaves and messages. The hands then claim, withdraw,
/// batch and forge in any order; some recipients refuse their payment.
contract Rush is VaultRig {
    bytes32 public claimHash;
    uint256 public native;
    uint256 public tokens;
    bool public miscounted;
    bool public forged;
    mapping(uint256 => uint256) public paidLeaves;
    mapping(uint256 => uint256) public paidMessages;
    uint256 private constant SHARES = 12;

    constructor() {
        setUp();
        address refuser = address(new RevertingReceiver());
        for (uint256 i = 0; i < SHARES; ++i) {
            address to = i % 4 == 3 ? refuser : address(uint160(0xd00 + i));
            addLeaf(0, address(0), 0, 0.5 ether, to);
            addLeaf(1, address(erc20), 0, 40, to);
            addMessage(0, address(0), 0, 0.25 ether, to, "");
            addMessage(1, address(erc20), 0, 40, to, "");
        }
        claimHash = settleAll();
    }

    /// @dev A hand must not start the world anew.
    function setUp() public override {
        if (address(inbox) == address(0)) super.setUp();
    }

    function custody() external view returns (uint256, uint256, address, TestERC20) {
        return (address(vault).balance, erc20.balanceOf(address(vault)), address(vault), erc20);
    }

    function claimOne(uint256 pick) external {
        uint256 i = pick % leaves.length;
        claim(i);
        _paidLeaf(i);
    }

    function claimMany(uint256 from, uint256 size) external {
        size = bound(size, 1, 6);
        Leaf[] memory some = new Leaf[](size);
        bytes32[][] memory proofs = new bytes32[][](size);
        bool[] memory before = new bool[](size);
        for (uint256 i = 0; i < size; ++i) {
            // Steps of a third of the leaves, so that the same leaf comes twice in one batch.
            uint256 index = (from % leaves.length + 8 * i) % leaves.length;
            (some[i], proofs[i], before[i]) = (leaves[index], proofOf(index), vault.isClaimed(index));
        }
        uint256 paid = vault.claimBatch(some, proofs);
        for (uint256 i = 0; i < size; ++i) {
            if (before[i] || !vault.isClaimed(some[i].index) || paidLeaves[some[i].index] > 0) continue;
            _paidLeaf(some[i].index);
            --paid;
        }
        if (paid != 0) miscounted = true;
    }

    function claimRange(uint256 from, uint256 size, uint256 chosen) external {
        // Sizes that are powers of two, and the whole of a tree of 24.
        size = 1 << (size % 6);
        uint256 first = from % leaves.length / size * size;
        if (first + size > leaves.length) size = leaves.length - first;
        Leaf[] memory some = new Leaf[](size);
        bool[] memory before = new bool[](size);
        for (uint256 i = 0; i < size; ++i) {
            (some[i], before[i]) = (leaves[first + i], vault.isClaimed(first + i));
        }
        uint256 height = 0;
        while (1 << height < size) ++height;
        bytes32[] memory proof = Trees.sortedProof(Trees.sortedLayer(leafHashes(), height), first >> height);
        uint256 paid = vault.claimRange(some, chosen, proof);
        for (uint256 i = 0; i < size; ++i) {
            bool now_ = vault.isClaimed(first + i);
            if (before[i] || !now_) continue;
            if ((chosen >> i) & 1 == 0) miscounted = true;
            _paidLeaf(first + i);
            --paid;
        }
        if (paid != 0) miscounted = true;
    }

    function withdrawOne(uint256 pick) external {
        uint256 i = pick % messages.length;
        vault.withdraw(claimHash, messages[i], messageProof(i));
        ++paidMessages[i];
        if (messages[i].kind == 0) native += messages[i].amount;
        else tokens += messages[i].amount;
    }

    function forge(uint256 pick, uint256 amount) external {
        Leaf memory leaf = leaves[pick % leaves.length];
        if (leaf.amount == amount) return;
        leaf.amount = amount;
        bytes32[] memory proof = proofOf(leaf.index);
        try vault.claim(leaf, proof) {
            forged = true;
        } catch {}
    }

    function _paidLeaf(uint256 i) private {
        ++paidLeaves[i];
        if (leaves[i].kind == 0) native += leaves[i].amount;
        else tokens += leaves[i].amount;
    }
}

contract CustodyInvariants is Checks {
    Rush internal rush;

    function setUp() public {
        rush = new Rush();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(rush);
    }

    /// @dev The Vault holds what went in less exactly what was claimed.
    function invariant_the_vault_pays_exactly_what_is_claimed() public view {
        (uint256 native, uint256 tokens,,) = rush.custody();
        eq(native, 10 ether - rush.native(), "native");
        eq(tokens, 1000 - rush.tokens(), "tokens");
    }

    function invariant_nothing_is_paid_twice() public view {
        for (uint256 i = 0; i < 24; ++i) {
            ok(rush.paidLeaves(i) <= 1, "leaf");
            ok(rush.paidMessages(i) <= 1, "message");
        }
        ok(!rush.miscounted(), "a batch pays what it says");
        ok(!rush.forged(), "no forged leaf is paid");
    }
}
