// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CallExecutor} from "../CallExecutor.sol";
import {Settlement} from "../Settlement.sol";
import {SettledERC1155} from "../SettledERC1155.sol";
import {SettledERC721} from "../SettledERC721.sol";
import {Claim, Leaf, Message} from "../Types.sol";
import {Vault} from "../Vault.sol";
import {GasBurner, ReturnBomb, RevertingReceiver} from "./Nasty.sol";
import {Trees} from "./Trees.sol";
import {VaultRig} from "./VaultRig.sol";

/// @dev What a rollup's call reaches on L1.
contract Target {
    address public rollup;
    address public sender;
    uint256 public value;
    bool public open;

    error Shut();

    function setOpen() external {
        open = true;
    }

    function set(uint256 value_) external {
        if (!open) revert Shut();
        rollup = CallExecutor(msg.sender).rollup();
        sender = CallExecutor(msg.sender).rollupSender();
        value = value_;
    }
}

/// @dev Claims again while it is paid.
contract Reenterer {
    Vault private immutable _vault;
    Leaf private _leaf;
    bytes32[] private _proof;
    bool public failed;

    constructor(Vault vault_) {
        _vault = vault_;
    }

    function arm(Leaf calldata leaf, bytes32[] calldata proof) external {
        (_leaf, _proof) = (leaf, proof);
    }

    receive() external payable {
        try _vault.claim(_leaf, _proof) {}
        catch {
            failed = true;
        }
    }
}

