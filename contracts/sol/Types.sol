// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice The time limits of a config, in seconds; delays, depths and lags in L1 blocks. Apart from the rest only
/// because tools limit the fields of a struct; a static struct is encoded in place.
struct Windows {
    uint64 forceWindow;
    uint64 livenessWindow;
    uint64 freezeDelay;
    uint64 proposeWindow;
    uint64 challengeWindow;
    uint64 resolverTimeout;
    uint64 escalationWindow;
    uint64 minDelayBlocks;
    uint64 confDepth;
    uint64 maxOriginLag;
    uint64 maxDrift;
    uint64 claimInterval;
}

/// @notice What an organiser chooses for one rollup; times in seconds. See docs/protocol/lifecycle.md.
struct Config {
    uint32 protocolVersion;
    uint64 chainId;
    address organiser;
    address sequencer;
    address receiptSigner;
    address resolver;
    address[] attesters;
    uint8 quorum;
    uint64 endTime;
    uint64 drain;
    uint64 blockGasLimit;
    uint32 blockTimeMs;
    Windows windows;
    uint256 claimBond;
    uint256 freezeBond;
    uint256 closeReward;
    uint256 attestationFee;
    uint256 maxTvl;
    uint8 daMode;
    address minter;
    uint256 forceGasTarget;
}

/// @notice A native balance in the rollup's genesis.
struct Allocation {
    address to;
    uint256 amount;
}

/// @notice A link of the batch chain; its hash is `keccak256(abi.encode(header))`.
struct BatchHeader {
    uint64 seq;
    bytes32 parentHash;
    uint64 originNumber;
    bytes32 originHash;
    uint64 queueUpTo;
    uint8 codec;
    bytes32 dataHash;
    bytes32 extraRoot;
    uint64 includedNumber;
    uint64 includedTime;
}

/// @notice What a proposer says about the rollup after a batch, or at its end. See docs/protocol/settlement.md.
struct Claim {
    bytes32 parent;
    uint64 batchSeq;
    bytes32 batchHash;
    bytes32 queueHash;
    uint64 closeNumber;
    bytes32 closeHash;
    uint64 blockNumber;
    bytes32 blockHash;
    bytes32 stateRoot;
    bytes32 withdrawalRoot;
    bytes32 receiptRoot;
    bytes32 settlementRoot;
}

/// @notice A message from the rollup to L1: an asset released, or a call.
struct Message {
    uint64 index;
    uint8 kind;
    address sender;
    address token;
    uint256 tokenId;
    uint256 amount;
    address to;
    bytes data;
}

/// @notice What one owner holds of one asset when the rollup closed.
struct Leaf {
    uint256 index;
    uint8 kind;
    address token;
    uint256 tokenId;
    uint256 amount;
    address recipient;
}

/// @notice Where a rollup stands, as far as L1 knows.
enum Stage {
    Created,
    Active,
    Draining,
    Frozen,
    Closing,
    Settling,
    Settled
}

/// @dev Kinds of assets in queue items, messages and leaves.
library Kind {
    uint8 internal constant ETH = 0;
    uint8 internal constant ERC20 = 1;
    uint8 internal constant ERC721 = 2;
    uint8 internal constant ERC1155 = 3;
    /// @dev A transaction forced through L1 (queue items only).
    uint8 internal constant FORCED = 4;
    /// @dev An ERC-721 collection born on the rollup (leaves only).
    uint8 internal constant BORN_ERC721 = 4;
    /// @dev An ERC-1155 collection born on the rollup (leaves only).
    uint8 internal constant BORN_ERC1155 = 5;
    /// @dev A call (messages only).
    uint8 internal constant CALL = 6;
    /// @dev The description of a collection born on the rollup (leaves only).
    uint8 internal constant DESCRIPTION = 6;
}
