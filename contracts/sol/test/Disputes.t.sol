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

    function test_rivals_are_accepted_until_one_is_final() public {
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
        dispute();
        uint256 timeout = block.timestamp + 1 hours;
        vm.warp(timeout);
        vm.prank(address(committee));
        vm.expectRevert(abi.encodeWithSelector(Contests.ResolverTimedOut.selector, timeout));
        settlement.resolve(right);
        vm.warp(timeout - 1);
        vm.expectRevert(abi.encodeWithSelector(Contests.ResolverHasTime.selector, timeout));
        settlement.escalate{value: 1}(right);
        resolve(right);
        bytes memory err = abi.encodeWithSelector(Contests.ContestDecided.selector, settlement.contestOf(right), right);
        vm.prank(address(committee));
        vm.expectRevert(err);
        settlement.resolve(wrong);
    }

    function test_a_dead_resolver_and_nobody_escalates_the_first_claim_wins() public {
        dispute();
        vm.warp(block.timestamp + 2 hours - 1);
        ok(!settlement.finalizable(wrong), "window is open");
        vm.warp(block.timestamp + 1);
        settlement.finalize(wrong);
        ok(lost(right), "why honest parties must escalate");
    }

    function test_a_dead_resolver_and_a_griefer_honest_capital_wins() public {
        dispute();
        vm.warp(block.timestamp + 1 hours);
        escalate(honest, right, BOND);
        eq(settlement.contest(settlement.contestOf(right)).leader, right, "leads with twice the bond");
        vm.warp(block.timestamp + 1 hours - 1);
        escalate(liar, wrong, 3 * BOND);
        vm.warp(block.timestamp + 1 hours - 1);
        escalate(friend, right, 6 * BOND);
        vm.warp(block.timestamp + 1 hours - 1);
        escalate(liar, wrong, 11 * BOND);
        eq(settlement.contest(settlement.contestOf(right)).leader, right, "one short of twice");
        vm.warp(block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(Contests.ContestDecided.selector, settlement.contestOf(right), right));
        settlement.escalate{value: 1}(wrong);
        vm.expectRevert(abi.encodeWithSelector(Settlement.NotFinalizable.selector, wrong));
        settlement.finalize(wrong);
        settlement.finalize(right);
        // Stakes: honest 2, friend 6; spoils: the liar's 15.
        eq(paid(honest, right), 2 * BOND + 15 * BOND * 2 / 8, "honest share");
        eq(paid(friend, right), 6 * BOND + 15 * BOND * 6 / 8, "friend's share");
        eq(address(settlement).balance, 0, "nothing stays");
    }

    function test_nobody_takes_the_lead_in_the_last_window() public {
        dispute();
        vm.warp(block.timestamp + 1 hours);
        uint256 lead = BOND;
        for (uint256 i = 1; i < 12; ++i) {
            bytes32 hash = i % 2 == 1 ? right : wrong;
            address who = i % 2 == 1 ? honest : liar;
            escalate(who, hash, 2 * lead - settlement.record(hash).bond);
            lead = 2 * lead;
            vm.warp(block.timestamp + 1 hours - 1);
        }
        Contests.Contest memory contest = settlement.contest(settlement.contestOf(right));
        eq(contest.windows, 12, "windows");
        eq(contest.leader, right, "leader");
        vm.deal(address(this), 10_000 ether);
        vm.expectRevert(abi.encodeWithSelector(Contests.LastWindow.selector, right));
        settlement.escalate{value: 1000 ether}(wrong);
        escalate(friend, right, 1);
        vm.warp(block.timestamp + 1);
        settlement.finalize(right);
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
        vm.warp(block.timestamp + 1 hours);
        bytes32 contest = settlement.contestOf(right);
        uint256 staked = 2 * BOND;
        for (uint256 i = 0; i < 10; ++i) {
            if (settlement.decided(contest) != 0) break;
            seed = uint256(keccak256(abi.encode(seed)));
            bytes32 hash = seed & 1 == 0 ? right : wrong;
            if (settlement.contest(contest).windows == 12 && settlement.contest(contest).leader != hash) continue;
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
