// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Blockhash} from "@openzeppelin/contracts/utils/Blockhash.sol";
import {ConfigArgs} from "./CloneArgs.sol";
import {InboxQueue} from "./InboxQueue.sol";
import {BatchHeader, Config, Stage} from "./Types.sol";

interface ISettlementStage {
    function closingProposed() external view returns (bool);
    function settledClaim() external view returns (bytes32);
}

/// @title What goes into a rollup: the queue, the chain of batches, and the clock of its end
/// @notice A clone per rollup, whose address is the rollup's. Its immutable arguments are `abi.encode(config)`.
contract Inbox is InboxQueue {
    /// @dev What is kept of a batch; record 0 is the creation, its hash the genesis claim.
    struct Batch {
        bytes32 hash;
        uint64 queueUpTo;
        uint64 includedNumber;
        uint64 includedTime;
        uint64 originNumber;
    }

    uint8 private constant CODEC_FORCED = 0;
    uint8 private constant CODEC_BLOBS = 1;
    uint8 private constant CODEC_CALLDATA = 2;
    /// @notice Most blobs of a batch.
    uint256 public constant MAX_BLOBS = 6;

    mapping(uint64 seq => Batch) private _batches;

    uint64 private _endTime;
    uint64 private _closeTime;
    /// @notice Number of batches; the last one's `seq`.
    uint64 public batchCount;
    /// @notice When the sequencer last posted a batch, or the rollup was created.
    uint64 public lastSequencerTime;

    /// @notice Who asked for a freeze; 0 when nobody has.
    address public freezeRequester;
    /// @notice When the freeze was asked for.
    uint64 public freezeRequestedAt;
    /// @notice Whether the rollup is frozen.
    bool public frozen;
    bool private _swept;

    /// @notice The contract that holds the claims.
    address public settlement;

    /// @notice A batch joined the chain of batches.
    event BatchPosted(uint64 indexed seq, bytes32 indexed headerHash, BatchHeader header, bytes32[] blobHashes);
    /// @notice Somebody says that the sequencer is gone.
    event FreezeRequested(address by, uint64 requestedAt);
    /// @notice The sequencer answered, or the request lapsed.
    event FreezeCancelled();
    /// @notice The sequencer did not answer.
    event Frozen(uint64 closeTime);
    /// @notice The organiser ended the rollup before its time.
    event Ended(uint64 endTime, uint64 closeTime);

    error AlreadyInitialized();
    error NotSequencer(address caller);
    error NotOrganiser(address caller);
    error WrongSequence(uint64 seq, uint64 expected);
    error WrongParent(bytes32 parentHash, bytes32 expected);
    error OriginNotCanonical(uint64 originNumber, bytes32 originHash);
    error OriginDecreased(uint64 originNumber, uint64 last);
    error OriginTooOld(uint64 originNumber, uint256 maxLag);
    error QueueDecreased(uint64 queueUpTo, uint64 last);
    error QueueAheadOfOrigin(uint64 queueUpTo, uint64 originNumber);
    error OverdueItemLeftOut(uint64 index);
    error NothingOverdue();
    error Closed(uint64 closeTime);
    error NotClosed(uint64 closeTime);
    error IsFrozen();
    error UnknownCodec(uint8 codec);
    error BlobCount();
    error DataNotInTransaction();
    error WrongBond(uint256 paid, uint256 expected);
    error StillLive(uint256 until);
    error FreezeAlreadyRequested();
    error NoFreezeRequested();
    error FreezeTooEarly(uint256 until);
    error AlreadyEnded(uint64 endTime);

    /// @notice Called once by the factory, in the transaction that creates the clone; the payment is the genesis'
    /// native balances and moves on to the Vault.
    /// @param settlement_ The rollup's Settlement.
    /// @param vault_ The rollup's Vault.
    /// @param genesis The genesis claim hash, parent of the first batch.
    function initialize(address settlement_, address vault_, bytes32 genesis) external payable {
        if (vault != address(0)) revert AlreadyInitialized();
        settlement = settlement_;
        vault = vault_;
        uint64 number = uint64(block.number);
        uint64 time = uint64(block.timestamp);
        _batches[0] =
            Batch({hash: genesis, queueUpTo: 0, includedNumber: number, includedTime: time, originNumber: number});
        _endTime = uint64(ConfigArgs.endTime());
        _closeTime = uint64(ConfigArgs.endTime() + ConfigArgs.drain());
        lastSequencerTime = time;
        _openMarket();
        if (msg.value > 0) Address.sendValue(payable(vault_), msg.value);
    }

    /// @notice Appends a batch to the chain; the sequencer only. For codec 1 the transaction carries 1 … 6 blobs and
    /// `data` is empty; for codec 2 the sequencer is the transaction's sender and calls the Inbox itself, so that the
    /// data stands in the transaction's input.
    /// @param seq Number of the batch, from 1.
    /// @param parentHash Hash of the batch before; of the genesis claim for the first.
    /// @param originNumber Latest L1 block the batch's blocks refer to.
    /// @param originHash Its hash.
    /// @param queueUpTo Queue items consumed up to and including this batch.
    /// @param codec How the data is carried.
    /// @param extraRoot Commitment to further data; 0 in version 1.
    /// @param data The payload, for codec 2.
    function postBatch(
        uint64 seq,
        bytes32 parentHash,
        uint64 originNumber,
        bytes32 originHash,
        uint64 queueUpTo,
        uint8 codec,
        bytes32 extraRoot,
        bytes calldata data
    ) external {
        if (msg.sender != ConfigArgs.sequencer()) revert NotSequencer(msg.sender);
        if (frozen) revert IsFrozen();
        BatchHeader memory header;
        header.seq = seq;
        header.parentHash = parentHash;
        header.originNumber = originNumber;
        header.originHash = originHash;
        header.queueUpTo = queueUpTo;
        header.codec = codec;
        header.extraRoot = extraRoot;
        bytes32[] memory blobs;
        if (codec == CODEC_BLOBS) {
            if (data.length != 0) revert DataNotInTransaction();
            blobs = _blobHashes();
            header.dataHash = keccak256(abi.encodePacked(blobs));
        } else if (codec == CODEC_CALLDATA) {
            // An account with code could be called in the middle of a transaction, EIP-7702 delegations included.
            // solhint-disable-next-line avoid-tx-origin
            if (msg.sender != tx.origin || msg.sender.code.length != 0 || data.length == 0) {
                revert DataNotInTransaction();
            }
            header.dataHash = keccak256(data);
        } else {
            revert UnknownCodec(codec);
        }
        _append(header, blobs);
        lastSequencerTime = uint64(block.timestamp);
        if (freezeRequester != address(0)) _answerFreeze();
    }

    /// @notice Appends a batch without data, so that overdue queue items are consumed without the sequencer. Anyone.
    /// @param originNumber L1 block up to which the rollup's blocks refer; its hash is looked up.
    /// @param queueUpTo Queue items consumed up to and including this batch.
    function postForcedBatch(uint64 originNumber, uint64 queueUpTo) external {
        uint64 last = _batches[batchCount].queueUpTo;
        if (last >= queueLength() || !_overdue(last)) revert NothingOverdue();
        BatchHeader memory header;
        header.seq = batchCount + 1;
        header.parentHash = _batches[batchCount].hash;
        header.originNumber = originNumber;
        header.originHash = Blockhash.blockHash(originNumber);
        header.queueUpTo = queueUpTo;
        header.codec = CODEC_FORCED;
        _append(header, new bytes32[](0));
    }

    /// @notice Says that the sequencer is gone; costs the bond if it is not.
    function requestFreeze() external payable {
        if (frozen) revert IsFrozen();
        if (freezeRequester != address(0)) revert FreezeAlreadyRequested();
        if (block.timestamp >= _closeTime) revert Closed(_closeTime);
        uint256 until = lastSequencerTime + ConfigArgs.livenessWindow();
        if (block.timestamp < until) revert StillLive(until);
        if (msg.value != ConfigArgs.freezeBond()) revert WrongBond(msg.value, ConfigArgs.freezeBond());
        freezeRequester = msg.sender;
        freezeRequestedAt = uint64(block.timestamp);
        emit FreezeRequested(msg.sender, uint64(block.timestamp));
    }

    /// @notice Freezes the rollup when the sequencer left a request unanswered; the requester's bond comes back.
    function freeze() external {
        if (freezeRequester == address(0)) revert NoFreezeRequested();
        if (block.timestamp >= _closeTime) revert Closed(_closeTime);
        uint256 until = freezeRequestedAt + ConfigArgs.freezeDelay();
        if (block.timestamp <= until) revert FreezeTooEarly(until);
        frozen = true;
        uint64 close = uint64(block.timestamp + ConfigArgs.drain());
        if (close < _closeTime) _closeTime = close;
        emit Frozen(_closeTime);
        _endRequest(freezeRequester);
    }

    /// @notice Gives a request's bond back when the rollup closed before anything came of it.
    function lapseFreeze() external {
        if (freezeRequester == address(0)) revert NoFreezeRequested();
        if (block.timestamp < _closeTime) revert NotClosed(_closeTime);
        emit FreezeCancelled();
        _endRequest(freezeRequester);
    }

    /// @notice Ends the rollup now; the organiser only.
    function endEarly() external {
        if (msg.sender != ConfigArgs.organiser()) revert NotOrganiser(msg.sender);
        if (frozen) revert IsFrozen();
        if (block.timestamp >= _endTime) revert AlreadyEnded(_endTime);
        _endTime = uint64(block.timestamp);
        _closeTime = uint64(block.timestamp + ConfigArgs.drain());
        emit Ended(_endTime, _closeTime);
    }

    /// @notice Credits the fees of items that no batch included to the organiser, once the rollup is closed.
    function sweepFees() external {
        if (block.timestamp < _closeTime) revert NotClosed(_closeTime);
        if (_swept) revert NothingDue(ConfigArgs.organiser());
        _swept = true;
        _credit(ConfigArgs.organiser(), _feesUpTo(queueLength()) - _feesUpTo(_batches[batchCount].queueUpTo));
    }

    /// @notice The rollup's config; `chainId` is the final one.
    function config() external view returns (Config memory) {
        return ConfigArgs.full();
    }

    /// @notice Hash of a batch's header; the genesis claim hash for 0, 0 if there is no such batch.
    function batchHash(uint64 seq) external view returns (bytes32) {
        return _batches[seq].hash;
    }

    /// @notice Rolling hash of the queue items consumed up to and including a batch.
    function batchQueueHash(uint64 seq) external view returns (bytes32) {
        return _rollingUpTo(_batches[seq].queueUpTo);
    }

    /// @notice Everything kept of a batch.
    function batch(uint64 seq) external view returns (Batch memory) {
        return _batches[seq];
    }

    /// @notice Parent of the first batch and of the first claim.
    function genesisClaim() external view returns (bytes32) {
        return _batches[0].hash;
    }

    /// @notice Deposits are refused from here on.
    function endTime() external view returns (uint64) {
        return _endTime;
    }

    /// @inheritdoc InboxQueue
    function closeTime() public view override returns (uint64) {
        return _closeTime;
    }

    /// @notice Where the rollup stands.
    function stage() external view returns (Stage) {
        if (block.timestamp >= _closeTime) {
            if (ISettlementStage(settlement).settledClaim() != 0) return Stage.Settled;
            return ISettlementStage(settlement).closingProposed() ? Stage.Settling : Stage.Closing;
        }
        if (frozen) return Stage.Frozen;
        if (block.timestamp >= _endTime) return Stage.Draining;
        return batchCount == 0 ? Stage.Created : Stage.Active;
    }

    function _depositsOpen() internal view override returns (bool) {
        return block.timestamp < _endTime && !frozen;
    }

    /// @dev The rules that bind every batch; see docs/protocol/lifecycle.md.
    function _append(BatchHeader memory header, bytes32[] memory blobs) private {
        uint64 count = batchCount;
        Batch memory parent = _batches[count];
        if (block.timestamp >= _closeTime) revert Closed(_closeTime);
        if (header.seq != count + 1) revert WrongSequence(header.seq, count + 1);
        if (header.parentHash != parent.hash) revert WrongParent(header.parentHash, parent.hash);
        _checkOrigin(header, parent);
        _checkQueue(header, parent);
        header.includedNumber = uint64(block.number);
        header.includedTime = uint64(block.timestamp);
        bytes32 hash = keccak256(abi.encode(header));
        batchCount = header.seq;
        _batches[header.seq] = Batch({
            hash: hash,
            queueUpTo: header.queueUpTo,
            includedNumber: header.includedNumber,
            includedTime: header.includedTime,
            originNumber: header.originNumber
        });
        emit BatchPosted(header.seq, hash, header, blobs);
        _credit(msg.sender, _feesUpTo(header.queueUpTo) - _feesUpTo(parent.queueUpTo));
    }

    function _checkOrigin(BatchHeader memory header, Batch memory parent) private view {
        uint64 number = header.originNumber;
        if (number < parent.originNumber) revert OriginDecreased(number, parent.originNumber);
        uint256 lag = ConfigArgs.maxOriginLag();
        if (number + lag < block.number) revert OriginTooOld(number, lag);
        if (number >= block.number || header.originHash == 0 || Blockhash.blockHash(number) != header.originHash) {
            revert OriginNotCanonical(number, header.originHash);
        }
    }

    function _checkQueue(BatchHeader memory header, Batch memory parent) private view {
        uint64 upTo = header.queueUpTo;
        if (upTo < parent.queueUpTo) revert QueueDecreased(upTo, parent.queueUpTo);
        if (upTo > 0 && _item(upTo - 1).l1Block > header.originNumber) {
            revert QueueAheadOfOrigin(upTo, header.originNumber);
        }
        if (upTo < queueLength() && _overdue(upTo)) revert OverdueItemLeftOut(upTo);
    }

    function _overdue(uint64 index) private view returns (bool) {
        return block.timestamp > _item(index).time + ConfigArgs.forceWindow();
    }

    function _blobHashes() private view returns (bytes32[] memory blobs) {
        uint256 count = 0;
        while (count <= MAX_BLOBS && blobhash(count) != 0) {
            ++count;
        }
        if (count == 0 || count > MAX_BLOBS) revert BlobCount();
        blobs = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            blobs[i] = blobhash(i);
        }
    }

    /// @dev The sequencer is alive. In time the bond is its own; later the request is void, but was right.
    function _answerFreeze() private {
        bool inTime = block.timestamp <= freezeRequestedAt + ConfigArgs.freezeDelay();
        emit FreezeCancelled();
        _endRequest(inTime ? msg.sender : freezeRequester);
    }

    function _endRequest(address bondTo) private {
        freezeRequester = address(0);
        freezeRequestedAt = 0;
        _credit(bondTo, ConfigArgs.freezeBond());
    }
}
