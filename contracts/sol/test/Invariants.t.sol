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
    mapping(bytes32 => bool) public finalInTime;
    bytes32 public settled;
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

    function genesis() external view returns (bytes32) {
        return inbox.genesisClaim();
    }

    function claimOf(bytes32 hash) external view returns (Claim memory) {
        return _claims[hash];
    }

    function proposeSome(uint256 parentPick, uint64 seq, uint256 salt, uint256 who) external {
        _propose(interim(_pickParent(parentPick), 1 + seq % 4, salt % 4), salt % 4, who);
    }

    /// @dev Not often: once one of these is final, nothing is proposed any more.
    function proposeClosing(uint256 parentPick, uint256 salt, uint256 who) external {
        if (salt % 2 == 0) _propose(closing(_pickParent(parentPick), salt % 3), salt % 3, who);
    }

    function rival(uint256 pick, uint256 salt, uint256 who) external {
        if (hashes.length == 0) return;
        Claim memory c = _claims[hashes[pick % hashes.length]];
        c.stateRoot = bytes32(salt);
        _propose(c, salt, who);
    }

    function _pickParent(uint256 pick) private view returns (bytes32) {
        pick %= hashes.length + 1;
        return pick == hashes.length ? inbox.genesisClaim() : hashes[pick];
    }

    function _propose(Claim memory c, uint256 salt, uint256 who) private {
        c.withdrawalRoot = keccak256(abi.encode("withdrawals", salt));
        bytes32 hash = propose(backers[who % 3], c);
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
        settlement.escalate{value: amount}(hashes[pick % hashes.length], type(uint256).max);
        paidIn += amount;
    }

    /// @dev To where bonds begin to decide.
    function waitForEscalation(uint256 pick) external {
        if (hashes.length == 0) return;
        (uint64 timeout,,) = settlement.schedule(settlement.contestOf(hashes[pick % hashes.length]));
        if (timeout > block.timestamp) passSeconds(timeout - block.timestamp);
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
        // The first that can be, from a random one on: few can at any time.
        for (uint256 i = 0; i < hashes.length; ++i) {
            bytes32 hash = hashes[(pick % hashes.length + i) % hashes.length];
            try settlement.finalize(hash) {
                if (settled != 0) return;
                finalInTime[hash] = true;
                if (_claims[hash].closeNumber != 0) settled = hash;
                return;
            } catch {}
        }
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
            bytes32 parent = brawl.claimOf(hash).parent;
            if (status != Contests.Status.Final) continue;
            ok(parent == brawl.genesis() || settlement.statusOf(parent) == Contests.Status.Final, "parent is final");
            for (uint256 j = 0; j < i; ++j) {
                bytes32 other = brawl.hashes(j);
                bool rival = settlement.contestOf(other) == settlement.contestOf(hash);
                ok(!rival || settlement.statusOf(other) == Contests.Status.Rejected, "one winner");
            }
        }
    }

    /// @dev The Vault pays against claims that were final when the rollup was settled, the settled one among them, and
    /// against no other.
    function invariant_no_claim_against_a_losing_root() public view {
        uint256 n = brawl.count();
        for (uint256 i = 0; i < n; ++i) {
            bytes32 hash = brawl.hashes(i);
            try settlement.finalWithdrawalRoot(hash) returns (bytes32 root) {
                ok(brawl.finalInTime(hash), "final in time");
                ok(settlement.statusOf(hash) == Contests.Status.Final, "final");
                eq(root, brawl.claimOf(hash).withdrawalRoot, "its own root");
            } catch {
                ok(!brawl.finalInTime(hash), "refused only where it must be");
            }
        }
        bytes32 settled = brawl.settled();
        eq(settlement.settledClaim(), settled, "the first closing claim");
        try settlement.settlementRoot() returns (bytes32 root) {
            eq(root, brawl.claimOf(settled).settlementRoot, "its own leaves");
            ok(settlement.statusOf(settled) == Contests.Status.Final, "settled by a winner");
        } catch {
            eq(settled, 0, "not settled");
        }
    }
}
