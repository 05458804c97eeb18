// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Inbox} from "../Inbox.sol";
import {BatchHeader} from "../Types.sol";
import {Rig} from "./Rig.sol";
import {Checks} from "./Vm.sol";

/// @dev A sequencer and strangers that fill the queue and post, often with a wrong number, parent, origin or queue.
/// What the Inbox accepted is kept.
contract Posters is Rig {
    BatchHeader[] private _headers;
    bool public leftOut;
    bool public late;

    constructor() {
        setUp();
        pass(1);
    }

    /// @dev A hand must not start the world anew.
    function setUp() public override {
        if (address(inbox) == address(0)) super.setUp();
    }

    function inboxOf() external view returns (Inbox) {
        return inbox;
    }

    function headers() external view returns (BatchHeader[] memory) {
        return _headers;
    }

    function wait(uint256 blocks) external {
        pass(bound(blocks, 1, 60));
    }

    function enqueue(uint256 amount) external {
        amount = bound(amount, 1, 1 ether);
        vm.deal(user, 2 ether);
        vm.startPrank(user);
        if (amount % 2 == 0) inbox.depositETH{value: amount}(user);
        else inbox.forceTransaction{value: 1 ether}("x", 21_000);
        vm.stopPrank();
    }

    function postSome(uint256 back, uint256 pick, uint256 fault) external {
        BatchHeader memory header = _next(back, pick);
        if (fault % 8 == 1) --header.seq;
        if (fault % 8 == 2) header.parentHash = keccak256(abi.encode(header.parentHash));
        if (fault % 8 == 3) header.originHash = blockhash(header.originNumber - 1);
        header.codec = BLOBS;
        header.dataHash = keccak256(abi.encodePacked(blobs(1)));
        vm.blobhashes(blobs(1));
        vm.prank(sequencer);
        inbox.postBatch(
            header.seq,
            header.parentHash,
            header.originNumber,
            header.originHash,
            header.queueUpTo,
            header.codec,
            header.extraRoot,
            ""
        );
        _accepted(header);
    }

    function postForced(uint256 back, uint256 pick) external {
        BatchHeader memory header = _next(back, pick);
        inbox.postForcedBatch(header.originNumber, header.queueUpTo);
        _accepted(header);
    }

    function freeze() external {
        vm.deal(user, BOND);
        vm.prank(user);
        inbox.requestFreeze{value: BOND}();
        passSeconds(612);
        inbox.freeze();
    }

    function _next(uint256 back, uint256 pick) private view returns (BatchHeader memory header) {
        header.seq = inbox.batchCount() + 1;
        header.parentHash = inbox.batchHash(header.seq - 1);
        header.originNumber = uint64(block.number - bound(back, 1, 34));
        header.originHash = blockhash(header.originNumber);
        uint64 sure = queueAt(header.originNumber);
        // Mostly all there is, at times more or less.
        header.queueUpTo = pick % 3 == 0 ? uint64(pick % (inbox.queueLength() + 2)) : sure;
        header.includedNumber = uint64(block.number);
        header.includedTime = uint64(block.timestamp);
    }

    function _accepted(BatchHeader memory header) private {
        _headers.push(header);
        if (block.timestamp >= inbox.closeTime()) late = true;
        if (header.queueUpTo == inbox.queueLength()) return;
        (,, uint64 time) = inbox.queueItem(header.queueUpTo);
        if (block.timestamp > time + 600) leftOut = true;
    }
}

contract BatchChainInvariants is Checks {
    Posters internal posters;
    Inbox internal inbox;

    function setUp() public {
        posters = new Posters();
        inbox = posters.inboxOf();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(posters);
    }

    /// @dev Whatever was tried, what stands is one chain from the genesis claim.
    function invariant_batches_form_one_chain() public view {
        BatchHeader[] memory headers = posters.headers();
        eq(inbox.batchCount(), headers.length, "count");
        bytes32 parent = inbox.genesisClaim();
        uint64 origin = 0;
        uint64 queue = 0;
        for (uint64 i = 0; i < headers.length; ++i) {
            BatchHeader memory header = headers[i];
            eq(header.seq, i + 1, "seq");
            eq(header.parentHash, parent, "parent");
            ok(header.originNumber >= origin && header.originNumber < header.includedNumber, "origin");
            ok(header.includedNumber - header.originNumber <= 32, "lag");
            ok(header.queueUpTo >= queue && header.queueUpTo <= inbox.queueLength(), "queue");
            parent = keccak256(abi.encode(header));
            eq(inbox.batchHash(i + 1), parent, "hash");
            bytes32 rolling = 0;
            uint64 l1Block = 0;
            if (header.queueUpTo > 0) (rolling, l1Block,) = inbox.queueItem(header.queueUpTo - 1);
            eq(inbox.batchQueueHash(i + 1), rolling, "queue hash");
            ok(l1Block <= header.originNumber, "no item from after the origin");
            (origin, queue) = (header.originNumber, header.queueUpTo);
        }
    }

    function invariant_no_overdue_item_is_left_out_and_nothing_comes_late() public view {
        ok(!posters.leftOut(), "left out");
        ok(!posters.late(), "late");
    }
}
