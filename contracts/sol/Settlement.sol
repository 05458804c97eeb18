// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ConfigArgs} from "./CloneArgs.sol";
import {Contests} from "./Contests.sol";
import {Inbox} from "./Inbox.sol";
import {Claim} from "./Types.sol";

/// @title The claims about one rollup and how they become final
/// @notice A clone per rollup; its immutable arguments are `abi.encode(config)`. See docs/protocol/settlement.md.
contract Settlement is Contests, EIP712 {
    /// @notice EIP-712 type that attesters sign.
    bytes32 public constant ATTESTATION_TYPEHASH = keccak256("Attestation(bytes32 claim)");
    /// @notice Longest leaf file that a closing claim may carry.
    uint256 public constant MAX_LEAVES_BYTES = 96 * 1024;
    /// @notice The attesters' escrow pays for this many claims.
    uint256 public constant PAID_CLAIMS = 64;

    /// @notice The rollup.
    Inbox public inbox;
    /// @notice The closing claim that settled the rollup; 0 before.
    bytes32 public settledClaim;
    /// @notice Whether a closing claim was proposed.
    bool public closingProposed;
    /// @notice What is left to pay attesters with, in wei.
    uint256 public attestationEscrow;

    /// @notice Claims that became final after the rollup was settled: their bonds are free, their roots release nothing.
    mapping(bytes32 claimHash => bool) public finalTooLate;

    mapping(bytes32 claimHash => Claim) private _claims;
    mapping(bytes32 claimHash => uint256 bitmap) private _attested;
    mapping(uint64 batchSeq => bool) private _paid;

    /// @notice A claim was proposed with its bond.
    event ClaimProposed(bytes32 indexed claimHash, bytes32 indexed contest, address proposer, Claim claim);
    /// @notice The transaction's input carries the leaf file of a closing claim.
    event LeavesCarried(bytes32 indexed claimHash, bytes32 dataHash, uint256 sizeBytes);
    /// @notice An attester's signature was counted.
    event Attested(bytes32 indexed claimHash, address indexed attester, uint256 count);
    /// @notice A claim is final; it cannot change any more.
    event ClaimFinal(bytes32 indexed claimHash, Claim claim);

    error AlreadyInitialized();
    error WrongBond(uint256 paid, uint256 expected);
    error AlreadyProposed(bytes32 claimHash);
    error UnknownParent(bytes32 parent);
    error ParentRejected(bytes32 parent);
    error ParentClosing(bytes32 parent);
    error WrongBatch(uint64 batchSeq);
    error WrongBatchHash(bytes32 batchHash, bytes32 expected);
    error WrongQueueHash(bytes32 queueHash, bytes32 expected);
    error NotClosing();
    error NotClosed(uint64 closeTime);
    error WrongCloseBlock(uint64 closeNumber, bytes32 closeHash);
    error LeavesTooLong(uint256 size, uint256 limit);
    error NotAttester(address signer);
    error NotFinalizable(bytes32 claimHash);
    error ParentNotFinal(bytes32 parent);
    error NotFinal(bytes32 claimHash);
    error NotSettled();
    error AlreadySettled(bytes32 claimHash);
    error FinalAfterSettlement(bytes32 claimHash);

    constructor() EIP712("Mayfly", "1") {}

    /// @notice Called once by the factory, in the transaction that creates the clone; the payment is the close reward
    /// and the attesters' escrow.
    /// @param inbox_ The rollup's Inbox.
    function initialize(Inbox inbox_) external payable {
        if (address(inbox) != address(0)) revert AlreadyInitialized();
        inbox = inbox_;
        attestationEscrow = msg.value - ConfigArgs.closeReward();
    }

    /// @notice Proposes a claim, with a bond. The second one of a contest is a rival and starts a dispute.
    /// @param claim_ What the proposer says.
    /// @param leaves Leaf file of a closing claim, or empty; kept by the transaction's input alone.
    /// @return hash The claim's hash.
    function proposeClaim(Claim calldata claim_, bytes calldata leaves) external payable returns (bytes32 hash) {
        if (settledClaim != 0) revert AlreadySettled(settledClaim);
        if (msg.value != ConfigArgs.claimBond()) revert WrongBond(msg.value, ConfigArgs.claimBond());
        hash = hashClaim(claim_);
        if (_records[hash].status != Status.None) revert AlreadyProposed(hash);
        bool closing = claim_.closeNumber != 0;
        _checkParent(claim_, closing);
        if (closing) {
            _checkClosing(claim_);
            closingProposed = true;
        } else {
            _checkInterim(claim_);
        }
        _claims[hash] = claim_;
        if (leaves.length > 0) _carry(hash, leaves);
        bytes32 contest = keccak256(abi.encode(claim_.parent, claim_.batchSeq, closing));
        emit ClaimProposed(hash, contest, msg.sender, claim_);
        _enter(contest, hash);
    }

    /// @notice Puts a leaf file into a transaction's input; the contract only logs it. Anyone, at any time: a claim's
    /// hash does not cover the file that came with it, so the right claim may stand without the right file.
    /// @param claimHash A closing claim.
    /// @param leaves Its leaf file.
    function carryLeaves(bytes32 claimHash, bytes calldata leaves) external {
        _carry(claimHash, leaves);
    }

    /// @notice Counts attesters' EIP-712 signatures over `Attestation(bytes32 claim)`. Anyone may deliver them; one
    /// that was counted before is passed over.
    /// @param claimHash_ The claim.
    /// @param signatures One per attester, in any order.
    function attest(bytes32 claimHash_, bytes[] calldata signatures) external {
        _requirePending(claimHash_);
        bytes32 digest = attestationDigest(claimHash_);
        uint256 bitmap = _attested[claimHash_];
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = ECDSA.recover(digest, signatures[i]);
            uint256 bit = 1 << _attesterIndex(signer);
            if (bitmap & bit != 0) continue;
            bitmap |= bit;
            emit Attested(claimHash_, signer, _count(bitmap));
        }
        _attested[claimHash_] = bitmap;
    }

    /// @notice Makes a claim final: its parent is, and it was attested by the quorum and is old enough, or stood
    /// unrivalled for the challenge window, or won its dispute. Anyone. Once the rollup is settled this only frees
    /// bonds: nobody watches claims any more.
    /// @param claimHash_ The claim.
    function finalize(bytes32 claimHash_) external {
        _requirePending(claimHash_);
        Claim memory claim_ = _claims[claimHash_];
        if (claim_.parent != inbox.genesisClaim() && _records[claim_.parent].status != Status.Final) {
            revert ParentNotFinal(claim_.parent);
        }
        if (!finalizable(claimHash_)) revert NotFinalizable(claimHash_);
        _win(claimHash_);
        emit ClaimFinal(claimHash_, claim_);
        if (settledClaim != 0) {
            finalTooLate[claimHash_] = true;
            return;
        }
        _payAttesters(claimHash_, claim_);
        if (claim_.closeNumber != 0) {
            settledClaim = claimHash_;
            _credit(_records[claimHash_].proposer, ConfigArgs.closeReward());
        }
    }

    /// @notice Marks a claim as rejected: another of its contest is final, or its parent was rejected. The bond of a
    /// claim that fell with its parent goes to the claim that won against that parent. Anyone.
    /// @param claimHash_ The claim.
    function reap(bytes32 claimHash_) external {
        _reap(claimHash_, _claims[claimHash_].parent);
    }

    /// @notice Credits what no attester earned to the organiser, once the rollup is settled.
    function sweepEscrow() external {
        if (settledClaim == 0) revert NotSettled();
        uint256 amount = attestationEscrow;
        if (amount == 0) revert NothingDue(ConfigArgs.organiser());
        attestationEscrow = 0;
        _credit(ConfigArgs.organiser(), amount);
    }

    /// @notice Hash of a claim about this rollup.
    function hashClaim(Claim calldata claim_) public view returns (bytes32) {
        return keccak256(abi.encode("mayfly claim v1", block.chainid, address(inbox), claim_));
    }

    /// @notice What an attester signs.
    function attestationDigest(bytes32 claimHash_) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ATTESTATION_TYPEHASH, claimHash_)));
    }

    /// @notice Whether a pending claim has won, its parent aside.
    function finalizable(bytes32 claimHash_) public view returns (bool) {
        Record storage record = _records[claimHash_];
        if (record.status != Status.Pending) return false;
        Contest storage contest_ = _contests[record.contest];
        if (contest_.winner != 0 || contest_.rivalAt != 0) return _decided(contest_) == claimHash_;
        if (block.timestamp >= record.proposedAt + ConfigArgs.challengeWindow()) return true;
        uint256 quorum = ConfigArgs.quorum();
        if (quorum == 0 || _count(_attested[claimHash_]) < quorum) return false;
        // The claim is younger than its batch and its closing block. Counting from those alone would leave a claim
        // that comes late no block in which to rival it.
        uint256 since = contest_.openedNumber;
        return block.number >= since + ConfigArgs.minDelayBlocks();
    }

    /// @notice A proposed claim.
    function claim(bytes32 claimHash_) external view returns (Claim memory) {
        return _claims[claimHash_];
    }

    /// @notice Attesters counted for a claim, bit i for attester i of the config.
    function attestations(bytes32 claimHash_) external view returns (uint256 bitmap, uint256 count) {
        bitmap = _attested[claimHash_];
        count = _count(bitmap);
    }

    /// @notice Withdrawal root of a claim that was final when the rollup was settled; reverts for any other. The
    /// settled claim's own root holds every message.
    function finalWithdrawalRoot(bytes32 claimHash_) external view returns (bytes32) {
        if (_records[claimHash_].status != Status.Final) revert NotFinal(claimHash_);
        if (finalTooLate[claimHash_]) revert FinalAfterSettlement(claimHash_);
        return _claims[claimHash_].withdrawalRoot;
    }

    /// @notice Settlement root of the settled rollup; reverts before.
    function settlementRoot() external view returns (bytes32) {
        if (settledClaim == 0) revert NotSettled();
        return _claims[settledClaim].settlementRoot;
    }

    function _carry(bytes32 claimHash_, bytes calldata leaves) private {
        if (_claims[claimHash_].closeNumber == 0) revert NotClosing();
        if (leaves.length > MAX_LEAVES_BYTES) revert LeavesTooLong(leaves.length, MAX_LEAVES_BYTES);
        emit LeavesCarried(claimHash_, keccak256(leaves), leaves.length);
    }

    function _checkParent(Claim calldata claim_, bool closing) private view {
        uint64 parentSeq = 0;
        if (claim_.parent != inbox.genesisClaim()) {
            Status status = statusOf(claim_.parent);
            if (status == Status.None) revert UnknownParent(claim_.parent);
            if (status == Status.Rejected) revert ParentRejected(claim_.parent);
            if (_claims[claim_.parent].closeNumber != 0) revert ParentClosing(claim_.parent);
            parentSeq = _claims[claim_.parent].batchSeq;
        }
        uint64 count = inbox.batchCount();
        bool right = closing ? claim_.batchSeq == count : claim_.batchSeq > parentSeq && claim_.batchSeq <= count;
        if (!right) revert WrongBatch(claim_.batchSeq);
        bytes32 batchHash = inbox.batchHash(claim_.batchSeq);
        if (claim_.batchHash != batchHash) revert WrongBatchHash(claim_.batchHash, batchHash);
    }

    function _checkInterim(Claim calldata claim_) private view {
        bytes32 queueHash = inbox.batchQueueHash(claim_.batchSeq);
        if (claim_.queueHash != queueHash) revert WrongQueueHash(claim_.queueHash, queueHash);
        if (claim_.closeHash != 0 || claim_.settlementRoot != 0) revert NotClosing();
    }

    function _checkClosing(Claim calldata claim_) private view {
        if (block.timestamp < inbox.closeTime()) revert NotClosed(inbox.closeTime());
        bytes32 queueHash = inbox.queueHash();
        if (claim_.queueHash != queueHash) revert WrongQueueHash(claim_.queueHash, queueHash);
        bytes32 canonical = Blockhash.blockHash(claim_.closeNumber);
        bool wrong = canonical != 0 && canonical != claim_.closeHash;
        if (wrong || claim_.closeHash == 0 || claim_.closeNumber >= block.number) {
            revert WrongCloseBlock(claim_.closeNumber, claim_.closeHash);
        }
    }

    /// @dev Once a batch, as claims about one batch under many parents cost their proposer nothing; and the share of
    /// the closing claim, which matters most, stays in the escrow until then.
    function _payAttesters(bytes32 claimHash_, Claim memory claim_) private {
        uint256 fee = ConfigArgs.attestationFee();
        uint256 bitmap = _attested[claimHash_];
        if (fee == 0 || bitmap == 0) return;
        uint256 kept = 0;
        if (claim_.closeNumber == 0) {
            if (_paid[claim_.batchSeq]) return;
            _paid[claim_.batchSeq] = true;
            kept = fee * ConfigArgs.attesterCount();
        }
        uint256 escrow = attestationEscrow;
        for (uint256 i = 0; bitmap >> i != 0; ++i) {
            if ((bitmap >> i) & 1 == 0 || escrow < kept + fee) continue;
            escrow -= fee;
            _credit(ConfigArgs.attester(i), fee);
        }
        attestationEscrow = escrow;
    }

    function _attesterIndex(address signer) private view returns (uint256) {
        uint256 count = ConfigArgs.attesterCount();
        for (uint256 i = 0; i < count; ++i) {
            if (ConfigArgs.attester(i) == signer) return i;
        }
        revert NotAttester(signer);
    }

    function _count(uint256 bitmap) private pure returns (uint256 count) {
        for (; bitmap != 0; bitmap &= bitmap - 1) {
            ++count;
        }
    }
}
