// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {Contests} from "../Contests.sol";
import {Credits} from "../Credits.sol";
import {Settlement} from "../Settlement.sol";
import {Allocation, Claim, Config, Stage} from "../Types.sol";
import {Rig} from "./Rig.sol";
import {Vm} from "./Vm.sol";

contract ClaimsTest is Rig {
    bytes32 internal genesis;

    function setUp() public override {
        super.setUp();
        start(baseConfig());
    }

    function start(Config memory c) internal {
        launch(c, new Allocation[](0));
        pass(1);
        post();
        pass(1);
        post();
        genesis = inbox.genesisClaim();
        vm.deal(user, 100 ether);
    }

    function refuses(Claim memory c, bytes memory err) internal {
        vm.prank(user);
        vm.expectRevert(err);
        settlement.proposeClaim{value: BOND}(c, "");
    }

    function test_claim_hash_is_as_specified() public view {
        Claim memory c = interim(genesis, 1, 0);
        eq(settlement.hashClaim(c), keccak256(abi.encode("mayfly claim v1", block.chainid, address(inbox), c)), "hash");
    }

    function test_refuses_what_the_inbox_contradicts() public {
        Claim memory c = interim(genesis, 1, 0);
        c.batchHash = "x";
        refuses(c, abi.encodeWithSelector(Settlement.WrongBatchHash.selector, bytes32("x"), inbox.batchHash(1)));
        c = interim(genesis, 1, 0);
        c.queueHash = "x";
        refuses(c, abi.encodeWithSelector(Settlement.WrongQueueHash.selector, bytes32("x"), bytes32(0)));
        refuses(interim(genesis, 0, 0), abi.encodeWithSelector(Settlement.WrongBatch.selector, 0));
        refuses(interim(genesis, 3, 0), abi.encodeWithSelector(Settlement.WrongBatch.selector, 3));
        c = interim(genesis, 1, 0);
        c.settlementRoot = "x";
        refuses(c, abi.encodeWithSelector(Settlement.NotClosing.selector));
        c = interim(genesis, 1, 0);
        c.closeHash = "x";
        refuses(c, abi.encodeWithSelector(Settlement.NotClosing.selector));
    }

    function test_refuses_an_unknown_or_later_parent() public {
        refuses(interim("x", 1, 0), abi.encodeWithSelector(Settlement.UnknownParent.selector, bytes32("x")));
        bytes32 second = propose(user, interim(genesis, 2, 0));
        refuses(interim(second, 2, 0), abi.encodeWithSelector(Settlement.WrongBatch.selector, 2));
        refuses(interim(second, 1, 0), abi.encodeWithSelector(Settlement.WrongBatch.selector, 1));
    }

    function test_the_bond_is_exact_and_a_claim_is_proposed_once() public {
        Claim memory c = interim(genesis, 1, 0);
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(Settlement.WrongBond.selector, BOND + 1, BOND));
        settlement.proposeClaim{value: BOND + 1}(c, "");
        bytes32 hash = propose(user, c);
        refuses(c, abi.encodeWithSelector(Settlement.AlreadyProposed.selector, hash));
    }

    function test_closing_claims_wait_for_the_close() public {
        Claim memory c = closing(genesis, 0);
        refuses(c, abi.encodeWithSelector(Settlement.NotClosed.selector, inbox.closeTime()));
        passClose();
        c = closing(genesis, 0);
        c.closeHash = "x";
        refuses(c, abi.encodeWithSelector(Settlement.WrongCloseBlock.selector, c.closeNumber, bytes32("x")));
        c = closing(genesis, 0);
        c.closeNumber = uint64(block.number);
        refuses(c, abi.encodeWithSelector(Settlement.WrongCloseBlock.selector, c.closeNumber, c.closeHash));
        c = closing(genesis, 0);
        c.batchSeq = 1;
        refuses(c, abi.encodeWithSelector(Settlement.WrongBatch.selector, 1));
        c = closing(genesis, 0);
        c.queueHash = "x";
        refuses(c, abi.encodeWithSelector(Settlement.WrongQueueHash.selector, bytes32("x"), bytes32(0)));
        ok(inbox.stage() == Stage.Closing, "closing");
        bytes32 hash = propose(user, closing(genesis, 0));
        ok(inbox.stage() == Stage.Settling, "settling");
        refuses(interim(hash, 2, 0), abi.encodeWithSelector(Settlement.ParentClosing.selector, hash));
    }

    function test_a_closing_claim_may_follow_one_for_the_same_batch() public {
        bytes32 last = propose(user, interim(genesis, 2, 0));
        passClose();
        propose(user, closing(last, 0));
    }

    function test_the_leaf_file_rides_with_a_closing_claim_only() public {
        vm.prank(user);
        Claim memory c = interim(genesis, 1, 0);
        vm.expectRevert(Settlement.NotClosing.selector);
        settlement.proposeClaim{value: BOND}(c, "leaves");
        passClose();
        c = closing(genesis, 0);
        bytes memory long = new bytes(96 * 1024 + 1);
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(Settlement.LeavesTooLong.selector, long.length, long.length - 1));
        settlement.proposeClaim{value: BOND}(c, long);
        vm.prank(user);
        settlement.proposeClaim{value: BOND}(c, new bytes(96 * 1024));
    }

    function test_anyone_carries_the_leaf_file_of_a_closing_claim_later() public {
        bytes32 mid = propose(user, interim(genesis, 1, 0));
        vm.expectRevert(Settlement.NotClosing.selector);
        settlement.carryLeaves(mid, "leaves");
        vm.expectRevert(Settlement.NotClosing.selector);
        settlement.carryLeaves("unknown", "leaves");
        passClose();
        Claim memory c = closing(genesis, 0);
        vm.deal(address(this), BOND);
        bytes32 hash = settlement.proposeClaim{value: BOND}(c, "junk in front of the right claim's file");
        passSeconds(1 days);
        settlement.finalize(hash);
        vm.recordLogs();
        settlement.carryLeaves(hash, "leaves");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(logs[0].topics[0], Settlement.LeavesCarried.selector, "event");
        eq(logs[0].topics[1], hash, "claim");
        eq(keccak256(logs[0].data), keccak256(abi.encode(keccak256("leaves"), 6)), "hash and size");
        bytes memory long = new bytes(96 * 1024 + 1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.LeavesTooLong.selector, long.length, long.length - 1));
        settlement.carryLeaves(hash, long);
    }

    function test_slow_path() public {
        bytes32 hash = propose(user, interim(genesis, 1, 0));
        vm.warp(block.timestamp + 1 days - 1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinalizable.selector, hash));
        settlement.finalize(hash);
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinal.selector, hash));
        settlement.finalWithdrawalRoot(hash);
        settlement.finalize(hash);
        ok(settlement.statusOf(hash) == Contests.Status.Final, "final");
        settlement.finalWithdrawalRoot(hash);
        vm.expectRevert(abi.encodeWithSelector(Contests.NotPending.selector, hash));
        settlement.finalize(hash);
        uint256 before = user.balance;
        vm.prank(user);
        settlement.withdrawBond(hash);
        eq(user.balance - before, BOND, "bond back");
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(Credits.NothingDue.selector, user));
        settlement.withdrawBond(hash);
    }

    function test_fast_path_needs_the_quorum_and_the_delay() public {
        pass(200);
        bytes32 hash = propose(user, interim(genesis, 1, 0));
        uint256 proposed = block.number;
        settlement.attest(hash, signatures(hash, 1));
        vm.roll(proposed + 96);
        ok(!settlement.finalizable(hash), "one of two");
        settlement.attest(hash, signatures(hash, 1));
        ok(!settlement.finalizable(hash), "the same twice");
        settlement.attest(hash, signatures(hash, 3));
        vm.roll(proposed + 95);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinalizable.selector, hash));
        settlement.finalize(hash);
        vm.roll(proposed + 96);
        settlement.finalize(hash);
    }

    function test_corrupt_attesters_leave_time_for_a_rival() public {
        // Long after the batch, the quorum proposes and attests in one block.
        pass(1000);
        bytes32 hash = propose(user, interim(genesis, 1, 666));
        settlement.attest(hash, signatures(hash, 3));
        ok(!settlement.finalizable(hash), "not at once");
        vm.roll(block.number + 95);
        ok(!settlement.finalizable(hash), "not for minDelayBlocks");
        propose(user, interim(genesis, 1, 0));
        vm.roll(block.number + 1000);
        ok(!settlement.finalizable(hash), "rivalled");
    }

    function test_fast_path_of_a_closing_claim() public {
        passClose();
        pass(200);
        Claim memory c = closing(genesis, 0);
        bytes32 hash = propose(user, c);
        uint256 proposed = block.number;
        settlement.attest(hash, signatures(hash, 2));
        vm.roll(proposed + 95);
        ok(!settlement.finalizable(hash), "too early");
        vm.roll(proposed + 96);
        settlement.finalize(hash);
        eq(settlement.settledClaim(), hash, "settled");
        eq(settlement.settlementRoot(), c.settlementRoot, "root");
        ok(inbox.stage() == Stage.Settled, "stage");
    }

    function test_without_a_quorum_there_is_no_fast_path() public {
        Config memory c = baseConfig();
        c.quorum = 0;
        start(c);
        bytes32 hash = propose(user, interim(genesis, 1, 0));
        settlement.attest(hash, signatures(hash, 3));
        pass(1000);
        ok(!settlement.finalizable(hash), "not by attestation");
        passSeconds(1 days);
        ok(settlement.finalizable(hash), "by time");
    }

    function test_refuses_signatures_of_others() public {
        bytes32 hash = propose(user, interim(genesis, 1, 0));
        bytes32 other = propose(user, interim(genesis, 2, 0));
        bytes[] memory one = new bytes[](1);
        one[0] = sign(0xbad, settlement.attestationDigest(hash));
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotAttester.selector, vm.addr(0xbad)));
        settlement.attest(hash, one);
        one[0] = sign(attesterKeys[0], settlement.attestationDigest(other));
        // Under another digest the signature belongs to a key that nobody has.
        address stranger = ECDSA.recover(settlement.attestationDigest(hash), one[0]);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotAttester.selector, stranger));
        settlement.attest(hash, one);
        one[0] = hex"1234";
        vm.expectRevert(abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, 2));
        settlement.attest(hash, one);
        vm.expectRevert(abi.encodeWithSelector(Contests.NotPending.selector, bytes32("x")));
        settlement.attest("x", one);
    }

    function test_attestation_domain_is_as_specified() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Mayfly"),
                keccak256("1"),
                block.chainid,
                address(settlement)
            )
        );
        bytes32 inner = keccak256(abi.encode(keccak256("Attestation(bytes32 claim)"), bytes32("c")));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, inner));
        eq(settlement.attestationDigest("c"), digest, "digest");
    }

    function test_a_child_waits_for_its_parent() public {
        bytes32 parent = propose(user, interim(genesis, 1, 0));
        bytes32 child = propose(user, interim(parent, 2, 0));
        passSeconds(1 days);
        vm.expectRevert(abi.encodeWithSelector(Settlement.ParentNotFinal.selector, parent));
        settlement.finalize(child);
        settlement.finalize(parent);
        settlement.finalize(child);
    }

    function test_rewards_of_the_close() public {
        Config memory c = baseConfig();
        c.closeReward = 2 ether;
        c.attestationFee = 0.01 ether;
        start(c);
        passClose();
        bytes32 hash = propose(user, closing(genesis, 0));
        vm.expectRevert(Settlement.NotSettled.selector);
        settlement.sweepEscrow();
        settlement.attest(hash, signatures(hash, 2));
        pass(97);
        settlement.finalize(hash);
        eq(settlement.creditOf(user), 2 ether, "proposer");
        eq(settlement.creditOf(vm.addr(attesterKeys[0])), 0.01 ether, "first attester");
        eq(settlement.creditOf(vm.addr(attesterKeys[1])), 0.01 ether, "second attester");
        eq(settlement.creditOf(vm.addr(attesterKeys[2])), 0, "third attester");
        settlement.sweepEscrow();
        eq(settlement.creditOf(organiser), 0.01 ether * (3 * 64 - 2), "organiser");
        vm.prank(user);
        settlement.withdrawBond(hash);
        eq(address(settlement).balance, 2 ether + 3 * 64 * 0.01 ether, "rest is credited");
        vm.expectRevert(abi.encodeWithSelector(Credits.NothingDue.selector, organiser));
        settlement.sweepEscrow();
    }

    function test_attesters_are_paid_once_a_batch_and_for_the_end() public {
        Config memory c = baseConfig();
        c.attestationFee = 0.01 ether;
        start(c);
        address first = vm.addr(attesterKeys[0]);
        bytes32 one = propose(user, interim(genesis, 1, 0));
        bytes32 two = propose(user, interim(genesis, 2, 0));
        bytes32 twoAgain = propose(user, interim(one, 2, 0));
        attestAndFinalize(one);
        attestAndFinalize(two);
        attestAndFinalize(twoAgain);
        eq(settlement.creditOf(first), 0.02 ether, "two batches, three claims");
        // Batches without end use up the escrow but for the share of the closing claim.
        bytes32 last = two;
        for (uint64 seq = 3; seq <= 70; ++seq) {
            pass(1);
            post();
            last = propose(user, interim(last, seq, 0));
            attestAndFinalize(last);
        }
        eq(settlement.creditOf(first), 0.63 ether, "all but one share");
        eq(settlement.attestationEscrow(), 0.03 ether, "is kept");
        passClose();
        attestAndFinalize(propose(user, closing(last, 0)));
        eq(settlement.creditOf(first), 0.64 ether, "for the end");
        eq(settlement.attestationEscrow(), 0, "nothing left");
    }

    function attestAndFinalize(bytes32 hash) internal {
        settlement.attest(hash, signatures(hash, 3));
        vm.roll(block.number + 96);
        settlement.finalize(hash);
    }

    function test_the_first_final_closing_claim_settles_and_what_is_late_only_gets_its_bond() public {
        Config memory config = baseConfig();
        config.attestationFee = 0.01 ether;
        start(config);
        bytes32 mid = propose(user, interim(genesis, 2, 0));
        settlement.attest(mid, signatures(mid, 3));
        passClose();
        bytes32 first = propose(user, closing(genesis, 0));
        bytes32 second = propose(user, closing(mid, 0));
        passSeconds(1 days);
        settlement.finalize(first);
        refuses(interim(genesis, 1, 0), abi.encodeWithSelector(Settlement.AlreadySettled.selector, first));
        refuses(closing(genesis, 1), abi.encodeWithSelector(Settlement.AlreadySettled.selector, first));
        settlement.finalize(mid);
        settlement.finalize(second);
        eq(settlement.settledClaim(), first, "first");
        settlement.finalWithdrawalRoot(first);
        vm.expectRevert(abi.encodeWithSelector(Settlement.FinalAfterSettlement.selector, mid));
        settlement.finalWithdrawalRoot(mid);
        vm.expectRevert(abi.encodeWithSelector(Settlement.FinalAfterSettlement.selector, second));
        settlement.finalWithdrawalRoot(second);
        eq(settlement.creditOf(vm.addr(attesterKeys[0])), 0, "no fee");
        ok(settlement.statusOf(second) == Contests.Status.Final, "final");
        eq(settlement.bondDue(mid, user) + settlement.bondDue(second, user), 2 * BOND, "their bonds are free");
    }
}
