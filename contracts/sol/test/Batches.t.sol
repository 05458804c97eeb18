// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Inbox} from "../Inbox.sol";
import {InboxQueue} from "../InboxQueue.sol";
import {Allocation, BatchHeader, Config, Stage} from "../Types.sol";
import {Rig} from "./Rig.sol";

/// @dev Calls the Inbox from inside a transaction, as a sequencer with code could.
contract Relay {
    function forward(address to, bytes calldata data) external {
        (bool done, bytes memory out) = to.call(data);
        if (!done) {
            assembly {
                revert(add(out, 32), mload(out))
            }
        }
    }
}

contract BatchesTest is Rig {
    /// @dev EIP-2935's contract, as every chain with Prague has it.
    bytes internal constant HISTORY_CODE =
        hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;

    function setUp() public override {
        super.setUp();
        pass(5);
    }

    function raw(uint64 seq, bytes32 parent, uint64 number, bytes32 hash, uint64 upTo, uint8 codec, bytes memory data)
        internal
    {
        vm.prank(sequencer, sequencer);
        inbox.postBatch(seq, parent, number, hash, upTo, codec, 0, data);
    }

    function genesis() internal view returns (bytes32) {
        return inbox.genesisClaim();
    }

    function origin() internal view returns (uint64) {
        return uint64(block.number - 1);
    }

    function force() internal {
        uint256 price = inbox.forcePrice() * 21_000;
        vm.deal(user, user.balance + price);
        vm.prank(user);
        inbox.forceTransaction{value: price}(hex"02", 21_000);
    }

    function test_batches_form_a_chain_of_hashed_headers() public {
        vm.recordLogs();
        post();
        (BatchHeader memory header, bytes32[] memory hashes) =
            abi.decode(vm.getRecordedLogs()[0].data, (BatchHeader, bytes32[]));
        eq(header.seq, 1, "seq");
        eq(header.parentHash, genesis(), "parent");
        eq(header.originHash, blockhash(origin()), "origin");
        eq(header.includedNumber, block.number, "number");
        eq(header.includedTime, block.timestamp, "time");
        eq(header.dataHash, keccak256(abi.encodePacked(blobs(1))), "data");
        eq(hashes.length, 1, "blobs");
        eq(inbox.batchHash(1), keccak256(abi.encode(header)), "hash");
        ok(inbox.stage() == Stage.Active, "active");
        pass(1);
        post();
        eq(inbox.batchCount(), 2, "count");
    }

    function test_refuses_anyone_but_the_sequencer() public {
        bytes32 parent = genesis();
        vm.expectRevert(abi.encodeWithSelector(Inbox.NotSequencer.selector, address(this)));
        inbox.postBatch(1, parent, origin(), blockhash(origin()), 0, BLOBS, 0, "");
    }

    function test_refuses_a_broken_chain() public {
        vm.blobhashes(blobs(1));
        bytes32 parent = genesis();
        vm.expectRevert(abi.encodeWithSelector(Inbox.WrongSequence.selector, 2, 1));
        raw(2, parent, origin(), blockhash(origin()), 0, BLOBS, "");
        vm.expectRevert(abi.encodeWithSelector(Inbox.WrongParent.selector, bytes32("x"), parent));
        raw(1, "x", origin(), blockhash(origin()), 0, BLOBS, "");
        post();
        vm.expectRevert(abi.encodeWithSelector(Inbox.WrongSequence.selector, 1, 2));
        raw(1, parent, origin(), blockhash(origin()), 0, BLOBS, "");
    }

    function test_refuses_a_wrong_future_or_own_origin() public {
        vm.blobhashes(blobs(1));
        uint64 number = origin();
        bytes32 parent = genesis();
        vm.expectRevert(abi.encodeWithSelector(Inbox.OriginNotCanonical.selector, number, bytes32("x")));
        raw(1, parent, number, "x", 0, BLOBS, "");
        vm.expectRevert(abi.encodeWithSelector(Inbox.OriginNotCanonical.selector, number + 1, bytes32(0)));
        raw(1, parent, number + 1, 0, 0, BLOBS, "");
        vm.expectRevert(abi.encodeWithSelector(Inbox.OriginNotCanonical.selector, number + 9, bytes32("x")));
        raw(1, parent, number + 9, "x", 0, BLOBS, "");
    }

    function test_refuses_an_origin_before_the_creation_or_the_last_one() public {
        vm.blobhashes(blobs(1));
        bytes32 parent = genesis();
        bytes32 hash = blockhash(START_BLOCK - 1);
        vm.expectRevert(abi.encodeWithSelector(Inbox.OriginDecreased.selector, START_BLOCK - 1, START_BLOCK));
        raw(1, parent, START_BLOCK - 1, hash, 0, BLOBS, "");
        post();
        uint64 last = origin();
        pass(2);
        parent = inbox.batchHash(1);
        hash = blockhash(last - 1);
        vm.expectRevert(abi.encodeWithSelector(Inbox.OriginDecreased.selector, last - 1, last));
        raw(2, parent, last - 1, hash, 0, BLOBS, "");
        post(last, 0);
    }

    function test_refuses_a_stale_origin() public {
        uint64 number = origin();
        vm.roll(number + 32);
        bytes32 hash = blockhash(number);
        vm.roll(number + 33);
        vm.blobhashes(blobs(1));
        bytes32 parent = genesis();
        vm.expectRevert(abi.encodeWithSelector(Inbox.OriginTooOld.selector, number, 32));
        raw(1, parent, number, hash, 0, BLOBS, "");
        vm.roll(number + 32);
        raw(1, parent, number, hash, 0, BLOBS, "");
    }

    function test_reads_old_origins_from_the_history_contract() public {
        Config memory c = baseConfig();
        c.windows.maxOriginLag = 8000;
        launch(c, new Allocation[](0));
        vm.etch(HISTORY, HISTORY_CODE);
        uint64 number = uint64(block.number);
        vm.store(HISTORY, bytes32(uint256(number % 8191)), "history");
        vm.roll(block.number + 300);
        vm.blobhashes(blobs(1));
        bytes32 parent = genesis();
        vm.expectRevert(abi.encodeWithSelector(Inbox.OriginNotCanonical.selector, number, bytes32("other")));
        raw(1, parent, number, "other", 0, BLOBS, "");
        raw(1, parent, number, "history", 0, BLOBS, "");
    }

    function test_blobs_are_one_to_six_and_carry_all_the_data() public {
        bytes32 parent = genesis();
        bytes32 hash = blockhash(origin());
        vm.blobhashes(new bytes32[](0));
        vm.expectRevert(Inbox.BlobCount.selector);
        raw(1, parent, origin(), hash, 0, BLOBS, "");
        vm.blobhashes(blobs(7));
        vm.expectRevert(Inbox.BlobCount.selector);
        raw(1, parent, origin(), hash, 0, BLOBS, "");
        vm.blobhashes(blobs(6));
        vm.expectRevert(Inbox.DataNotInTransaction.selector);
        raw(1, parent, origin(), hash, 0, BLOBS, "x");
        raw(1, parent, origin(), hash, 0, BLOBS, "");
    }

    function test_calldata_comes_from_a_plain_account_at_top_level() public {
        bytes32 parent = genesis();
        bytes32 hash = blockhash(origin());
        vm.expectRevert(Inbox.DataNotInTransaction.selector);
        raw(1, parent, origin(), hash, 0, CALLDATA, "");
        vm.expectRevert(Inbox.DataNotInTransaction.selector);
        vm.prank(sequencer, address(0xdead));
        inbox.postBatch(1, parent, origin(), hash, 0, CALLDATA, 0, "data");
        vm.etch(sequencer, hex"ef0100000000000000000000000000000000000000beef");
        vm.expectRevert(Inbox.DataNotInTransaction.selector);
        raw(1, parent, origin(), hash, 0, CALLDATA, "data");
        vm.etch(sequencer, "");
        vm.recordLogs();
        raw(1, parent, origin(), hash, 0, CALLDATA, "data");
        (BatchHeader memory header,) = abi.decode(vm.getRecordedLogs()[0].data, (BatchHeader, bytes32[]));
        eq(header.dataHash, keccak256("data"), "data hash");
    }

    function test_refuses_other_codecs() public {
        bytes32 parent = genesis();
        bytes32 hash = blockhash(origin());
        for (uint256 codec = 0; codec < 256; codec += 3) {
            if (codec == BLOBS || codec == CALLDATA) continue;
            vm.expectRevert(abi.encodeWithSelector(Inbox.UnknownCodec.selector, codec));
            raw(1, parent, origin(), hash, 0, uint8(codec), "");
        }
    }

    function test_queue_bounds() public {
        force();
        force();
        uint64 late = uint64(block.number);
        pass(1);
        force();
        bytes32 parent = genesis();
        bytes32 hash = blockhash(late);
        vm.blobhashes(blobs(1));
        vm.expectRevert(abi.encodeWithSelector(Inbox.QueueAheadOfOrigin.selector, 3, late));
        raw(1, parent, late, hash, 3, BLOBS, "");
        vm.expectRevert(abi.encodeWithSelector(InboxQueue.NoSuchItem.selector, 3, 3));
        raw(1, parent, late, hash, 4, BLOBS, "");
        raw(1, parent, late, hash, 2, BLOBS, "");
        (bytes32 rolling,,) = inbox.queueItem(1);
        eq(inbox.batchQueueHash(1), rolling, "queue hash of the batch");
        parent = inbox.batchHash(1);
        vm.expectRevert(abi.encodeWithSelector(Inbox.QueueDecreased.selector, 1, 2));
        raw(2, parent, late, hash, 1, BLOBS, "");
    }

    function test_an_overdue_item_cannot_be_left_out() public {
        force();
        vm.warp(block.timestamp + 600);
        vm.roll(block.number + 20);
        post(origin(), 0);
        vm.warp(block.timestamp + 1);
        vm.roll(block.number + 1);
        bytes32 parent = inbox.batchHash(1);
        bytes32 hash = blockhash(origin());
        vm.blobhashes(blobs(1));
        vm.expectRevert(abi.encodeWithSelector(Inbox.OverdueItemLeftOut.selector, 0));
        raw(2, parent, origin(), hash, 0, BLOBS, "");
        raw(2, parent, origin(), hash, 1, BLOBS, "");
    }

    function test_anyone_may_post_a_forced_batch_once_an_item_is_overdue() public {
        vm.expectRevert(Inbox.NothingOverdue.selector);
        inbox.postForcedBatch(origin(), 0);
        uint256 fee = inbox.forcePrice() * 21_000;
        force();
        pass(2);
        vm.expectRevert(Inbox.NothingOverdue.selector);
        inbox.postForcedBatch(origin(), 1);
        passSeconds(601);
        vm.expectRevert(abi.encodeWithSelector(Inbox.OverdueItemLeftOut.selector, 0));
        inbox.postForcedBatch(origin(), 0);
        vm.expectRevert(abi.encodeWithSelector(Inbox.OriginNotCanonical.selector, block.number, bytes32(0)));
        inbox.postForcedBatch(uint64(block.number), 1);
        uint64 alive = inbox.lastSequencerTime();
        vm.prank(user);
        vm.recordLogs();
        inbox.postForcedBatch(origin(), 1);
        (BatchHeader memory header,) = abi.decode(vm.getRecordedLogs()[0].data, (BatchHeader, bytes32[]));
        eq(header.codec, 0, "codec");
        eq(header.dataHash, 0, "no data");
        eq(header.originHash, blockhash(origin()), "origin looked up");
        eq(inbox.lastSequencerTime(), alive, "no sign of life");
        eq(inbox.creditOf(user), fee, "fee to the poster");
    }

    function test_nothing_is_posted_from_closing_on() public {
        force();
        vm.warp(inbox.closeTime() - 1);
        vm.roll(block.number + 20);
        uint64 number = origin();
        bytes32 hash = blockhash(number);
        bytes32 parent = genesis();
        uint64 close = inbox.closeTime();
        vm.blobhashes(blobs(1));
        vm.warp(close);
        vm.expectRevert(abi.encodeWithSelector(Inbox.Closed.selector, close));
        raw(1, parent, number, hash, 1, BLOBS, "");
        vm.expectRevert(abi.encodeWithSelector(Inbox.Closed.selector, close));
        inbox.postForcedBatch(number, 1);
        ok(inbox.stage() == Stage.Closing, "closing");
        vm.warp(close - 1);
        ok(inbox.stage() == Stage.Draining, "draining");
        raw(1, parent, number, hash, 1, BLOBS, "");
    }

    function test_a_relay_cannot_pose_as_the_sequencer() public {
        Relay relay = new Relay();
        bytes memory input =
            abi.encodeCall(inbox.postBatch, (1, genesis(), origin(), blockhash(origin()), 0, CALLDATA, 0, "data"));
        vm.expectRevert(abi.encodeWithSelector(Inbox.NotSequencer.selector, address(relay)));
        vm.prank(sequencer, sequencer);
        relay.forward(address(inbox), input);
    }
}
