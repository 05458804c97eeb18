//! The organiser's file: TOML, every key optional, unknown keys refused.

use super::rules::{DEV_CHAIN_ID, PROTOCOL_VERSION, validate};
use super::units::{Span, Wei};
use crate::error::ConfigError;
use alloy_primitives::{Address, U256};
use mayfly_contracts::predeploys::is_fixed;
use mayfly_contracts::types::{Allocation, Config, Windows};
use serde::{Deserialize, Serialize};

/// Largest number of genesis balances in one creation.
const MAX_GENESIS_ENTRIES: usize = 1_000;

/// One rollup as its organiser describes it. What is left out gets a default: windows of seconds
/// on the development chain, the protocol's minimums or more elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RollupConfig {
    /// A name for people; it stays on this machine.
    pub name: Option<String>,
    /// Chain id; only on the development chain, else it is derived.
    pub chain_id: Option<u64>,
    /// How long deposits are taken, from creation.
    pub ends_in: Option<Span>,
    /// When deposits end, in seconds since 1970; instead of `ends_in`.
    pub end_time: Option<u64>,
    /// Time to unwind after the end.
    pub drain: Option<Span>,
    /// Fee recipient; may end the rollup early.
    pub organiser: Option<Address>,
    /// May post batches.
    pub sequencer: Option<Address>,
    /// Signs receipts.
    pub receipt_signer: Option<Address>,
    /// Decides disputes.
    pub resolver: Option<Address>,
    /// May attest claims.
    pub attesters: Option<Vec<Address>>,
    /// Attestations that make a claim final; 0 switches that path off.
    pub quorum: Option<u8>,
    /// Gas of one block.
    pub block_gas_limit: Option<u64>,
    /// Longest time between blocks while there is work.
    pub block_time: Option<Span>,
    /// A queue item older than this must be in the next batch.
    pub force_window: Option<Span>,
    /// A freeze may be asked for after so long without a batch.
    pub liveness_window: Option<Span>,
    /// Time for the sequencer to answer a freeze request.
    pub freeze_delay: Option<Span>,
    /// Time to propose a closing claim.
    pub propose_window: Option<Span>,
    /// Time to rival a claim.
    pub challenge_window: Option<Span>,
    /// Time for the resolver to decide.
    pub resolver_timeout: Option<Span>,
    /// Time to outbid the leading claim.
    pub escalation_window: Option<Span>,
    /// L1 blocks after the last batch before attestations count.
    pub min_delay_blocks: Option<u64>,
    /// L1 blocks on top of an origin when it is chosen.
    pub conf_depth: Option<u64>,
    /// Oldest origin a batch may name, in L1 blocks.
    pub max_origin_lag: Option<u64>,
    /// Block time past its origin.
    pub max_drift: Option<Span>,
    /// Time between claims; `0s` for a claim at the end only.
    pub claim_interval: Option<Span>,
    /// Bond of a claim.
    pub claim_bond: Option<Wei>,
    /// Bond of a freeze request.
    pub freeze_bond: Option<Wei>,
    /// Reward of the winning closing claim.
    pub close_reward: Option<Wei>,
    /// Reward of one attestation.
    pub attestation_fee: Option<Wei>,
    /// Most native currency in custody; `0` for no cap.
    pub max_tvl: Option<Wei>,
    /// Where batches go.
    pub da: DaMode,
    /// Mints what was born on the rollup; none for the vault's own clones.
    pub minter: Option<Address>,
    /// Forced gas per L1 block at which its price holds.
    pub force_gas_target: Option<u64>,
    /// Native balances at the start, paid for at creation.
    pub genesis: Vec<GenesisEntry>,
}

/// A native balance at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisEntry {
    /// Its owner.
    pub to: Address,
    /// How much.
    pub amount: Wei,
}

/// Where batches go on L1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DaMode {
    /// Whatever is cheaper at the moment.
    #[default]
    Auto,
    /// Blobs only.
    Blobs,
    /// Calldata only.
    Calldata,
}

