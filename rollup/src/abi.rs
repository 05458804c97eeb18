//! The structs that rollup and L1 contracts hash alike.

use alloy_primitives::{Address, U256};
use alloy_sol_types::sol;
use serde::{Deserialize, Serialize};

/// What an organiser chooses for one rollup; times in seconds (`docs/protocol/lifecycle.md`). The field names are
/// those of the Solidity struct.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Version of the protocol.
    pub protocol_version: u32,
    /// Chain id of the rollup; 0 lets the factory derive it.
    pub chain_id: u64,
    /// Fee recipient; may end the rollup early.
    pub organiser: Address,
    /// May post batches.
    pub sequencer: Address,
    /// Signs receipts.
    pub receipt_signer: Address,
    /// Decides disputes; 0 for nobody.
    pub resolver: Address,
    /// May attest claims.
    pub attesters: Vec<Address>,
    /// Attestations that make a claim final; 0 switches that path off.
    pub quorum: u8,
    /// When deposits end.
    pub end_time: u64,
    /// Seconds to unwind after the end.
    pub drain: u64,
    /// Gas of one block.
    pub block_gas_limit: u64,
    /// Longest time between blocks while there is work.
    pub block_time_ms: u32,
    /// Seconds after which a queue item must be in the next batch.
    pub force_window: u64,
    /// Seconds without a batch after which a freeze may be asked for.
    pub liveness_window: u64,
    /// Seconds for the sequencer to answer.
    pub freeze_delay: u64,
    /// Seconds to propose a closing claim.
    pub propose_window: u64,
    /// Seconds to rival a claim.
    pub challenge_window: u64,
    /// Seconds for the resolver to decide.
    pub resolver_timeout: u64,
    /// Seconds to outbid the leading claim.
    pub escalation_window: u64,
    /// L1 blocks after the last batch before attestations count.
    pub min_delay_blocks: u64,
    /// L1 blocks on top of an origin when it is chosen.
    pub conf_depth: u64,
    /// Oldest origin a batch may name, in L1 blocks.
    pub max_origin_lag: u64,
    /// Seconds a block may be past its origin.
    pub max_drift: u64,
    /// Seconds between claims; 0 for the closing claim only.
    pub claim_interval: u64,
    /// Bond of a claim in wei.
    pub claim_bond: U256,
    /// Bond of a freeze request in wei.
    pub freeze_bond: U256,
    /// Reward of the winning closing claim in wei.
    pub close_reward: U256,
    /// Reward of an attestation in wei.
    pub attestation_fee: U256,
    /// Cap of native custody in wei; 0 for none.
    pub max_tvl: U256,
    /// Where batches go: 0 automatic, 1 blobs, 2 calldata.
    pub da_mode: u8,
    /// Mints what was born on the rollup; 0 for the vault's own clones.
    pub minter: Address,
    /// Forced gas per L1 block at which its price holds.
    pub force_gas_target: U256,
}

impl From<&Config> for ConfigAbi {
    fn from(c: &Config) -> Self {
        Self {
            keys: ConfigKeys {
                protocolVersion: c.protocol_version,
                chainId: c.chain_id,
                organiser: c.organiser,
                sequencer: c.sequencer,
                receiptSigner: c.receipt_signer,
                resolver: c.resolver,
            },
            attesters: c.attesters.clone(),
            times: ConfigTimes {
                quorum: c.quorum,
                endTime: c.end_time,
                drain: c.drain,
                blockGasLimit: c.block_gas_limit,
                blockTimeMs: c.block_time_ms,
                forceWindow: c.force_window,
                livenessWindow: c.liveness_window,
                freezeDelay: c.freeze_delay,
                proposeWindow: c.propose_window,
                challengeWindow: c.challenge_window,
                resolverTimeout: c.resolver_timeout,
                escalationWindow: c.escalation_window,
                minDelayBlocks: c.min_delay_blocks,
                confDepth: c.conf_depth,
                maxOriginLag: c.max_origin_lag,
                maxDrift: c.max_drift,
                claimInterval: c.claim_interval,
            },
            money: ConfigMoney {
                claimBond: c.claim_bond,
                freezeBond: c.freeze_bond,
                closeReward: c.close_reward,
                attestationFee: c.attestation_fee,
                maxTvl: c.max_tvl,
                daMode: c.da_mode,
                minter: c.minter,
                forceGasTarget: c.force_gas_target,
            },
        }
    }
}

sol! {
    // The Solidity struct has more fields than a tuple of the ABI library; static parts are inlined by the ABI, so
    // this nesting encodes to the same bytes.
    struct ConfigKeys {
        uint32 protocolVersion;
        uint64 chainId;
        address organiser;
        address sequencer;
        address receiptSigner;
        address resolver;
    }

    struct ConfigTimes {
        uint8 quorum;
        uint64 endTime;
        uint64 drain;
        uint64 blockGasLimit;
        uint32 blockTimeMs;
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

    struct ConfigMoney {
        uint256 claimBond;
        uint256 freezeBond;
        uint256 closeReward;
        uint256 attestationFee;
        uint256 maxTvl;
        uint8 daMode;
        address minter;
        uint256 forceGasTarget;
    }

    struct ConfigAbi {
        ConfigKeys keys;
        address[] attesters;
        ConfigTimes times;
        ConfigMoney money;
    }

    /// A native balance in the rollup's genesis.
    #[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
    struct Allocation {
        address to;
        uint256 amount;
    }

    /// A link of the batch chain.
    #[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

    /// What a proposer says about the rollup after a batch, or at its end (`docs/protocol/settlement.md`).
    #[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

    /// A message from the rollup to L1: an asset released, or a call.
    #[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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

    /// What an attester signs.
    #[derive(Debug)]
    struct Attestation {
        bytes32 claim;
    }

    /// The messenger's record of a message.
    #[derive(Debug)]
    event MessageSent(uint64 indexed index, Message message);
}
