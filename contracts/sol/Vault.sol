// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {BitMaps} from "@openzeppelin/contracts/utils/structs/BitMaps.sol";
import {CallExecutor} from "./CallExecutor.sol";
import {CloneArgs} from "./CloneArgs.sol";
import {ISettlementMinter} from "./ISettlementMinter.sol";
import {LeafRange} from "./LeafRange.sol";
import {MessageProof} from "./MessageProof.sol";
import {SettledToken} from "./SettledToken.sol";
import {Kind, Leaf, Message} from "./Types.sol";

interface IFinalRoots {
    function finalWithdrawalRoot(bytes32 claimHash) external view returns (bytes32);
    function settlementRoot() external view returns (bytes32);
}

/// @title Custody of one rollup's assets
/// @notice Releases assets against final claims and can do nothing else. A clone per rollup with immutable arguments
/// `abi.encode(inbox, settlement, minter, rollupChainId)`. See docs/protocol/settlement.md.
contract Vault is EIP712, ReentrancyGuardTransient, IERC1155Receiver {
    using BitMaps for BitMaps.BitMap;
    using SafeERC20 for IERC20;

    /// @notice EIP-712 type by which a recipient sends its leaf elsewhere.
    bytes32 public constant CLAIM_FOR_TYPEHASH = keccak256("ClaimFor(uint256 index,address to,uint256 deadline)");
    /// @notice Gas that one leaf of a batch may use.
    uint256 public constant BATCH_LEAF_GAS = 600_000;
    /// @notice Most leaves of one range: a bit of `chosen` each.
    uint256 public constant MAX_RANGE_LEAVES = 256;

    /// @dev Kept back per leaf of a batch for the loop itself and the 64th that EIP-150 withholds.
    uint256 private constant BATCH_LEAF_RESERVE = 40_000;

    address private immutable _settled721;
    address private immutable _settled1155;
    address private immutable _executor;

    BitMaps.BitMap private _messages;
    BitMaps.BitMap private _leaves;

    /// @dev The collection that minted last in this transaction, and its contract: neighbours in a batch share it, and
    /// to compute its address for each would cost as much as a proof.
    address private transient _lastCollection;
    uint8 private transient _lastKind;
    address private transient _lastSettled;

    /// @notice A message of the rollup was carried out.
    event Withdrawn(
        uint64 indexed index, uint8 kind, address indexed to, address token, uint256 tokenId, uint256 amount
    );
    /// @notice A leaf was paid to `to`.
    event Claimed(
        uint256 indexed index, uint8 kind, address indexed to, address token, uint256 tokenId, uint256 amount
    );
    /// @notice A leaf of a batch could not be paid; it can be claimed again.
    event ClaimSkipped(uint256 indexed index);
    /// @notice A collection born on the rollup got its contract on L1.
    event CollectionDeployed(uint8 kind, address indexed collection, address indexed settled);

    error NotInbox(address caller);
    error NotSelf(address caller);
    error InvalidProof(uint256 index);
    error AlreadyWithdrawn(uint64 index);
    error AlreadyClaimed(uint256 index);
    error UnknownKind(uint8 kind);
    error SignatureExpired(uint256 deadline);
    error InvalidSignature(address recipient);
    error ZeroRecipient();
    error WrongDescription(address collection);
    error MinterIsNamed(address minter);
    error BatchShape(uint256 leaves, uint256 proofs);
    error RangeSize(uint256 leaves);

    /// @param settled721 Implementation of settled ERC-721 collections.
    /// @param settled1155 Implementation of settled ERC-1155 collections.
    /// @param executor Implementation of call executors.
    constructor(address settled721, address settled1155, address executor) EIP712("Mayfly", "1") {
        _settled721 = settled721;
        _settled1155 = settled1155;
        _executor = executor;
    }

    /// @notice Native deposits and the genesis' balances; from the Inbox only.
    receive() external payable {
        if (msg.sender != inbox()) revert NotInbox(msg.sender);
    }

    /// @notice Carries out a message of the rollup: releases an asset, or makes a call. Anyone; the message names the
    /// recipient. Reverts if that fails, and can then be tried again. Stays possible after settlement.
    /// @param claimHash A final claim whose withdrawal root holds the message.
    /// @param message The message.
    /// @param proof Siblings from the leaf to the root.
    function withdraw(bytes32 claimHash, Message calldata message, bytes32[32] calldata proof) external nonReentrant {
        bytes32 root = IFinalRoots(settlement()).finalWithdrawalRoot(claimHash);
        if (MessageProof.rootOf(MessageProof.leafOf(rollupChainId(), message), message.index, proof) != root) {
            revert InvalidProof(message.index);
        }
        if (_messages.get(message.index)) revert AlreadyWithdrawn(message.index);
        _messages.set(message.index);
        emit Withdrawn(message.index, message.kind, message.to, message.token, message.tokenId, message.amount);
        if (message.kind == Kind.CALL) {
            _deployExecutor().execute(message.sender, message.to, message.data);
        } else {
            _release(message.kind, message.token, message.tokenId, message.amount, message.to);
        }
    }

    /// @notice Pays a leaf of the settlement to its recipient. Anyone.
    /// @param leaf The leaf.
    /// @param proof Its proof, as OpenZeppelin's MerkleProof takes it.
    function claim(Leaf calldata leaf, bytes32[] calldata proof) external nonReentrant {
        _spend(leaf, proof);
        _pay(leaf, leaf.recipient);
    }

    /// @notice Pays many leaves. One that cannot be paid is skipped and stays claimable; each may use
    /// {BATCH_LEAF_GAS}. Stops early, without harm, when less gas is left than a leaf may use.
    /// @param leaves The leaves.
    /// @param proofs A proof for each.
    /// @return paid Number of leaves paid.
    function claimBatch(Leaf[] calldata leaves, bytes32[][] calldata proofs)
        external
        nonReentrant
        returns (uint256 paid)
    {
        if (leaves.length != proofs.length) revert BatchShape(leaves.length, proofs.length);
        for (uint256 i = 0; i < leaves.length && _canStartLeaf(); ++i) {
            bytes memory input = abi.encodeCall(this.claimOfBatch, (leaves[i], proofs[i]));
            bool ok;
            assembly ("memory-safe") {
                ok := call(BATCH_LEAF_GAS, address(), 0, add(input, 32), mload(input), 0, 0)
            }
            if (ok) ++paid;
            else emit ClaimSkipped(leaves[i].index);
        }
    }

    /// @notice One leaf of {claimBatch}; the Vault itself only.
    function claimOfBatch(Leaf calldata leaf, bytes32[] calldata proof) external {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        _spend(leaf, proof);
        _pay(leaf, leaf.recipient);
    }

    /// @notice Pays neighbouring leaves under one proof, otherwise as {claimBatch} does.
    /// @param leaves All leaves of the range in order, those not to be paid included. The first index is a multiple of
    /// a power of two; there are that many leaves, or those up to the settlement's last.
    /// @param chosen Bit i says whether to pay leaf i of the range; bits beyond the range say nothing.
    /// @param proof Proof of the root over the range, as OpenZeppelin's MerkleProof takes it for a leaf.
    /// @return paid Number of leaves paid.
    function claimRange(Leaf[] calldata leaves, uint256 chosen, bytes32[] calldata proof)
        external
        nonReentrant
        returns (uint256 paid)
    {
        if (leaves.length == 0 || leaves.length > MAX_RANGE_LEAVES) revert RangeSize(leaves.length);
        bytes32 root = IFinalRoots(settlement()).settlementRoot();
        bytes32 node = LeafRange.rootOf(inbox(), leaves);
        if (!MerkleProof.verifyCalldata(proof, root, node)) revert InvalidProof(leaves[0].index);
        bytes4 selector = this.payOfRange.selector;
        for (uint256 i = 0; i < leaves.length && _canStartLeaf(); ++i) {
            if ((chosen >> i) & 1 == 0) continue;
            Leaf calldata leaf = leaves[i];
            bool ok;
            assembly ("memory-safe") {
                let input := mload(0x40)
                mstore(input, selector)
                calldatacopy(add(input, 4), leaf, 0xc0)
                ok := call(BATCH_LEAF_GAS, address(), 0, input, 0xc4, 0, 0)
            }
            if (ok) ++paid;
            else emit ClaimSkipped(leaf.index);
        }
    }

    /// @notice One leaf of {claimRange}, which has proven it; the Vault itself only. The Vault makes no call whose
    /// target and selector somebody else chooses, so nobody else can make it call this.
    function payOfRange(Leaf calldata leaf) external {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        _nullify(leaf.index);
        _pay(leaf, leaf.recipient);
    }

    /// @notice Pays a leaf to another account, which its recipient names by an EIP-712 signature (ERC-1271 for
    /// contracts) over `ClaimFor(uint256 index,address to,uint256 deadline)`.
    /// @param leaf The leaf.
    /// @param proof Its proof.
    /// @param to Who is paid.
    /// @param deadline Last timestamp at which the signature holds.
    /// @param signature The recipient's signature.
    function claimFor(
        Leaf calldata leaf,
        bytes32[] calldata proof,
        address to,
        uint256 deadline,
        bytes calldata signature
    ) external nonReentrant {
        if (block.timestamp > deadline) revert SignatureExpired(deadline);
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(CLAIM_FOR_TYPEHASH, leaf.index, to, deadline)));
        if (!SignatureChecker.isValidSignatureNow(leaf.recipient, digest, signature)) {
            revert InvalidSignature(leaf.recipient);
        }
        _spend(leaf, proof);
        _pay(leaf, to);
    }

    /// @notice Gives a collection born on the rollup its name, symbol and base URI on L1. Anyone, once.
    /// @param name Name registered on the rollup.
    /// @param symbol Symbol registered on the rollup.
    /// @param baseURI Base URI registered on the rollup.
    /// @param leaf The leaf of kind 6 that commits to them.
    /// @param proof Its proof.
    function describeCollection(
        string calldata name,
        string calldata symbol,
        string calldata baseURI,
        Leaf calldata leaf,
        bytes32[] calldata proof
    ) external nonReentrant {
        if (minter() != address(0)) revert MinterIsNamed(minter());
        bool born = leaf.amount == Kind.BORN_ERC721 || leaf.amount == Kind.BORN_ERC1155;
        bool same = leaf.tokenId == uint256(keccak256(abi.encode(name, symbol, baseURI)));
        if (leaf.kind != Kind.DESCRIPTION || !born || !same) revert WrongDescription(leaf.token);
        _spend(leaf, proof);
        // `born` bounds the amount.
        // forge-lint: disable-next-line(unsafe-typecast)
        SettledToken(_deployCollection(uint8(leaf.amount), leaf.token)).describe(name, symbol, baseURI);
        emit Claimed(leaf.index, leaf.kind, leaf.recipient, leaf.token, leaf.tokenId, leaf.amount);
    }

    /// @notice The rollup.
    function inbox() public view returns (address) {
        return CloneArgs.addressAt(0);
    }

    /// @notice The contract that holds the claims.
    function settlement() public view returns (address) {
        return CloneArgs.addressAt(1);
    }

    /// @notice The organiser's minter; 0 when the Vault's own clones mint.
    function minter() public view returns (address) {
        return CloneArgs.addressAt(2);
    }

    /// @notice Chain id of the rollup.
    function rollupChainId() public view returns (uint256) {
        return CloneArgs.word(3);
    }

    /// @notice Whether the message with this index was carried out.
    function isWithdrawn(uint64 index) external view returns (bool) {
        return _messages.get(index);
    }

    /// @notice Whether the leaf with this index was claimed.
    function isClaimed(uint256 index) external view returns (bool) {
        return _leaves.get(index);
    }

    /// @notice Which of the leaves from index 256 · `word` on were claimed; the lowest bit is the first.
    function claimedWord(uint256 word) external view returns (uint256) {
        return _leaves._data[word];
    }

    /// @notice Hash of a leaf of this rollup.
    function hashLeaf(Leaf calldata leaf) public view returns (bytes32) {
        return LeafRange.hashOf(inbox(), leaf);
    }

    /// @notice Where a collection born on the rollup stands on L1, deployed or not.
    /// @param kind 4 for ERC-721, 5 for ERC-1155.
    /// @param collection Its address on the rollup.
    function settledCollection(uint8 kind, address collection) public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(
            _settledImplementation(kind), _collectionArgs(collection), _collectionSalt(collection)
        );
    }

    /// @notice The contract that makes the rollup's calls, deployed or not.
    function callExecutor() public view returns (address) {
        return Clones.predictDeterministicAddressWithImmutableArgs(_executor, _executorArgs(), 0);
    }

    /// @notice Accepts ERC-1155 tokens that the Inbox takes in; no others.
    function onERC1155Received(address operator, address, uint256, uint256, bytes calldata)
        external
        view
        returns (bytes4)
    {
        if (operator != inbox()) revert NotInbox(operator);
        return this.onERC1155Received.selector;
    }

    /// @notice Batches are never taken in.
    function onERC1155BatchReceived(address operator, address, uint256[] calldata, uint256[] calldata, bytes calldata)
        external
        pure
        returns (bytes4)
    {
        revert NotInbox(operator);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IERC1155Receiver).interfaceId || interfaceId == type(IERC165).interfaceId;
    }

    /// @dev Checks the leaf against the settlement and marks it as claimed.
    function _spend(Leaf calldata leaf, bytes32[] calldata proof) private {
        bytes32 root = IFinalRoots(settlement()).settlementRoot();
        if (!MerkleProof.verifyCalldata(proof, root, hashLeaf(leaf))) revert InvalidProof(leaf.index);
        _nullify(leaf.index);
    }

    function _nullify(uint256 index) private {
        if (_leaves.get(index)) revert AlreadyClaimed(index);
        _leaves.set(index);
    }

    /// @dev Whether enough gas is left for one more leaf of a batch.
    function _canStartLeaf() private view returns (bool) {
        return gasleft() >= BATCH_LEAF_GAS + BATCH_LEAF_GAS / 63 + BATCH_LEAF_RESERVE;
    }

    function _pay(Leaf calldata leaf, address to) private {
        if (to == address(0)) revert ZeroRecipient();
        emit Claimed(leaf.index, leaf.kind, to, leaf.token, leaf.tokenId, leaf.amount);
        if (leaf.kind == Kind.BORN_ERC721 || leaf.kind == Kind.BORN_ERC1155) {
            address target = minter();
            if (target == address(0)) target = _deployCollection(leaf.kind, leaf.token);
            ISettlementMinter(target).mint(leaf.token, leaf.kind, to, leaf.tokenId, leaf.amount);
        } else {
            _release(leaf.kind, leaf.token, leaf.tokenId, leaf.amount, to);
        }
    }

    function _release(uint8 kind, address token, uint256 tokenId, uint256 amount, address to) private {
        if (kind == Kind.ETH) Address.sendValue(payable(to), amount);
        else if (kind == Kind.ERC20) IERC20(token).safeTransfer(to, amount);
        else if (kind == Kind.ERC721) IERC721(token).transferFrom(address(this), to, tokenId);
        else if (kind == Kind.ERC1155) IERC1155(token).safeTransferFrom(address(this), to, tokenId, amount, "");
        else revert UnknownKind(kind);
    }

    function _deployCollection(uint8 kind, address collection) private returns (address settled) {
        if (collection == _lastCollection && kind == _lastKind) return _lastSettled;
        settled = settledCollection(kind, collection);
        if (settled.code.length == 0) {
            Clones.cloneDeterministicWithImmutableArgs(
                _settledImplementation(kind), _collectionArgs(collection), _collectionSalt(collection)
            );
            emit CollectionDeployed(kind, collection, settled);
        }
        (_lastCollection, _lastKind, _lastSettled) = (collection, kind, settled);
    }

    function _deployExecutor() private returns (CallExecutor executor) {
        executor = CallExecutor(callExecutor());
        if (address(executor).code.length == 0) {
            Clones.cloneDeterministicWithImmutableArgs(_executor, _executorArgs(), 0);
        }
    }

    function _settledImplementation(uint8 kind) private view returns (address) {
        if (kind == Kind.BORN_ERC721) return _settled721;
        if (kind == Kind.BORN_ERC1155) return _settled1155;
        revert UnknownKind(kind);
    }

    function _collectionArgs(address collection) private view returns (bytes memory) {
        return abi.encode(address(this), inbox(), collection);
    }

    function _collectionSalt(address collection) private pure returns (bytes32) {
        return bytes32(uint256(uint160(collection)));
    }

    function _executorArgs() private view returns (bytes memory) {
        return abi.encode(address(this), inbox());
    }
}