/// What the launching machine knows and the file need not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Time of the newest L1 block.
    pub now: u64,
    /// Used where the file names no organiser.
    pub organiser: Address,
    /// Used where the file names no sequencer.
    pub sequencer: Address,
    /// Used where the file names no receipt signer.
    pub receipt_signer: Address,
    /// Used where the file names no resolver.
    pub resolver: Address,
    /// Used where the file names no attesters.
    pub attesters: Vec<Address>,
}

/// Defaults that differ between the development chain and any other, in seconds unless named.
struct Spans {
    ends_in: u64,
    drain: u64,
    force: u64,
    liveness: u64,
    freeze_delay: u64,
    propose: u64,
    challenge: u64,
    resolver: u64,
    escalation: u64,
    min_delay_blocks: u64,
    conf_depth: u64,
    max_origin_lag: u64,
    claim_interval: u64,
}

const DEV_WINDOWS: Spans = Spans {
    ends_in: 3_600,
    drain: 16,
    force: 5,
    liveness: 10,
    freeze_delay: 5,
    propose: 5,
    challenge: 10,
    resolver: 10,
    escalation: 5,
    min_delay_blocks: 2,
    conf_depth: 0,
    max_origin_lag: 256,
    claim_interval: 10,
};

const LIVE_WINDOWS: Spans = Spans {
    ends_in: 4 * 3_600,
    drain: 3_600,
    force: 1_800,
    liveness: 3_600,
    freeze_delay: 1_800,
    propose: 3_600,
    challenge: 86_400,
    resolver: 43_200,
    escalation: 7_200,
    min_delay_blocks: 96,
    conf_depth: 2,
    max_origin_lag: 128,
    claim_interval: 3_600,
};

const BLOCK_GAS_LIMIT: u64 = 100_000_000;
const BLOCK_TIME_MS: u64 = 20;
const MAX_DRIFT_SECONDS: u64 = 600;
const FORCE_GAS_TARGET: u64 = 2_000_000;
const MILLIETHER: u64 = 1_000_000_000_000_000;

