// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Contests} from "../Contests.sol";
import {Inbox} from "../Inbox.sol";
import {Settlement} from "../Settlement.sol";
import {Claim} from "../Types.sol";
import {Rig} from "./Rig.sol";
import {Checks} from "./Vm.sol";

/// @dev Hands that propose, rival, escalate, resolve, finalize, reap and withdraw at random, with the resolver mostly
/// dead. Every hash ever proposed is kept, so that the invariants can sum over all of them.
contract Brawl is Rig {
    bytes32[] public hashes;
    mapping(bytes32 => Claim) private _claims;
    address[3] public backers = [address(0xb1), address(0xb2), address(0xb3)];
    uint256 public paidIn;
    uint256 public paidOut;

    constructor() {
        setUp();
        for (uint256 i = 0; i < 4; ++i) {
            pass(1);
            post();
        }
    }

    /// @dev A hand must not start the world anew.
    function setUp() public override {
        if (address(inbox) == address(0)) super.setUp();
    }

    function settlementOf() external view returns (Settlement) {
        return settlement;
    }

    function count() external view returns (uint256) {
        return hashes.length;
    }

    function parentOf(bytes32 hash) external view returns (bytes32) {
        return _claims[hash].parent;
    }

    function genesis() external view returns (bytes32) {
        return inbox.genesisClaim();
    }

    function proposeSome(uint256 parentPick, uint64 seq, uint256 salt, uint256 who) external {
        uint256 pick = parentPick % (hashes.length + 1);
        bytes32 parent = pick == hashes.length ? inbox.genesisClaim() : hashes[pick];
        Claim memory c = interim(parent, 1 + seq % 4, salt % 4);
        address by = backers[who % 3];
        vm.deal(by, by.balance + BOND);
        vm.prank(by);
        bytes32 hash = settlement.proposeClaim{value: BOND}(c, "");
        paidIn += BOND;
        _claims[hash] = c;
        hashes.push(hash);
    }

    function rival(uint256 pick, uint256 salt, uint256 who) external {
        if (hashes.length == 0) return;
        Claim memory c = _claims[hashes[pick % hashes.length]];
        c.stateRoot = bytes32(salt);
        address by = backers[who % 3];
        vm.deal(by, by.balance + BOND);
        vm.prank(by);
        bytes32 hash = settlement.proposeClaim{value: BOND}(c, "");
        paidIn += BOND;
        _claims[hash] = c;
        hashes.push(hash);
    }

    function escalateSome(uint256 pick, uint256 amount, uint256 who) external {
        if (hashes.length == 0) return;
        amount = bound(amount, 1, 5 * BOND);
        address by = backers[who % 3];
        vm.deal(by, by.balance + amount);
        vm.prank(by);
        settlement.escalate{value: amount}(hashes[pick % hashes.length]);
        paidIn += amount;
    }

    function resolveSome(uint256 pick) external {
        if (hashes.length == 0 || pick % 5 != 0) return;
        vm.prank(address(committee));
        settlement.resolve(hashes[(pick / 5) % hashes.length]);
    }

    function attestSome(uint256 pick) external {
        if (hashes.length == 0) return;
        bytes32 hash = hashes[pick % hashes.length];
        settlement.attest(hash, signatures(hash, 2));
    }

    function finalizeSome(uint256 pick) external {
        if (hashes.length == 0) return;
        settlement.finalize(hashes[pick % hashes.length]);
    }

    function reapSome(uint256 pick) external {
        if (hashes.length == 0) return;
        settlement.reap(hashes[pick % hashes.length]);
    }

    function withdrawSome(uint256 pick, uint256 who) external {
        if (hashes.length == 0) return;
        address by = backers[who % 3];
        uint256 before = by.balance;
        vm.prank(by);
        settlement.withdrawBond(hashes[pick % hashes.length]);
        paidOut += by.balance - before;
    }

    function wait(uint256 time) external {
        passSeconds(bound(time, 1 minutes, 5 hours));
    }

    function waitLong() external {
        passSeconds(1 days);
    }
}

contract DisputeInvariants is Checks {
    Brawl internal brawl;
    Settlement internal settlement;

    function setUp() public {
        brawl = new Brawl();
        settlement = brawl.settlementOf();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(brawl);
    }

    /// @dev What Settlement holds covers every open bond and everything due, and exceeds it by dust alone.
    function invariant_settlement_is_solvent() public view {
        uint256 due = 0;
        uint256 n = brawl.count();
        for (uint256 i = 0; i < n; ++i) {
            bytes32 hash = brawl.hashes(i);
            if (settlement.statusOf(hash) == Contests.Status.Pending) due += settlement.record(hash).bond;
            for (uint256 j = 0; j < 3; ++j) {
                due += settlement.bondDue(hash, brawl.backers(j));
            }
        }
        uint256 held = address(settlement).balance;
        eq(held, brawl.paidIn() - brawl.paidOut(), "books");
        ok(held >= due, "solvent");
        ok(held - due <= 3 * n, "nothing is locked");
    }

    /// @dev Of each contest at most one claim is final, and no claim is final unless its parent is.
    function invariant_final_claims_form_one_chain_per_contest() public view {
        uint256 n = brawl.count();
        for (uint256 i = 0; i < n; ++i) {
            bytes32 hash = brawl.hashes(i);
            Contests.Status status = settlement.statusOf(hash);
            bytes32 parent = brawl.parentOf(hash);
            if (status != Contests.Status.Final) continue;
            ok(parent == brawl.genesis() || settlement.statusOf(parent) == Contests.Status.Final, "parent is final");
            for (uint256 j = 0; j < i; ++j) {
                bytes32 other = brawl.hashes(j);
                bool rival = settlement.contestOf(other) == settlement.contestOf(hash);
                ok(!rival || settlement.statusOf(other) == Contests.Status.Rejected, "one winner");
            }
        }
    }
}