contract VaultTest is VaultRig {
    function test_a_claim_forged_before_the_settlement_withdraws_nothing_after_it() public {
        pass(1);
        post();
        addMessage(0, address(0), 0, 10 ether, address(0xbad), "");
        Claim memory forged = interim(inbox.genesisClaim(), 1, 666);
        forged.withdrawalRoot = Trees.appendRoot(messageHashes());
        passClose();
        bytes32 right = propose(user, closing(inbox.genesisClaim(), 0));
        passSeconds(1 days - 12);
        // Nobody can rival it any more once the rollup is settled, a block later.
        bytes32 wrong = propose(address(0xbad), forged);
        passSeconds(12);
        settlement.finalize(right);
        passSeconds(1 days);
        settlement.finalize(wrong);
        bytes32[32] memory proof = messageProof(0);
        vm.expectRevert(abi.encodeWithSelector(Settlement.FinalAfterSettlement.selector, wrong));
        vault.withdraw(wrong, messages[0], proof);
        eq(address(vault).balance, 10 ether, "custody");
        eq(settlement.bondDue(wrong, address(0xbad)), BOND, "bond");
    }

    function test_every_kind_of_leaf_is_paid_once() public {
        addLeaf(0, address(0), 0, 4 ether, address(0xd0));
        addLeaf(1, address(erc20), 0, 600, address(0xd1));
        addLeaf(2, address(erc721), 7, 1, address(0xd2));
        addLeaf(3, address(erc1155), 3, 60, address(0xd3));
        addLeaf(4, address(0xc1), 5, 1, address(0xd4));
        addLeaf(5, address(0xc2), 6, 9, address(0xd5));
        vm.expectRevert(Settlement.NotSettled.selector);
        this.claimIt(0);
        settleAll();
        for (uint256 i = 0; i < leaves.length; ++i) {
            claim(i);
            ok(vault.isClaimed(i), "claimed");
            vm.expectRevert(abi.encodeWithSelector(Vault.AlreadyClaimed.selector, i));
            this.claimIt(i);
        }
        eq(address(0xd0).balance, 4 ether, "native");
        eq(erc20.balanceOf(address(0xd1)), 600, "erc20");
        eq(erc721.ownerOf(7), address(0xd2), "erc721");
        eq(erc1155.balanceOf(address(0xd3), 3), 60, "erc1155");
        eq(SettledERC721(vault.settledCollection(4, address(0xc1))).ownerOf(5), address(0xd4), "born 721");
        eq(SettledERC1155(vault.settledCollection(5, address(0xc2))).balanceOf(address(0xd5), 6), 9, "born 1155");
    }

    function claimIt(uint256 index) external {
        claim(index);
    }

    function testFuzz_only_leaves_of_the_settlement_are_paid(uint256 count, uint256 pick, uint256 change) public {
        count = bound(count, 1, 30);
        for (uint256 i = 0; i < count; ++i) {
            addLeaf(0, address(0), 0, i + 1, address(uint160(0x1000 + i)));
        }
        settleAll();
        pick = pick % count;
        Leaf memory leaf = leaves[pick];
        bytes32[] memory proof = proofOf(pick);
        change = bound(change, 0, 5);
        if (change == 0) leaf.index += 1;
        if (change == 1) leaf.kind = 1;
        if (change == 2) leaf.token = address(1);
        if (change == 3) leaf.tokenId += 1;
        if (change == 4) leaf.amount += 1;
        if (change == 5) leaf.recipient = address(this);
        vm.expectRevert(abi.encodeWithSelector(Vault.InvalidProof.selector, leaf.index));
        vault.claim(leaf, proof);
        claim(pick);
        eq(address(uint160(0x1000 + pick)).balance, pick + 1, "the true leaf is paid");
    }

    function test_no_claim_against_a_losing_or_pending_root() public {
        addLeaf(0, address(0), 0, 10 ether, address(0xbad));
        addMessage(0, address(0), 0, 10 ether, address(0xbad), "");
        bytes32 theft = Trees.sortedRoot(leafHashes());
        passClose();
        bytes32 genesis = inbox.genesisClaim();
        bytes32 wrong;
        {
            (bytes32 root, bytes32[32] memory proof) = Trees.appendProof(messageHashes(), 0);
            wrong = proposeRoots(genesis, theft, root);
            bytes32 right = propose(user, closing(genesis, 1));
            vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinal.selector, wrong));
            vault.withdraw(wrong, messages[0], proof);
            resolve(right);
            settlement.finalize(right);
            vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinal.selector, wrong));
            vault.withdraw(wrong, messages[0], proof);
            vm.expectRevert(abi.encodeWithSelector(Vault.InvalidProof.selector, 0));
            vault.withdraw(right, messages[0], proof);
        }
        vm.expectRevert(abi.encodeWithSelector(Vault.InvalidProof.selector, 0));
        this.claimIt(0);
        eq(address(vault).balance, 10 ether, "nothing left the vault");
    }

    function proposeRoots(bytes32 parent, bytes32 root, bytes32 withdrawals) internal returns (bytes32) {
        vm.deal(address(0xbad), BOND);
        vm.startPrank(address(0xbad));
        bytes32 hash = settlement.proposeClaim{value: BOND}(_closing(parent, root, withdrawals), "");
        vm.stopPrank();
        return hash;
    }

    function test_withdrawals_of_every_kind_once_also_after_settlement() public {
        Target target = new Target();
        addMessage(0, address(0), 0, 1 ether, address(0x20), "");
        addMessage(1, address(erc20), 0, 10, address(0x21), "");
        addMessage(2, address(erc721), 7, 1, address(0x22), "");
        addMessage(3, address(erc1155), 3, 10, address(0x23), "");
        addMessage(6, address(0), 0, 0, address(target), abi.encodeCall(target.set, (42)));
        addMessage(9, address(0), 0, 0, address(0x24), "");
        pass(1);
        post();
        bytes32 claimHash = proposeInterim(Trees.appendRoot(messageHashes()));
        passSeconds(1 days);
        settlement.finalize(claimHash);
        settleAll();
        for (uint256 i = 0; i < 4; ++i) {
            vault.withdraw(claimHash, messages[i], messageProof(i));
            ok(vault.isWithdrawn(uint64(i)), "withdrawn");
            bytes32[32] memory proof = messageProof(i);
            vm.expectRevert(abi.encodeWithSelector(Vault.AlreadyWithdrawn.selector, i));
            vault.withdraw(claimHash, messages[i], proof);
        }
        eq(address(0x20).balance, 1 ether, "native");
        eq(erc20.balanceOf(address(0x21)), 10, "erc20");
        eq(erc721.ownerOf(7), address(0x22), "erc721");
        eq(erc1155.balanceOf(address(0x23), 3), 10, "erc1155");
        bytes32[32] memory last = messageProof(5);
        vm.expectRevert(abi.encodeWithSelector(Vault.UnknownKind.selector, 9));
        vault.withdraw(claimHash, messages[5], last);
        last = messageProof(4);
        vm.expectRevert(Target.Shut.selector);
        vault.withdraw(claimHash, messages[4], last);
        target.setOpen();
        vault.withdraw(claimHash, messages[4], last);
        eq(target.value(), 42, "called");
        eq(target.sender(), user, "sender");
        eq(target.rollup(), address(inbox), "rollup");
        CallExecutor executor = CallExecutor(vault.callExecutor());
        vm.expectRevert(CallExecutor.NoCall.selector);
        executor.rollupSender();
        vm.expectRevert(abi.encodeWithSelector(CallExecutor.NotVault.selector, address(this)));
        executor.execute(user, address(target), "");
    }

    function proposeInterim(bytes32 withdrawals) internal returns (bytes32) {
        vm.deal(user, BOND);
        vm.startPrank(user);
        bytes32 hash = settlement.proposeClaim{value: BOND}(_interim(withdrawals), "");
        vm.stopPrank();
        return hash;
    }

    function test_a_message_must_be_at_its_index_with_its_fields() public {
        addMessage(0, address(0), 0, 1 ether, address(0x20), "");
        addMessage(0, address(0), 0, 2 ether, address(0x21), "");
        bytes32 claimHash = settleAll();
        bytes32[32] memory proof = messageProof(0);
        Message memory message = messages[0];
        message.amount = 2 ether;
        vm.expectRevert(abi.encodeWithSelector(Vault.InvalidProof.selector, 0));
        vault.withdraw(claimHash, message, proof);
        vm.expectRevert(abi.encodeWithSelector(Vault.InvalidProof.selector, 1));
        vault.withdraw(claimHash, messages[1], proof);
        message = messages[0];
        message.index = 1 << 32;
        vm.expectRevert(abi.encodeWithSelector(Vault.InvalidProof.selector, 1 << 32));
        vault.withdraw(claimHash, message, proof);
        vault.withdraw(claimHash, messages[0], proof);
    }

    function test_a_batch_skips_nasty_recipients_and_pays_the_rest() public {
        address bomb = address(new ReturnBomb());
        address burner = address(new GasBurner());
        address refuser = address(new RevertingReceiver());
        addLeaf(0, address(0), 0, 1 ether, address(0xd0));
        addLeaf(0, address(0), 0, 1 ether, bomb);
        addLeaf(0, address(0), 0, 1 ether, burner);
        addLeaf(0, address(0), 0, 1 ether, refuser);
        addLeaf(3, address(erc1155), 3, 60, refuser);
        addLeaf(2, address(erc721), 7, 1, refuser);
        addLeaf(4, address(0xc1), 5, 1, refuser);
        addLeaf(5, address(0xc2), 5, 1, refuser);
        addLeaf(1, address(erc20), 0, 5, address(0xd1));
        settleAll();
        (Leaf[] memory all, bytes32[][] memory proofs) = batch();
        all[8].amount = 5;
        uint256 before = gasleft();
        eq(vault.claimBatch(all, proofs), 5, "paid");
        ok(before - gasleft() < 4 * 600_000, "gas is capped");
        for (uint256 i = 1; i < 5; ++i) {
            ok(!vault.isClaimed(i), "not nullified");
        }
        eq(erc721.ownerOf(7), refuser, "plain transfer");
        eq(erc20.balanceOf(address(0xd1)), 5, "after the nasty ones");
        eq(vault.claimBatch(all, proofs), 0, "again: nothing");
        eq(address(vault).balance, 9 ether, "custody");
        vm.etch(refuser, "");
        claim(3);
        eq(refuser.balance, 1 ether, "claimable later");
    }

    function batch() internal view returns (Leaf[] memory all, bytes32[][] memory proofs) {
        (all, proofs) = (leaves, new bytes32[][](leaves.length));
        for (uint256 i = 0; i < all.length; ++i) {
            proofs[i] = proofOf(i);
        }
    }

    function test_a_batch_stops_when_gas_runs_low() public {
        addLeaf(0, address(0), 0, 1, address(0xd0));
        addLeaf(0, address(0), 0, 1, address(0xd1));
        settleAll();
        (Leaf[] memory all, bytes32[][] memory proofs) = batch();
        eq(vault.claimBatch{gas: 500_000}(all, proofs), 0, "too little for one leaf");
        eq(vault.claimBatch(all, proofs), 2, "enough");
        vm.expectRevert(abi.encodeWithSelector(Vault.BatchShape.selector, 2, 0));
        vault.claimBatch(all, new bytes32[][](0));
        vm.expectRevert(abi.encodeWithSelector(Vault.NotSelf.selector, address(this)));
        vault.claimOfBatch(all[0], proofs[0]);
    }

    function test_a_recipient_cannot_claim_again_while_it_is_paid() public {
        Reenterer thief = new Reenterer(vault);
        addLeaf(0, address(0), 0, 1 ether, address(thief));
        addLeaf(0, address(0), 0, 2 ether, address(thief));
        settleAll();
        thief.arm(leaves[1], proofOf(1));
        claim(0);
        ok(thief.failed(), "refused");
        eq(address(thief).balance, 1 ether, "paid once");
        claim(1);
    }

    function _interim(bytes32 withdrawals) private view returns (Claim memory c) {
        c = interim(inbox.genesisClaim(), 1, 0);
        c.withdrawalRoot = withdrawals;
    }

    function _closing(bytes32 parent, bytes32 root, bytes32 withdrawals) private view returns (Claim memory c) {
        c = closing(parent, 666);
        c.settlementRoot = root;
        c.withdrawalRoot = withdrawals;
    }
}
