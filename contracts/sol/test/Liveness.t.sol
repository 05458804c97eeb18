// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Credits} from "../Credits.sol";
import {Inbox} from "../Inbox.sol";
import {InboxQueue} from "../InboxQueue.sol";
import {Allocation, Config, Stage} from "../Types.sol";
import {Rig} from "./Rig.sol";

contract LivenessTest is Rig {
    function setUp() public override {
        super.setUp();
        pass(1);
        post();
        vm.deal(user, 1 ether);
    }

    function request() internal {
        passSeconds(1200);
        vm.prank(user);
        inbox.requestFreeze{value: BOND}();
    }

    function test_a_request_costs_its_bond_against_a_live_sequencer() public {
        request();
        pass(50);
        post();
        eq(inbox.freezeRequester(), address(0), "request is over");
        eq(inbox.creditOf(sequencer), BOND, "bond to the sequencer");
        eq(inbox.creditOf(user), 0, "nothing back");
        vm.expectRevert(Inbox.NoFreezeRequested.selector);
        inbox.freeze();
        vm.prank(sequencer);
        inbox.withdrawCredit(address(0x77));
        eq(address(0x77).balance, BOND, "paid");
        vm.expectRevert(abi.encodeWithSelector(Credits.NothingDue.selector, sequencer));
        vm.prank(sequencer);
        inbox.withdrawCredit(address(0x77));
    }

    function test_a_dead_sequencer_is_frozen_and_the_bond_comes_back() public {
        request();
        vm.warp(inbox.freezeRequestedAt() + 600);
        vm.expectRevert(abi.encodeWithSelector(Inbox.FreezeTooEarly.selector, block.timestamp));
        inbox.freeze();
        vm.warp(block.timestamp + 1);
        inbox.freeze();
        ok(inbox.frozen(), "frozen");
        ok(inbox.stage() == Stage.Frozen, "stage");
        eq(inbox.closeTime(), block.timestamp + 1 hours, "unwinding takes the drain");
        eq(inbox.creditOf(user), BOND, "bond back");
        vm.expectRevert(InboxQueue.DepositsClosed.selector);
        inbox.depositETH{value: 1}(user);
        bytes32 parent = inbox.batchHash(1);
        vm.prank(sequencer);
        vm.expectRevert(Inbox.IsFrozen.selector);
        inbox.postBatch(2, parent, uint64(block.number - 1), blockhash(block.number - 1), 0, BLOBS, 0, "");
        vm.expectRevert(Inbox.IsFrozen.selector);
        inbox.requestFreeze{value: BOND}();
        vm.prank(organiser);
        vm.expectRevert(Inbox.IsFrozen.selector);
        inbox.endEarly();
        vm.prank(user);
        inbox.forceTransaction{value: 1 gwei * 21_000}(hex"02", 21_000);
        pass(51);
        inbox.postForcedBatch(uint64(block.number - 1), 1);
    }

    function test_freezing_never_postpones_the_close() public {
        vm.warp(inbox.endTime() + 30 minutes);
        uint64 close = inbox.closeTime();
        vm.prank(user);
        inbox.requestFreeze{value: BOND}();
        vm.warp(block.timestamp + 601);
        inbox.freeze();
        eq(inbox.closeTime(), close, "close");
    }

    function test_a_request_needs_silence_and_the_exact_bond() public {
        uint256 until = inbox.lastSequencerTime() + 1200;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(Inbox.StillLive.selector, until));
        inbox.requestFreeze{value: BOND}();
        vm.warp(until);
        vm.expectRevert(abi.encodeWithSelector(Inbox.WrongBond.selector, BOND - 1, BOND));
        inbox.requestFreeze{value: BOND - 1}();
        inbox.requestFreeze{value: BOND}();
        vm.expectRevert(Inbox.FreezeAlreadyRequested.selector);
        inbox.requestFreeze{value: BOND}();
    }

    function test_every_batch_of_the_sequencer_is_a_sign_of_life() public {
        pass(100);
        post();
        eq(inbox.lastSequencerTime(), block.timestamp, "seen");
        uint256 until = block.timestamp + 1200;
        vm.warp(until - 1);
        vm.expectRevert(abi.encodeWithSelector(Inbox.StillLive.selector, until));
        inbox.requestFreeze{value: BOND}();
    }

    function test_forced_batches_are_no_sign_of_life() public {
        vm.prank(user);
        inbox.forceTransaction{value: 1 gwei * 21_000}(hex"02", 21_000);
        request();
        pass(1);
        inbox.postForcedBatch(uint64(block.number - 1), 1);
        eq(inbox.freezeRequester(), user, "still asked for");
        passSeconds(601);
        inbox.freeze();
    }

    function test_a_late_answer_voids_the_request_without_its_bond() public {
        request();
        passSeconds(612);
        post();
        eq(inbox.creditOf(user), BOND, "the requester was right");
        eq(inbox.creditOf(sequencer), 0, "no reward for being late");
        vm.expectRevert(Inbox.NoFreezeRequested.selector);
        inbox.freeze();
    }

    function test_a_request_lapses_at_the_close() public {
        vm.warp(inbox.closeTime() - 10);
        vm.prank(user);
        inbox.requestFreeze{value: BOND}();
        uint64 close = inbox.closeTime();
        vm.expectRevert(abi.encodeWithSelector(Inbox.NotClosed.selector, close));
        inbox.lapseFreeze();
        vm.warp(close + 601);
        vm.expectRevert(abi.encodeWithSelector(Inbox.Closed.selector, close));
        inbox.freeze();
        inbox.lapseFreeze();
        eq(inbox.creditOf(user), BOND, "bond back");
        vm.expectRevert(Inbox.NoFreezeRequested.selector);
        inbox.lapseFreeze();
        vm.expectRevert(abi.encodeWithSelector(Inbox.Closed.selector, close));
        inbox.requestFreeze{value: BOND}();
    }

    function test_the_organiser_may_end_early_once() public {
        vm.expectRevert(abi.encodeWithSelector(Inbox.NotOrganiser.selector, address(this)));
        inbox.endEarly();
        vm.prank(organiser);
        inbox.endEarly();
        eq(inbox.endTime(), block.timestamp, "end");
        eq(inbox.closeTime(), block.timestamp + 1 hours, "close");
        vm.expectRevert(InboxQueue.DepositsClosed.selector);
        inbox.depositETH{value: 1}(user);
        vm.prank(organiser);
        vm.expectRevert(abi.encodeWithSelector(Inbox.AlreadyEnded.selector, block.timestamp));
        inbox.endEarly();
        ok(inbox.stage() == Stage.Draining, "stage");
        pass(1);
        post();
    }

    function test_a_frozen_rollup_still_takes_forced_transactions() public {
        Config memory c = baseConfig();
        c.drain = c.windows.forceWindow + 1;
        launch(c, new Allocation[](0));
        request();
        vm.warp(block.timestamp + 601);
        inbox.freeze();
        vm.prank(user);
        inbox.forceTransaction{value: 1 gwei * 21_000}(hex"02", 21_000);
    }
}
