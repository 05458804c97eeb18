// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LeafRange} from "../LeafRange.sol";
import {SettledERC1155} from "../SettledERC1155.sol";
import {SettledERC721} from "../SettledERC721.sol";
import {Settlement} from "../Settlement.sol";
import {Leaf} from "../Types.sol";
import {Vault} from "../Vault.sol";
import {GasBurner, ReturnBomb, RevertingReceiver} from "./Nasty.sol";
import {Trees} from "./Trees.sol";
import {VaultRig} from "./VaultRig.sol";

/// @dev Claims a whole range, and a leaf as the Vault itself would, while it is paid.
contract RangeThief {
    Vault private immutable _vault;
    bytes[2] private _calls;
    uint256 public refused;

    constructor(Vault vault) {
        _vault = vault;
    }

    function arm(bytes memory range, bytes memory leaf) external {
        _calls = [range, leaf];
    }

    receive() external payable {
        for (uint256 i = 0; i < 2; ++i) {
            (bool done,) = address(_vault).call(_calls[i]);
            if (!done) ++refused;
        }
    }
}

/// @dev Leaves of a settlement paid many at a time under one proof.
contract VaultRangeTest is VaultRig {
    uint256 internal constant ALL = type(uint256).max;

    function natives(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            addLeaf(0, address(0), 0, i + 1, recipient(i));
        }
        settleAll();
    }

    function recipient(uint256 index) internal pure returns (address) {
        return address(uint160(0xa000 + index));
    }

    function run(uint256 first, uint256 count) internal view returns (Leaf[] memory some) {
        some = new Leaf[](count);
        for (uint256 i = 0; i < count; ++i) {
            some[i] = leaves[first + i];
        }
    }

    /// @dev Proof of the node above leaf `index` at a height.
    function proofAbove(uint256 index, uint256 height) internal view returns (bytes32[] memory) {
        return Trees.sortedProof(Trees.sortedLayer(leafHashes(), height), index >> height);
    }

    function refuses(Leaf[] memory some, bytes32[] memory proof) internal {
        vm.expectRevert(abi.encodeWithSelector(Vault.InvalidProof.selector, some[0].index));
        vault.claimRange(some, ALL, proof);
    }

    function test_a_range_pays_every_kind() public {
        addLeaf(0, address(0), 0, 4 ether, address(0xd0));
        addLeaf(1, address(erc20), 0, 600, address(0xd1));
        addLeaf(2, address(erc721), 7, 1, address(0xd2));
        addLeaf(3, address(erc1155), 3, 60, address(0xd3));
        addLeaf(4, address(0xc1), 5, 1, address(0xd4));
        addLeaf(5, address(0xc2), 6, 9, address(0xd5));
        vm.expectRevert(Settlement.NotSettled.selector);
        vault.claimRange(run(0, 6), ALL, new bytes32[](0));
        settleAll();
        eq(vault.claimRange(run(0, 6), ALL, new bytes32[](0)), 6, "paid");
        eq(address(0xd0).balance, 4 ether, "native");
        eq(erc20.balanceOf(address(0xd1)), 600, "erc20");
        eq(erc721.ownerOf(7), address(0xd2), "erc721");
        eq(erc1155.balanceOf(address(0xd3), 3), 60, "erc1155");
        eq(SettledERC721(vault.settledCollection(4, address(0xc1))).ownerOf(5), address(0xd4), "born 721");
        eq(SettledERC1155(vault.settledCollection(5, address(0xc2))).balanceOf(address(0xd5), 6), 9, "born 1155");
        eq(vault.claimedWord(0), 0x3f, "nullified");
        eq(vault.claimRange(run(0, 6), ALL, new bytes32[](0)), 0, "already claimed");
        vm.expectRevert(abi.encodeWithSelector(Vault.AlreadyClaimed.selector, 3));
        this.claimIt(3);
    }

    function claimIt(uint256 index) external {
        claim(index);
    }

    function testFuzz_folding_makes_the_naive_root(bytes32[] memory layer) public pure {
        if (layer.length == 0) return;
        bytes32 root = Trees.sortedRoot(layer);
        eq(LeafRange.fold(layer), root, "root");
    }

    /// @dev Whatever the tree and the run: it is paid if its root is a node of the tree, and else under no proof that
    /// any of its nodes has.
    function testFuzz_a_run_is_paid_if_its_root_is_a_node(uint256 total, uint256 first, uint256 count) public {
        total = bound(total, 1, 40);
        first = bound(first, 0, total - 1);
        count = bound(count, 1, total - first);
        natives(total);
        (bool isNode, uint256 height) = find(first, count);
        if (isNode) {
            eq(vault.claimRange(run(first, count), ALL, proofAbove(first, height)), count, "paid");
        } else {
            for (uint256 h = 0; 1 << h < 2 * total; ++h) {
                refuses(run(first, count), proofAbove(first, h));
                refuses(run(first, count), proofAbove(first + count - 1, h));
            }
        }
        for (uint256 i = 0; i < total; ++i) {
            bool paid = isNode && i >= first && i < first + count;
            eq(recipient(i).balance, paid ? i + 1 : 0, "balance");
            ok(vault.isClaimed(i) == paid, "claimed");
        }
    }

    /// @dev Whether the leaves below some node are exactly these, and its height.
    function find(uint256 first, uint256 count) internal view returns (bool, uint256) {
        for (uint256 height = 0; height < 8; ++height) {
            uint256 size = 1 << height;
            uint256 end = first + size < leaves.length ? first + size : leaves.length;
            if (first % size == 0 && end == first + count) return (true, height);
        }
        return (false, 0);
    }

    function test_refuses_a_wrong_sibling_a_short_proof_and_a_long_one() public {
        natives(21);
        bytes32[] memory proof = proofAbove(8, 2);
        eq(proof.length, 3, "proof");
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 right = proof[i];
            proof[i] = bytes32(uint256(right) ^ 1);
            refuses(run(8, 4), proof);
            proof[i] = right;
        }
        refuses(run(8, 4), proofAbove(8, 3));
        refuses(run(8, 4), proofAbove(8, 1));
        refuses(run(8, 4), new bytes32[](0));
        eq(vault.claimRange(run(8, 4), ALL, proof), 4, "the right one");
    }

    function test_refuses_shortened_swapped_and_repeated_leaves_and_leaves_from_outside() public {
        natives(21);
        bytes32[] memory proof = proofAbove(8, 2);
        refuses(run(8, 3), proof);
        refuses(run(8, 5), proof);
        refuses(run(9, 4), proof);
        refuses(run(8, 2), proof);
        // Two nodes below another: sorted pairs do not tell them apart, the leaves' own indexes do.
        Leaf[] memory some = run(8, 4);
        (some[0], some[1], some[2], some[3]) = (some[2], some[3], some[0], some[1]);
        eq(vault.claimRange(some, 0, proof), 0, "another order is the same node");
        some = run(8, 4);
        (some[1], some[2]) = (some[2], some[1]);
        refuses(some, proof);
        some = run(8, 4);
        some[3] = some[2];
        refuses(some, proof);
        some = run(8, 4);
        some[3] = leaves[12];
        refuses(some, proof);
        // The last, uneven ones: 20 moves up alone as far as the node over 16 to 19 does.
        eq(vault.claimRange(run(20, 1), ALL, proofAbove(20, 2)), 1, "the odd one");
        refuses(run(16, 4), proofAbove(16, 4));
        eq(vault.claimRange(run(16, 5), ALL, proofAbove(16, 4)), 4, "the rest; one was claimed");
    }

    function testFuzz_refuses_a_range_with_a_forged_leaf(uint256 pick, uint256 change) public {
        natives(16);
        Leaf[] memory some = run(0, 8);
        Leaf memory leaf = some[pick % 8];
        change = bound(change, 0, 5);
        if (change == 0) leaf.index += 1;
        if (change == 1) leaf.kind = 1;
        if (change == 2) leaf.token = address(1);
        if (change == 3) leaf.tokenId += 1;
        if (change == 4) leaf.amount += 1;
        if (change == 5) leaf.recipient = address(this);
        refuses(some, proofAbove(0, 3));
        eq(address(vault).balance, 10 ether, "nothing left the vault");
    }

    function test_refuses_bits_above_a_field() public {
        natives(2);
        bytes memory call = abi.encodeCall(vault.claimRange, (run(0, 2), ALL, new bytes32[](0)));
        // Offset and length of the leaves follow three words of arguments; the kind is a leaf's second field.
        uint256 at = 4 + 32 * 3 + 32 + 32;
        call[at] = 0x01;
        (bool done,) = address(vault).call(call);
        ok(!done, "dirty kind");
        call[at] = 0;
        (done,) = address(vault).call(call);
        ok(done && recipient(0).balance == 1, "clean kind");
    }

    function test_only_chosen_leaves_are_paid() public {
        natives(8);
        eq(vault.claimRange(run(0, 8), 5, new bytes32[](0)), 2, "two");
        eq(vault.claimedWord(0), 5, "those");
        // A leaf that somebody claims first costs the others nothing.
        claim(1);
        eq(vault.claimRange(run(0, 8), 0xfe, new bytes32[](0)), 5, "the rest");
        eq(vault.claimedWord(0), 0xff, "all");
        eq(recipient(1).balance, 2, "paid once");
    }

    function test_refuses_an_empty_range_and_one_of_too_many() public {
        natives(2);
        vm.expectRevert(abi.encodeWithSelector(Vault.RangeSize.selector, 0));
        vault.claimRange(new Leaf[](0), ALL, new bytes32[](0));
        vm.expectRevert(abi.encodeWithSelector(Vault.RangeSize.selector, 257));
        vault.claimRange(new Leaf[](257), ALL, new bytes32[](0));
    }

    function test_a_range_skips_nasty_recipients_and_pays_the_rest() public {
        address refuser = address(new RevertingReceiver());
        addLeaf(0, address(0), 0, 1 ether, address(0xd0));
        addLeaf(0, address(0), 0, 1 ether, address(new ReturnBomb()));
        addLeaf(0, address(0), 0, 1 ether, address(new GasBurner()));
        addLeaf(0, address(0), 0, 1 ether, refuser);
        addLeaf(1, address(erc20), 0, 5, address(0xd1));
        settleAll();
        uint256 before = gasleft();
        eq(vault.claimRange(run(0, 5), ALL, new bytes32[](0)), 2, "paid");
        ok(before - gasleft() < 3 * 600_000, "gas is capped");
        eq(vault.claimedWord(0), 0x11, "not nullified");
        eq(address(vault).balance, 9 ether, "custody");
        vm.etch(refuser, "");
        eq(vault.claimRange(run(0, 5), 8, new bytes32[](0)), 1, "claimable later");
    }

    function test_a_range_stops_when_gas_runs_low() public {
        natives(4);
        eq(vault.claimRange{gas: 600_000}(run(0, 4), ALL, new bytes32[](0)), 0, "too little for one leaf");
        eq(vault.claimRange{gas: 720_000}(run(0, 4), ALL, new bytes32[](0)), 1, "enough for one");
        eq(vault.claimRange(run(0, 4), ALL, new bytes32[](0)), 3, "enough");
    }

    function test_nobody_claims_again_while_it_is_paid_nor_in_the_vaults_name() public {
        RangeThief thief = new RangeThief(vault);
        addLeaf(0, address(0), 0, 1 ether, address(thief));
        addLeaf(0, address(0), 0, 2 ether, address(thief));
        settleAll();
        bytes memory range = abi.encodeCall(vault.claimRange, (run(0, 2), ALL, new bytes32[](0)));
        thief.arm(range, abi.encodeCall(vault.payOfRange, (leaves[1])));
        eq(vault.claimRange(run(0, 2), 1, new bytes32[](0)), 1, "paid");
        eq(thief.refused(), 2, "both refused");
        eq(address(thief).balance, 1 ether, "paid once");
        vm.expectRevert(abi.encodeWithSelector(Vault.NotSelf.selector, address(this)));
        vault.payOfRange(leaves[1]);
    }
}
