//! The factory's rules, so that a bad config fails before anything is paid for it.

use crate::error::ConfigError;
use alloy_primitives::{Address, U256};
use mayfly_contracts::types::Config;

/// Chain id of local development, where windows of seconds are allowed.
pub const DEV_CHAIN_ID: u64 = 31_337;
/// The version of the protocol that this code speaks.
pub const PROTOCOL_VERSION: u32 = 1;
/// L1 keeps blobs for about 18 days; a rollup is over within this time.
pub const LIFETIME_LIMIT_SECONDS: u64 = 14 * 86_400;

const LIFETIME_MARGIN_SECONDS: u64 = 2 * 86_400;
const MAX_ESCALATIONS: u64 = 12;
const MAX_ATTESTERS: usize = 32;
const MAX_ORIGIN_LAG: u64 = 8_190;
const MAX_DA_MODE: u8 = 2;
const MIN_BLOCK_GAS_LIMIT: u64 = 1 << 24;
const MAX_BLOCK_GAS_LIMIT: u64 = 1 << 30;
/// 0.1 ether.
const MIN_BOND: u64 = 100_000_000_000_000_000;

/// The longest time from `now` until everything can be claimed.
pub fn lifetime_seconds(config: &Config, now: u64) -> u128 {
    let parts = [
        config.endTime.saturating_sub(now),
        config.drain,
        config.windows.freezeDelay,
        config.windows.proposeWindow,
        config.windows.challengeWindow,
        config.windows.resolverTimeout,
        LIFETIME_MARGIN_SECONDS,
    ];
    parts.into_iter().map(u128::from).sum::<u128>()
        + u128::from(MAX_ESCALATIONS) * u128::from(config.windows.escalationWindow)
}

/// Checks a config as `RollupFactory.create` does, at L1 time `now`.
///
/// # Errors
/// Naming the first field that breaks a rule, its value and the rule.
pub fn validate(config: &Config, l1_chain_id: u64, now: u64) -> Result<(), ConfigError> {
    check_structure(config, l1_chain_id, now)?;
    check_keys(config)?;
    if l1_chain_id != DEV_CHAIN_ID {
        check_minimums(config, now)?;
    }
    let lifetime = lifetime_seconds(config, now);
    if lifetime > LIFETIME_LIMIT_SECONDS.into() {
        return Err(ConfigError::Lifetime { lifetime, limit: LIFETIME_LIMIT_SECONDS });
    }
    Ok(())
}

fn require(holds: bool, name: &'static str, value: impl ToString, rule: &str) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::Value { name, value: value.to_string(), rule: rule.to_owned() })
}

fn check_structure(c: &Config, l1_chain_id: u64, now: u64) -> Result<(), ConfigError> {
    let amount_max = U256::from(u128::MAX >> 32);
    require(c.protocolVersion == PROTOCOL_VERSION, "protocol_version", c.protocolVersion, "1")?;
    require(c.chainId == 0 || l1_chain_id == DEV_CHAIN_ID, "chain_id", c.chainId, "0 on any L1 but 31337")?;
    require(c.endTime > now, "end_time", c.endTime, &format!("later than the L1 time {now}"))?;
    // A frozen rollup lasts for the drain, and nothing can be forced in its last force_window.
    let rule = format!("longer than force_window, {} s", c.windows.forceWindow);
    require(c.drain > c.windows.forceWindow, "drain", c.drain, &rule)?;
    let gas = MIN_BLOCK_GAS_LIMIT..=MAX_BLOCK_GAS_LIMIT;
    require(gas.contains(&c.blockGasLimit), "block_gas_limit", c.blockGasLimit, "16777216 to 1073741824")?;
    require(c.blockTimeMs > 0, "block_time", c.blockTimeMs, "at least 1 ms")?;
    require(c.windows.livenessWindow > c.windows.forceWindow, "liveness_window", c.windows.livenessWindow, &rule)?;
    require(c.windows.escalationWindow > 0, "escalation_window", c.windows.escalationWindow, "more than 0 s")?;
    let lag = 1..=MAX_ORIGIN_LAG;
    require(lag.contains(&c.windows.maxOriginLag), "max_origin_lag", c.windows.maxOriginLag, "1 to 8190 blocks")?;
    require(!c.claimBond.is_zero() && c.claimBond <= amount_max, "claim_bond", c.claimBond, "1 to 2^96 - 1 wei")?;
    require(c.freezeBond <= amount_max, "freeze_bond", c.freezeBond, "at most 2^96 - 1 wei")?;
    require(c.closeReward <= amount_max, "close_reward", c.closeReward, "at most 2^96 - 1 wei")?;
    require(c.attestationFee <= amount_max, "attestation_fee", c.attestationFee, "at most 2^96 - 1 wei")?;
    require(c.daMode <= MAX_DA_MODE, "da", c.daMode, "0, 1 or 2")?;
    let target = !c.forceGasTarget.is_zero() && c.forceGasTarget <= U256::from(c.blockGasLimit);
    require(target, "force_gas_target", c.forceGasTarget, "1 to block_gas_limit")
}

fn check_keys(c: &Config) -> Result<(), ConfigError> {
    require(!c.organiser.is_zero(), "organiser", c.organiser, "not the zero address")?;
    require(!c.sequencer.is_zero(), "sequencer", c.sequencer, "not the zero address")?;
    require(!c.receiptSigner.is_zero(), "receipt_signer", c.receiptSigner, "not the zero address")?;
    require(c.resolver != c.sequencer, "resolver", c.resolver, "another key than the sequencer")?;
    let count = c.attesters.len();
    require(count <= MAX_ATTESTERS, "attesters", count, "at most 32")?;
    for (at, attester) in c.attesters.iter().enumerate() {
        let taken = [Address::ZERO, c.sequencer, c.resolver].contains(attester) || c.attesters[..at].contains(attester);
        require(!taken, "attesters", attester, "a key of its own, not sequencer, resolver or another attester")?;
    }
    let quorum = usize::from(c.quorum);
    let rule = format!("0, or more than half of {count} attesters and at most all of them");
    require(quorum == 0 || (quorum <= count && 2 * quorum > count), "quorum", quorum, &rule)
}

fn check_minimums(c: &Config, now: u64) -> Result<(), ConfigError> {
    let times = [
        ("end_time", c.endTime.saturating_sub(now), 60),
        ("drain", c.drain, 60),
        ("force_window", c.windows.forceWindow, 600),
        ("liveness_window", c.windows.livenessWindow, 1_200),
        ("freeze_delay", c.windows.freezeDelay, 600),
        ("propose_window", c.windows.proposeWindow, 600),
        ("challenge_window", c.windows.challengeWindow, 86_400),
        ("resolver_timeout", c.windows.resolverTimeout, 3_600),
        ("escalation_window", c.windows.escalationWindow, 3_600),
        ("min_delay_blocks", c.windows.minDelayBlocks, 96),
        ("max_origin_lag", c.windows.maxOriginLag, 32),
        ("max_drift", c.windows.maxDrift, 60),
    ];
    for (name, value, least) in times {
        require(value >= least, name, value, &format!("at least {least}"))?;
    }
    for (name, bond) in [("claim_bond", c.claimBond), ("freeze_bond", c.freezeBond)] {
        require(bond >= U256::from(MIN_BOND), name, bond, "at least 0.1 ether")?;
    }
    Ok(())
}
