// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ConfigArgs} from "./CloneArgs.sol";
import {ConfigRules} from "./ConfigRules.sol";
import {Credits} from "./Credits.sol";

/// @dev Bonds and disputes: claims of one contest exclude each other, and what the losers staked goes to those who
/// backed the winner. Losers need no transaction: they are rejected the moment another is final.
abstract contract Contests is Credits {
    enum Status {
        None,
        Pending,
        Final,
        Rejected
    }

    /// @dev `bond` is everything staked on the claim, `spoils` what it won.
    struct Record {
        address proposer;
        uint64 proposedAt;
        Status status;
        bytes32 contest;
        uint256 bond;
        uint256 spoils;
        bytes32 rejectedBy;
    }

    /// @dev `openedAt` and `openedNumber` are time and L1 block of the first claim; `winner` is set by the resolver,
    /// or when a claim is final. `endsAt` is where the last change of the lead put the end of the escalation; 0 while
    /// there was none.
    struct Contest {
        bytes32 leader;
        bytes32 winner;
        uint256 bonds;
        uint64 openedAt;
        uint64 openedNumber;
        uint64 rivalAt;
        uint64 endsAt;
    }

    mapping(bytes32 claimHash => Record) internal _records;
    mapping(bytes32 contest => Contest) internal _contests;
    /// @notice Wei that an account staked on a claim.
    mapping(bytes32 claimHash => mapping(address backer => uint256)) public stakeOf;
    /// @notice Wei of stake and spoils that an account withdrew from a claim.
    mapping(bytes32 claimHash => mapping(address backer => uint256)) public withdrawnOf;

    /// @notice A contest has a rival: nothing of it becomes final without a decision.
    event Rivalled(bytes32 indexed contest, bytes32 indexed claimHash, uint64 rivalAt);
    /// @notice The resolver named the winner.
    event Resolved(bytes32 indexed contest, bytes32 indexed winner);
    /// @notice A stake was added to a claim; `leader` wins at `endsAt` unless another takes the lead.
    event Escalated(
        bytes32 indexed contest, bytes32 indexed claimHash, address backer, uint256 bond, bytes32 leader, uint64 endsAt
    );
    /// @notice A claim is rejected; `winner` gets the bond.
    event ClaimRejected(bytes32 indexed claimHash, bytes32 indexed winner);
    /// @notice A backer of a final claim withdrew stake and spoils.
    event BondWithdrawn(bytes32 indexed claimHash, address indexed backer, uint256 amount);

    error ContestDecided(bytes32 contest, bytes32 winner);
    error NotPending(bytes32 claimHash);
    error NotDisputed(bytes32 claimHash);
    error NotResolver(address caller);
    error ResolverTimedOut(uint256 timeout);
    error ResolverHasTime(uint256 until);
    error NoStake();
    error StakeAboveMax(uint256 staked, uint256 maxStake);
    error NotRejected(bytes32 claimHash);
    error ClaimNotFinal(bytes32 claimHash);

    /// @notice Decides a dispute; the resolver only, within its time.
    /// @param winner A claim of the contest.
    function resolve(bytes32 winner) external {
        if (msg.sender != ConfigArgs.resolver()) revert NotResolver(msg.sender);
        Contest storage contest_ = _disputeOf(winner);
        (uint64 timeout,,) = _schedule(contest_);
        if (block.timestamp >= timeout) revert ResolverTimedOut(timeout);
        contest_.winner = winner;
        emit Resolved(_records[winner].contest, winner);
    }

    /// @notice Adds the payment to a claim's bond, once the resolver's time is over. A claim that reaches twice the
    /// leader's bond leads, and a new window begins, which ends at the deadline at the latest: the number of changes
    /// counts for nothing, so nobody can use up the time with many at once.
    /// @param claimHash_ The claim.
    /// @param maxStake What the caller means to have staked on it afterwards. A payment that goes beyond reverts, so
    /// that one which is sent twice, as after a reorganisation, counts once.
    function escalate(bytes32 claimHash_, uint256 maxStake) external payable {
        if (msg.value == 0) revert NoStake();
        uint256 staked = stakeOf[claimHash_][msg.sender];
        if (staked + msg.value > maxStake) revert StakeAboveMax(staked, maxStake);
        Contest storage contest_ = _disputeOf(claimHash_);
        (uint64 timeout, uint64 end, uint64 deadline) = _schedule(contest_);
        if (block.timestamp < timeout) revert ResolverHasTime(timeout);
        uint256 bond = _stake(contest_, claimHash_);
        if (claimHash_ != contest_.leader && bond >= 2 * _records[contest_.leader].bond) {
            uint256 windowEnd = block.timestamp + ConfigArgs.escalationWindow();
            end = windowEnd < deadline ? uint64(windowEnd) : deadline;
            contest_.leader = claimHash_;
            contest_.endsAt = end;
        }
        emit Escalated(_records[claimHash_].contest, claimHash_, msg.sender, bond, contest_.leader, end);
    }

    /// @notice Pays the caller its stake in a final claim and its part of what the claim won. May be called again
    /// when more was won since.
    /// @param claimHash_ The claim.
    function withdrawBond(bytes32 claimHash_) external {
        if (_records[claimHash_].status != Status.Final) revert ClaimNotFinal(claimHash_);
        uint256 amount = bondDue(claimHash_, msg.sender);
        if (amount == 0) revert NothingDue(msg.sender);
        withdrawnOf[claimHash_][msg.sender] += amount;
        emit BondWithdrawn(claimHash_, msg.sender, amount);
        Address.sendValue(payable(msg.sender), amount);
    }

    /// @notice What `backer` may withdraw from a claim now; 0 unless the claim is final.
    function bondDue(bytes32 claimHash_, address backer) public view returns (uint256) {
        Record storage record_ = _records[claimHash_];
        if (record_.status != Status.Final) return 0;
        uint256 stake = stakeOf[claimHash_][backer];
        return stake + record_.spoils * stake / record_.bond - withdrawnOf[claimHash_][backer];
    }

    /// @notice Where a claim stands. A claim whose grandparent was rejected shows so once its parent was reaped.
    function statusOf(bytes32 claimHash_) public view returns (Status) {
        Record storage record_ = _records[claimHash_];
        if (record_.status == Status.Pending && _isFinal(record_.contest)) return Status.Rejected;
        return record_.status;
    }

    /// @notice What is kept of a claim.
    function record(bytes32 claimHash_) external view returns (Record memory) {
        return _records[claimHash_];
    }

    /// @notice What is kept of a contest.
    function contest(bytes32 contest_) external view returns (Contest memory) {
        return _contests[contest_];
    }

    /// @notice The contest of a claim; 0 if there is no such claim.
    function contestOf(bytes32 claimHash_) external view returns (bytes32) {
        return _records[claimHash_].contest;
    }

    /// @notice The claim that has won a contest, whether or not it is final yet; 0 while none has.
    function decided(bytes32 contest_) external view returns (bytes32) {
        return _decided(_contests[contest_]);
    }

    /// @notice When a dispute is decided; zeros while the contest has no rival.
    /// @param contest_ The contest.
    /// @return timeout The resolver decides before it; from then on bonds do.
    /// @return end Who leads then has won.
    /// @return deadline No change of the lead moves the end beyond it.
    function schedule(bytes32 contest_) external view returns (uint64 timeout, uint64 end, uint64 deadline) {
        if (_contests[contest_].rivalAt != 0) return _schedule(_contests[contest_]);
    }

    function _enter(bytes32 contestId, bytes32 claimHash_) internal {
        Contest storage contest_ = _contests[contestId];
        bytes32 winner = _decided(contest_);
        if (winner != 0) revert ContestDecided(contestId, winner);
        _records[claimHash_] = Record({
            proposer: msg.sender,
            proposedAt: uint64(block.timestamp),
            status: Status.Pending,
            contest: contestId,
            bond: 0,
            spoils: 0,
            rejectedBy: 0
        });
        _stake(contest_, claimHash_);
        if (contest_.leader == 0) {
            contest_.leader = claimHash_;
            contest_.openedAt = uint64(block.timestamp);
            contest_.openedNumber = uint64(block.number);
            return;
        }
        if (contest_.rivalAt == 0) contest_.rivalAt = uint64(block.timestamp);
        emit Rivalled(contestId, claimHash_, contest_.rivalAt);
    }

    /// @dev The claim is final: the other bonds of its contest are its spoils.
    function _win(bytes32 claimHash_) internal {
        Record storage record_ = _records[claimHash_];
        Contest storage contest_ = _contests[record_.contest];
        record_.status = Status.Final;
        record_.spoils += contest_.bonds - record_.bond;
        contest_.winner = claimHash_;
    }

    function _reap(bytes32 claimHash_, bytes32 parent) internal {
        Record storage record_ = _records[claimHash_];
        if (record_.status != Status.Pending) revert NotPending(claimHash_);
        bytes32 winner;
        if (_isFinal(record_.contest)) {
            // The bond went to the winner when it became final.
            winner = _contests[record_.contest].winner;
        } else {
            winner = _rejectedBy(parent);
            if (winner == 0) revert NotRejected(claimHash_);
            _records[winner].spoils += record_.bond;
        }
        record_.status = Status.Rejected;
        record_.rejectedBy = winner;
        emit ClaimRejected(claimHash_, winner);
    }

    function _requirePending(bytes32 claimHash_) internal view {
        if (statusOf(claimHash_) != Status.Pending) revert NotPending(claimHash_);
    }

    /// @dev The winner by resolver, finality or a window that passed; 0 while open.
    function _decided(Contest storage contest_) internal view returns (bytes32) {
        if (contest_.winner != 0) return contest_.winner;
        if (contest_.rivalAt == 0) return 0;
        (, uint64 end,) = _schedule(contest_);
        return block.timestamp >= end ? contest_.leader : bytes32(0);
    }

    function _isFinal(bytes32 contestId) private view returns (bool) {
        return _records[_contests[contestId].winner].status == Status.Final;
    }

    function _rejectedBy(bytes32 claimHash_) private view returns (bytes32) {
        Record storage record_ = _records[claimHash_];
        if (record_.status == Status.Rejected) return record_.rejectedBy;
        bool lost = record_.status == Status.Pending && _isFinal(record_.contest);
        return lost ? _contests[record_.contest].winner : bytes32(0);
    }

    /// @dev The clock of a dispute. Whoever rivals its own wrong claim at once must not cut the challenge window, in
    /// which others find the claim and join: bonds decide nothing before that window is over.
    function _schedule(Contest storage contest_) private view returns (uint64 timeout, uint64 end, uint64 deadline) {
        uint256 resolved = contest_.rivalAt + ConfigArgs.resolverTimeout();
        uint256 challenged = contest_.openedAt + ConfigArgs.challengeWindow();
        uint256 window = ConfigArgs.escalationWindow();
        // The lifetime formula bounds every window, so nothing comes near 2^64.
        timeout = uint64(resolved > challenged ? resolved : challenged);
        end = contest_.endsAt == 0 ? uint64(timeout + window) : contest_.endsAt;
        deadline = uint64(timeout + ConfigRules.MAX_ESCALATIONS * window);
    }

    /// @dev The open dispute that a pending claim is part of.
    function _disputeOf(bytes32 claimHash_) private view returns (Contest storage contest_) {
        _requirePending(claimHash_);
        bytes32 contestId = _records[claimHash_].contest;
        contest_ = _contests[contestId];
        if (contest_.rivalAt == 0) revert NotDisputed(claimHash_);
        bytes32 winner = _decided(contest_);
        if (winner != 0) revert ContestDecided(contestId, winner);
    }

    function _stake(Contest storage contest_, bytes32 claimHash_) private returns (uint256 bond) {
        bond = _records[claimHash_].bond + msg.value;
        _records[claimHash_].bond = bond;
        contest_.bonds += msg.value;
        stakeOf[claimHash_][msg.sender] += msg.value;
    }
}
