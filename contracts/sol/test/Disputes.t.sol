// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CommitteeResolver, IDisputes} from "../CommitteeResolver.sol";
import {Contests} from "../Contests.sol";
import {Settlement} from "../Settlement.sol";
import {Claim} from "../Types.sol";
import {Rig} from "./Rig.sol";

contract DisputesTest is Rig {
    address internal liar = address(0xbad);
    address internal honest = address(0x900d);
    address internal friend = address(0xf1);
    bytes32 internal genesis;
    bytes32 internal wrong;
    bytes32 internal right;

    function setUp() public override {
        super.setUp();
        pass(1);
        post();
        pass(1);
        post();
        genesis = inbox.genesisClaim();
        wrong = propose(liar, interim(genesis, 1, 666));
    }

    function dispute() internal {
        right = propose(honest, interim(genesis, 1, 1));
    }

    /// @dev To the end of the resolver's time, when bonds begin to decide.
    function toEscalation() internal {
        (uint64 timeout,,) = settlement.schedule(settlement.contestOf(wrong));
        vm.warp(timeout);
    }

    function leader() internal view returns (bytes32) {
        return settlement.contest(settlement.contestOf(wrong)).leader;
    }

    function lost(bytes32 hash) internal view returns (bool) {
        return settlement.statusOf(hash) == Contests.Status.Rejected;
    }

    function paid(address who, bytes32 hash) internal returns (uint256) {
        uint256 before = who.balance;
        vm.prank(who);
        settlement.withdrawBond(hash);
        return who.balance - before;
    }

    function test_a_rival_stops_the_slow_path() public {
        vm.warp(block.timestamp + 1 days - 1);
        dispute();
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinalizable.selector, wrong));
        settlement.finalize(wrong);
        resolve(right);
        settlement.finalize(right);
        ok(lost(wrong), "the wrong claim lost");
        eq(paid(honest, right), 2 * BOND, "both bonds");
        vm.prank(liar);
        vm.expectRevert(abi.encodeWithSelector(Contests.ClaimNotFinal.selector, wrong));
        settlement.withdrawBond(wrong);
    }

    function test_a_rival_stops_the_fast_path() public {
        settlement.attest(wrong, signatures(wrong, 3));
        dispute();
        pass(200);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinalizable.selector, wrong));
        settlement.finalize(wrong);
        resolve(right);
        settlement.finalize(right);
        ok(lost(wrong), "the wrong claim lost");
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinal.selector, wrong));
        settlement.finalWithdrawalRoot(wrong);
    }

    function test_a_late_rival_is_accepted_and_none_once_the_contest_is_decided() public {
        pass(10_000);
        dispute();
        resolve(right);
        Claim memory third = interim(genesis, 1, 3);
        bytes32 contest = settlement.contestOf(right);
        vm.deal(liar, BOND);
        vm.expectRevert(abi.encodeWithSelector(Contests.ContestDecided.selector, contest, right));
        vm.prank(liar);
        settlement.proposeClaim{value: BOND}(third, "");
    }

    function test_only_the_resolver_resolves_and_only_in_time() public {
        vm.expectRevert(abi.encodeWithSelector(Contests.NotResolver.selector, address(this)));
        settlement.resolve(wrong);
        vm.prank(address(committee));
        vm.expectRevert(abi.encodeWithSelector(Contests.NotDisputed.selector, wrong));
        settlement.resolve(wrong);
        pass(7200);
        dispute();
        uint256 timeout = block.timestamp + 1 hours;
        vm.warp(timeout);
        vm.prank(address(committee));
        vm.expectRevert(abi.encodeWithSelector(Contests.ResolverTimedOut.selector, timeout));
        settlement.resolve(right);
        vm.warp(timeout - 1);
        vm.expectRevert(abi.encodeWithSelector(Contests.ResolverHasTime.selector, timeout));
        settlement.escalate{value: 1}(right, 1);
        resolve(right);
        bytes memory err = abi.encodeWithSelector(Contests.ContestDecided.selector, settlement.contestOf(right), right);
        vm.prank(address(committee));
        vm.expectRevert(err);
        settlement.resolve(wrong);
    }

    function test_a_dead_resolver_and_nobody_escalates_the_first_claim_wins() public {
        dispute();
        toEscalation();
        vm.warp(block.timestamp + 1 hours - 1);
        ok(!settlement.finalizable(wrong), "window is open");
        vm.warp(block.timestamp + 1);
        settlement.finalize(wrong);
        ok(lost(right), "why honest parties must escalate");
    }

    function test_a_dead_resolver_and_a_griefer_honest_capital_wins() public {
        dispute();
        toEscalation();
        escalate(honest, right, BOND);
        eq(leader(), right, "leads with twice the bond");
        vm.warp(block.timestamp + 1 hours - 1);
        escalate(liar, wrong, 3 * BOND);
        vm.warp(block.timestamp + 1 hours - 1);
        escalate(friend, right, 6 * BOND);
        vm.warp(block.timestamp + 1 hours - 1);
        escalate(liar, wrong, 11 * BOND);
        eq(leader(), right, "one short of twice");
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(Contests.ContestDecided.selector, settlement.contestOf(right), right));
        settlement.escalate{value: 1}(wrong, 1);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinalizable.selector, wrong));
        settlement.finalize(wrong);
        settlement.finalize(right);
        // Stakes: honest 2, friend 6; spoils: the liar's 15.
        eq(paid(honest, right), 2 * BOND + 15 * BOND * 2 / 8, "honest share");
        eq(paid(friend, right), 6 * BOND + 15 * BOND * 6 / 8, "friend's share");
        eq(address(settlement).balance, 0, "nothing stays");
    }

    function test_a_stake_that_is_sent_twice_counts_once() public {
        dispute();
        toEscalation();
        uint256 own = settlement.stakeOf(right, honest);
        vm.deal(honest, 4 * BOND);
        vm.startPrank(honest);
        settlement.escalate{value: 2 * BOND}(right, own + 2 * BOND);
        vm.expectRevert(abi.encodeWithSelector(Contests.StakeAboveMax.selector, own + 2 * BOND, own + 2 * BOND));
        settlement.escalate{value: 2 * BOND}(right, own + 2 * BOND);
        vm.stopPrank();
        eq(settlement.stakeOf(right, honest), own + 2 * BOND, "once");
        // What others stake is not counted.
        escalate(friend, right, BOND);
        eq(settlement.stakeOf(right, friend), BOND, "a friend's own limit");
    }

    function test_nobody_cuts_the_challenge_window_by_rivalling_itself() public {
        uint256 opened = block.timestamp;
        bytes32 decoy = propose(liar, interim(genesis, 1, 667));
        (uint64 timeout, uint64 end, uint64 deadline) = settlement.schedule(settlement.contestOf(wrong));
        eq(timeout, opened + 1 days, "bonds decide after the challenge window");
        eq(end, opened + 1 days + 1 hours, "end");
        eq(deadline, opened + 1 days + 12 hours, "deadline");
        vm.warp(opened + 2 hours);
        ok(!settlement.finalizable(wrong) && !settlement.finalizable(decoy), "as without a decoy");
        vm.warp(opened + 1 days - 1);
        dispute();
        toEscalation();
        escalate(honest, right, BOND);
        vm.warp(block.timestamp + 1 hours);
        settlement.finalize(right);
        eq(paid(honest, right), 4 * BOND, "both wrong claims paid");
    }

    function test_many_changes_of_the_lead_at_once_win_nothing() public {
        dispute();
        toEscalation();
        bytes32 decoy = propose(liar, interim(genesis, 1, 667));
        // One transaction of a griefer: twelve changes of the lead between claims of its own.
        for (uint256 i = 0; i < 12; ++i) {
            bytes32 hash = i % 2 == 0 ? decoy : wrong;
            escalate(liar, hash, 2 * settlement.record(leader()).bond - settlement.record(hash).bond);
            eq(leader(), hash, "leads");
        }
        (, uint64 end,) = settlement.schedule(settlement.contestOf(wrong));
        eq(end, block.timestamp + 1 hours, "a whole window is left");
        vm.warp(end - 1);
        escalate(honest, right, 2 * settlement.record(leader()).bond - BOND);
        vm.warp(block.timestamp + 1 hours);
        settlement.finalize(right);
        ok(lost(wrong) && lost(decoy), "more capital wins");
    }

    function test_escalation_ends_at_its_deadline() public {
        vm.warp(block.timestamp + 1 days - 1);
        dispute();
        uint256 start = block.timestamp + 1 hours;
        vm.warp(start);
        uint256 lead = BOND;
        for (uint256 i = 1; i <= 12; ++i) {
            bytes32 hash = i % 2 == 1 ? right : wrong;
            escalate(i % 2 == 1 ? honest : liar, hash, 2 * lead - settlement.record(hash).bond);
            lead = 2 * lead;
            vm.warp(block.timestamp + 1 hours - 1);
        }
        bytes32 contest = settlement.contestOf(right);
        escalate(friend, right, 2 * lead);
        (, uint64 end, uint64 deadline) = settlement.schedule(contest);
        eq(deadline, start + 12 hours, "deadline");
        eq(end, deadline, "the last window is cut");
        vm.warp(deadline - 1);
        escalate(liar, wrong, 2 * settlement.record(right).bond);
        eq(leader(), wrong, "the lead changes to the last second");
        (, end,) = settlement.schedule(contest);
        eq(end, deadline, "and moves the end no more");
        vm.warp(deadline);
        vm.deal(address(this), 10_000 ether);
        vm.expectRevert(abi.encodeWithSelector(Contests.ContestDecided.selector, contest, wrong));
        settlement.escalate{value: 10_000 ether}(right, 10_000 ether);
        settlement.finalize(wrong);
    }

    function testFuzz_a_dispute_ends_within_the_lifetime_formula(uint256 seed) public {
        uint256 opened = block.timestamp;
        vm.warp(opened + seed % 1 days);
        dispute();
        toEscalation();
        bytes32 contest = settlement.contestOf(right);
        for (uint256 i = 0; i < 40 && settlement.decided(contest) == 0; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            bytes32 hash = leader() == right ? wrong : right;
            escalate(friend, hash, 2 * settlement.record(leader()).bond - settlement.record(hash).bond);
            vm.warp(block.timestamp + seed % 2 hours);
        }
        (,, uint64 deadline) = settlement.schedule(contest);
        ok(deadline <= opened + 1 days + 1 hours + 12 hours, "windows of the formula");
        vm.warp(deadline);
        ok(settlement.decided(contest) != 0, "decided");
    }

    function test_a_flood_of_rivals_changes_nothing() public {
        dispute();
        for (uint256 i = 0; i < 30; ++i) {
            propose(liar, interim(genesis, 1, 1000 + i));
        }
        resolve(right);
        settlement.finalize(right);
        eq(paid(honest, right), 32 * BOND, "all of them pay");
        for (uint256 i = 0; i < 30; ++i) {
            bytes32 hash = settlement.hashClaim(interim(genesis, 1, 1000 + i));
            ok(lost(hash), "lost at once");
            settlement.reap(hash);
        }
        eq(address(settlement).balance, 0, "reaping siblings moves nothing");
    }

    function test_children_of_a_loser_die_with_it() public {
        bytes32 child = propose(liar, interim(wrong, 2, 1));
        dispute();
        bytes32 grandchild;
        {
            pass(1);
            post();
            grandchild = propose(liar, interim(child, 3, 1));
        }
        vm.expectRevert(abi.encodeWithSelector(Contests.NotRejected.selector, child));
        settlement.reap(child);
        resolve(right);
        settlement.finalize(right);
        passSeconds(2 days);
        vm.expectRevert(abi.encodeWithSelector(Settlement.ParentNotFinal.selector, wrong));
        settlement.finalize(child);
        vm.expectRevert(abi.encodeWithSelector(Contests.NotRejected.selector, grandchild));
        settlement.reap(grandchild);
        eq(paid(honest, right), 2 * BOND, "before the children");
        settlement.reap(child);
        settlement.reap(grandchild);
        ok(lost(child) && lost(grandchild), "both rejected");
        eq(paid(honest, right), 2 * BOND, "the children's bonds");
        vm.expectRevert(abi.encodeWithSelector(Contests.NotPending.selector, child));
        settlement.reap(child);
        Claim memory late = interim(child, 3, 9);
        vm.deal(liar, BOND);
        vm.prank(liar);
        vm.expectRevert(abi.encodeWithSelector(Settlement.ParentRejected.selector, child));
        settlement.proposeClaim{value: BOND}(late, "");
    }

    function test_the_committee_needs_its_threshold() public {
        address[] memory members = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            members[i] = address(uint160(0xc0 + i));
        }
        CommitteeResolver other = new CommitteeResolver(2, members);
        vm.expectRevert(CommitteeResolver.InvalidCommittee.selector);
        new CommitteeResolver(1, members);
        vm.expectRevert(CommitteeResolver.InvalidCommittee.selector);
        new CommitteeResolver(4, members);
        members[2] = members[1];
        vm.expectRevert(CommitteeResolver.InvalidCommittee.selector);
        new CommitteeResolver(2, members);
        vm.etch(address(committee), address(other).code);
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 slot = keccak256(abi.encode(address(uint160(0xc0 + i)), 0));
            vm.store(address(committee), slot, vm.load(address(other), slot));
        }
        dispute();
        IDisputes disputes = IDisputes(address(settlement));
        vm.expectRevert(abi.encodeWithSelector(CommitteeResolver.NotMember.selector, address(this)));
        committee.vote(disputes, right);
        vm.prank(address(0xc0));
        vm.expectRevert(abi.encodeWithSelector(CommitteeResolver.UnknownClaim.selector, bytes32("x")));
        committee.vote(disputes, "x");
        vm.prank(address(0xc0));
        committee.vote(disputes, right);
        eq(settlement.decided(settlement.contestOf(right)), 0, "one vote is not enough");
        vm.prank(address(0xc0));
        vm.expectRevert(abi.encodeWithSelector(CommitteeResolver.AlreadyVoted.selector, address(0xc0)));
        committee.vote(disputes, wrong);
        vm.prank(address(0xc1));
        committee.vote(disputes, right);
        eq(settlement.decided(settlement.contestOf(right)), right, "decided");
    }

    function testFuzz_a_disputes_money_is_conserved(uint256 seed) public {
        dispute();
        toEscalation();
        bytes32 contest = settlement.contestOf(right);
        uint256 staked = 2 * BOND;
        for (uint256 i = 0; i < 10; ++i) {
            if (settlement.decided(contest) != 0) break;
            seed = uint256(keccak256(abi.encode(seed)));
            bytes32 hash = seed & 1 == 0 ? right : wrong;
            uint256 amount = 1 + (seed >> 8) % (20 * BOND);
            escalate(seed & 2 == 0 ? honest : friend, hash, amount);
            staked += amount;
            vm.warp(block.timestamp + (seed >> 200) % 1 hours);
        }
        vm.warp(block.timestamp + 1 hours);
        bytes32 winner = settlement.decided(contest);
        settlement.finalize(winner);
        uint256 out = 0;
        address[3] memory backers = [honest, friend, liar];
        for (uint256 i = 0; i < 3; ++i) {
            if (settlement.bondDue(winner, backers[i]) == 0) continue;
            out += paid(backers[i], winner);
        }
        ok(out <= staked && staked - out < 3, "all but the dust is paid");
    }
}