impl RollupConfig {
    /// Reads the organiser's file.
    ///
    /// # Errors
    /// On TOML that does not parse, unknown keys and values that are not of their kind.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::Toml(error.to_string()))
    }

    /// The config and the genesis balances to create on L1, checked.
    ///
    /// # Errors
    /// Naming the first value that breaks a rule.
    pub fn resolve(&self, launch: &Launch) -> Result<(Config, Vec<Allocation>), ConfigError> {
        let spans = if launch.l1_chain_id == DEV_CHAIN_ID { &DEV_WINDOWS } else { &LIVE_WINDOWS };
        let attesters = self.attesters.clone().unwrap_or_else(|| launch.attesters.clone());
        let majority = (attesters.len() / 2 + usize::from(!attesters.is_empty())) as u8;
        let seconds =
            |name, span: Option<Span>, default: u64| span.map_or(Ok(default), |span| span.whole_seconds(name));
        let wei = |amount: Option<Wei>, milliether: u64| {
            amount.map_or(U256::from(milliether) * U256::from(MILLIETHER), |amount| amount.0)
        };
        let block_time = self.block_time.map_or(BLOCK_TIME_MS, |span| span.millis);
        let config = Config {
            protocolVersion: PROTOCOL_VERSION,
            chainId: self.chain_id.unwrap_or(0),
            organiser: self.organiser.unwrap_or(launch.organiser),
            sequencer: self.sequencer.unwrap_or(launch.sequencer),
            receiptSigner: self.receipt_signer.unwrap_or(launch.receipt_signer),
            resolver: self.resolver.unwrap_or(launch.resolver),
            quorum: self.quorum.unwrap_or(majority),
            attesters,
            endTime: self.resolve_end(launch.now, spans)?,
            drain: seconds("drain", self.drain, spans.drain)?,
            blockGasLimit: self.block_gas_limit.unwrap_or(BLOCK_GAS_LIMIT),
            blockTimeMs: u32::try_from(block_time).map_err(|_| ConfigError::Value {
                name: "block_time",
                value: block_time.to_string(),
                rule: "at most 2^32 - 1 ms".to_owned(),
            })?,
            windows: Windows {
                forceWindow: seconds("force_window", self.force_window, spans.force)?,
                livenessWindow: seconds("liveness_window", self.liveness_window, spans.liveness)?,
                freezeDelay: seconds("freeze_delay", self.freeze_delay, spans.freeze_delay)?,
                proposeWindow: seconds("propose_window", self.propose_window, spans.propose)?,
                challengeWindow: seconds("challenge_window", self.challenge_window, spans.challenge)?,
                resolverTimeout: seconds("resolver_timeout", self.resolver_timeout, spans.resolver)?,
                escalationWindow: seconds("escalation_window", self.escalation_window, spans.escalation)?,
                minDelayBlocks: self.min_delay_blocks.unwrap_or(spans.min_delay_blocks),
                confDepth: self.conf_depth.unwrap_or(spans.conf_depth),
                maxOriginLag: self.max_origin_lag.unwrap_or(spans.max_origin_lag),
                maxDrift: seconds("max_drift", self.max_drift, MAX_DRIFT_SECONDS)?,
                claimInterval: seconds("claim_interval", self.claim_interval, spans.claim_interval)?,
            },
            claimBond: wei(self.claim_bond, 100),
            freezeBond: wei(self.freeze_bond, 100),
            closeReward: wei(self.close_reward, 10),
            attestationFee: wei(self.attestation_fee, 0),
            maxTvl: wei(self.max_tvl, 0),
            daMode: self.da as u8,
            minter: self.minter.unwrap_or_default(),
            forceGasTarget: U256::from(self.force_gas_target.unwrap_or(FORCE_GAS_TARGET)),
        };
        validate(&config, launch.l1_chain_id, launch.now)?;
        Ok((config, self.allocations()?))
    }

    fn resolve_end(&self, now: u64, spans: &Spans) -> Result<u64, ConfigError> {
        match (self.end_time, self.ends_in) {
            (Some(_), Some(_)) => Err(ConfigError::TwoEnds),
            (Some(end), None) => Ok(end),
            (None, Some(span)) => Ok(now.saturating_add(span.whole_seconds("ends_in")?)),
            (None, None) => Ok(now.saturating_add(spans.ends_in)),
        }
    }

    fn allocations(&self) -> Result<Vec<Allocation>, ConfigError> {
        let bad = |value: String, rule: &str| ConfigError::Value { name: "genesis", value, rule: rule.to_owned() };
        if self.genesis.len() > MAX_GENESIS_ENTRIES {
            return Err(bad(self.genesis.len().to_string(), "at most 1000 entries"));
        }
        let entry = |entry: &GenesisEntry| {
            if entry.to.is_zero() || is_fixed(entry.to) || entry.amount.0.is_zero() {
                let rule = "an address that is neither 0 nor the protocol's own, and an amount that is not 0";
                return Err(bad(format!("{} {}", entry.to, entry.amount), rule));
            }
            Ok(Allocation { to: entry.to, amount: entry.amount.0 })
        };
        self.genesis.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::config::{LIFETIME_LIMIT_SECONDS, lifetime_seconds};

    fn launch(l1_chain_id: u64) -> Launch {
        let key = Address::repeat_byte;
        Launch {
            l1_chain_id,
            now: 1_790_000_000,
            organiser: key(1),
            sequencer: key(2),
            receipt_signer: key(3),
            resolver: key(4),
            attesters: vec![key(5), key(6), key(7)],
        }
    }

    fn resolve(text: &str, l1_chain_id: u64) -> Result<Config, ConfigError> {
        RollupConfig::from_toml(text)?.resolve(&launch(l1_chain_id)).map(|(config, _)| config)
    }

    #[test]
    fn an_empty_file_is_a_rollup_on_any_chain() {
        let dev = resolve("", DEV_CHAIN_ID).unwrap();
        assert_eq!((dev.quorum, dev.windows.challengeWindow, dev.blockTimeMs), (2, 10, 20));
        let live = resolve("", 1).unwrap();
        assert_eq!((live.windows.challengeWindow, live.windows.minDelayBlocks), (86_400, 96));
    }

    #[test]
    fn reads_a_whole_file() {
        let text = r#"
            name = "mint-night"
            ends_in = "2h"
            drain = "40m"
            block_time = "50ms"
            claim_bond = "0.5 ether"
            da = "blobs"
            attesters = ["0x0505050505050505050505050505050505050505"]
            [[genesis]]
            to = "0x0909090909090909090909090909090909090909"
            amount = "10 ether"
        "#;
        let (config, genesis) = RollupConfig::from_toml(text).unwrap().resolve(&launch(1)).unwrap();
        assert_eq!(config.endTime, 1_790_000_000 + 7_200);
        assert_eq!((config.drain, config.blockTimeMs, config.daMode, config.quorum), (2_400, 50, 1, 1));
        assert_eq!(config.claimBond, U256::from(500) * U256::from(MILLIETHER));
        assert_eq!(genesis.len(), 1);
    }

    #[test]
    fn refuses_unknown_keys_and_bad_values_by_name() {
        assert!(matches!(resolve("drian = \"10m\"", 1), Err(ConfigError::Toml(why)) if why.contains("drian")));
        assert!(matches!(resolve("drain = \"10 minutes\"", 1), Err(ConfigError::Toml(_))));
        assert_eq!(resolve("end_time = 1\nends_in = \"1h\"", 1), Err(ConfigError::TwoEnds));
        let cases = [
            ("end_time = 5", "end_time"),
            ("drain = \"10s\"", "drain"),
            ("drain = \"90500ms\"", "drain"),
            ("drain = \"30m\"\nforce_window = \"30m\"", "drain"),
            ("force_gas_target = 100000001", "force_gas_target"),
            ("challenge_window = \"1h\"", "challenge_window"),
            ("liveness_window = \"10m\"", "liveness_window"),
            ("min_delay_blocks = 95", "min_delay_blocks"),
            ("claim_bond = \"0.05 ether\"", "claim_bond"),
            ("quorum = 1", "quorum"),
            ("quorum = 4", "quorum"),
            ("block_gas_limit = 1000", "block_gas_limit"),
            ("chain_id = 5", "chain_id"),
            ("resolver = \"0x0202020202020202020202020202020202020202\"", "resolver"),
            ("attesters = [\"0x0202020202020202020202020202020202020202\"]", "attesters"),
            ("[[genesis]]\nto = \"0x0202020202020202020202020202020202020202\"\namount = \"0\"", "genesis"),
            ("[[genesis]]\nto = \"0x4d61796600000000000000000000000000000001\"\namount = \"1 ether\"", "genesis"),
        ];
        for (text, field) in cases {
            match resolve(text, 1) {
                Err(ConfigError::Value { name, .. }) => assert_eq!(name, field),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_lifetime_formula_bounds_every_rollup() {
        let config = resolve("ends_in = \"8d\"", 1).unwrap();
        let rest = LIFETIME_LIMIT_SECONDS as u128 - lifetime_seconds(&config, 1_790_000_000);
        let ends = |seconds: u128| resolve(&format!("ends_in = \"{seconds}s\""), 1);
        let longest = 8 * 86_400 + rest;
        assert!(ends(longest).is_ok());
        assert!(matches!(ends(longest + 1), Err(ConfigError::Lifetime { .. })));
        assert!(matches!(resolve("ends_in = \"15d\"", DEV_CHAIN_ID), Err(ConfigError::Lifetime { .. })));
    }
}
