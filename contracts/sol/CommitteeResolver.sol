// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

interface IDisputes {
    function contestOf(bytes32 claimHash) external view returns (bytes32);
    function resolve(bytes32 winner) external;
}

/// @title A resolver of disputes: t of m members name the winner
/// @notice May serve any number of rollups. A member has one vote a contest and cannot change it.
contract CommitteeResolver {
    /// @notice Most members of a committee.
    uint256 public constant MAX_MEMBERS = 64;
    /// @notice Votes needed.
    uint256 public immutable threshold;

    /// @notice Whether an account is a member.
    mapping(address member => bool) public isMember;
    /// @notice Whether a member has voted in a contest of a Settlement.
    mapping(bytes32 key => mapping(address member => bool)) public hasVoted;
    /// @notice Votes for a claim of a Settlement.
    mapping(address settlement => mapping(bytes32 claimHash => uint256)) public votes;

    /// @notice A member voted.
    event Voted(address indexed settlement, bytes32 indexed claimHash, address indexed member, uint256 votes);

    error InvalidCommittee();
    error NotMember(address caller);
    error AlreadyVoted(address member);
    error UnknownClaim(bytes32 claimHash);

    /// @param threshold_ Votes needed: more than half of the members, at most all.
    /// @param members All different.
    constructor(uint256 threshold_, address[] memory members) {
        uint256 count = members.length;
        if (count > MAX_MEMBERS || threshold_ > count || 2 * threshold_ <= count) revert InvalidCommittee();
        threshold = threshold_;
        for (uint256 i = 0; i < count; ++i) {
            if (members[i] == address(0) || isMember[members[i]]) revert InvalidCommittee();
            isMember[members[i]] = true;
        }
    }

    /// @notice Votes for a claim; the vote that reaches the threshold decides the dispute.
    /// @param settlement The rollup's Settlement.
    /// @param claimHash The claim that should win.
    function vote(IDisputes settlement, bytes32 claimHash) external {
        if (!isMember[msg.sender]) revert NotMember(msg.sender);
        bytes32 contest = settlement.contestOf(claimHash);
        if (contest == 0) revert UnknownClaim(claimHash);
        bytes32 key = keccak256(abi.encode(settlement, contest));
        if (hasVoted[key][msg.sender]) revert AlreadyVoted(msg.sender);
        hasVoted[key][msg.sender] = true;
        uint256 count = ++votes[address(settlement)][claimHash];
        emit Voted(address(settlement), claimHash, msg.sender, count);
        if (count == threshold) settlement.resolve(claimHash);
    }
}
