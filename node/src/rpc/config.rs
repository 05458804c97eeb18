//! `eth_config` (EIP-7910): the rules in force, and those that are scheduled. `eth_capabilities`: what is served.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U64, address};
use mayfly_evm::{Activation, ChainSpec, EthereumFork, RequestSource, SystemInput};
use serde::Serialize;
use serde_json::json;

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors;
use super::params::Params;

/// Precompiled contracts, by the names that EIP-7910 gives them, with the fork that brought them.
const PRECOMPILES: [(&str, Address, &str); 18] = [
    ("ECREC", address!("0x0000000000000000000000000000000000000001"), "Frontier"),
    ("SHA256", address!("0x0000000000000000000000000000000000000002"), "Frontier"),
    ("RIPEMD160", address!("0x0000000000000000000000000000000000000003"), "Frontier"),
    ("ID", address!("0x0000000000000000000000000000000000000004"), "Frontier"),
    ("MODEXP", address!("0x0000000000000000000000000000000000000005"), "Byzantium"),
    ("BN254_ADD", address!("0x0000000000000000000000000000000000000006"), "Byzantium"),
    ("BN254_MUL", address!("0x0000000000000000000000000000000000000007"), "Byzantium"),
    ("BN254_PAIRING", address!("0x0000000000000000000000000000000000000008"), "Byzantium"),
    ("BLAKE2F", address!("0x0000000000000000000000000000000000000009"), "Istanbul"),
    ("KZG_POINT_EVALUATION", address!("0x000000000000000000000000000000000000000a"), "Cancun"),
    ("BLS12_G1ADD", address!("0x000000000000000000000000000000000000000b"), "Prague"),
    ("BLS12_G1MSM", address!("0x000000000000000000000000000000000000000c"), "Prague"),
    ("BLS12_G2ADD", address!("0x000000000000000000000000000000000000000d"), "Prague"),
    ("BLS12_G2MSM", address!("0x000000000000000000000000000000000000000e"), "Prague"),
    ("BLS12_PAIRING_CHECK", address!("0x000000000000000000000000000000000000000f"), "Prague"),
    ("BLS12_MAP_FP_TO_G1", address!("0x0000000000000000000000000000000000000010"), "Prague"),
    ("BLS12_MAP_FP2_TO_G2", address!("0x0000000000000000000000000000000000000011"), "Prague"),
    ("P256VERIFY", address!("0x0000000000000000000000000000000000000100"), "Osaka"),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ForkConfig {
    activation_time: u64,
    blob_schedule: Option<BlobSchedule>,
    chain_id: U64,
    fork_id: String,
    precompiles: BTreeMap<&'static str, Address>,
    system_contracts: BTreeMap<&'static str, Address>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobSchedule {
    target: u64,
    max: u64,
    base_fee_update_fraction: u128,
}

#[derive(Serialize)]
struct Configs {
    current: ForkConfig,
    next: Option<ForkConfig>,
    last: Option<ForkConfig>,
}

/// `eth_config`.
pub(crate) fn get(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    let spec = rollup.reader.spec();
    let head = rollup.reader.head();
    let genesis = rollup.reader.block_by_number(0).map_err(errors::reading)?.unwrap_or_else(|| head.clone());
    let times = spec.fork_times();
    let at = |time: u64| {
        let number = head.number();
        ForkConfig {
            activation_time: times.iter().copied().filter(|from| *from <= time).max().unwrap_or_default(),
            blob_schedule: spec.blob_params(number, time).map(|params| BlobSchedule {
                target: params.target_blob_count,
                max: params.max_blob_count,
                base_fee_update_fraction: params.update_fraction,
            }),
            chain_id: U64::from(spec.chain_id),
            fork_id: spec.fork_id(genesis.hash, genesis.timestamp(), number, time).to_string(),
            precompiles: precompiles(spec, number, time),
            system_contracts: system_contracts(spec, number, time),
        }
    };
    let later: Vec<u64> = times.iter().copied().filter(|from| *from > head.timestamp()).collect();
    reply(&Configs {
        current: at(head.timestamp()),
        next: later.first().map(|time| at(*time)),
        last: later.last().map(|time| at(*time)),
    })
}

fn precompiles(spec: &ChainSpec, number: u64, time: u64) -> BTreeMap<&'static str, Address> {
    let is_there = |fork: &str| EthereumFork::named(fork).is_some_and(|fork| fork.is_active(spec, number, time));
    PRECOMPILES.iter().filter(|(.., fork)| is_there(fork)).map(|(name, at, _)| (*name, *at)).collect()
}

fn system_contracts(spec: &ChainSpec, number: u64, time: u64) -> BTreeMap<&'static str, Address> {
    let active = |from: Activation| from.active(number, time);
    let calls = spec.system_calls.iter().filter(|call| active(call.from)).map(|call| match call.input {
        SystemInput::ParentHash => ("HISTORY_STORAGE_ADDRESS", call.to),
        SystemInput::ParentBeaconRoot => ("BEACON_ROOTS_ADDRESS", call.to),
    });
    let requests = spec.requests.iter().filter(|rule| active(rule.from)).map(|rule| match (rule.source, rule.ty) {
        (RequestSource::DepositLogs(to), _) => ("DEPOSIT_CONTRACT_ADDRESS", to),
        (RequestSource::Contract(to), 1) => ("WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS", to),
        (RequestSource::Contract(to), _) => ("CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS", to),
    });
    calls.chain(requests).collect()
}

/// `eth_capabilities`: everything, for every block; proofs for the head.
pub(crate) fn capabilities(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    let head = rollup.reader.head();
    let number = head.number();
    let from = |oldest: u64| json!({"disabled": false, "oldestBlock": U64::from(oldest)});
    let first = rollup.reader.first_block();
    reply(&json!({
        "head": {"number": U64::from(number), "hash": head.hash},
        "state": from(first),
        "tx": from(first),
        "logs": from(first),
        "receipts": from(first),
        "blocks": from(first),
        "stateproofs": from(number),
    }))
}
