//! `web3_*`, `net_*` and what else concerns the node rather than the chain.

use std::collections::BTreeMap;

use alloy_primitives::{Bytes, U64, keccak256};

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::methods;
use super::params::Params;

/// `web3_clientVersion`: name, version, platform.
pub(crate) fn client_version(_: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&format!("mayfly/v{}/{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH))
}

/// `web3_sha3`: keccak256 of the data.
pub(crate) fn sha3(_: &Rollup, params: &mut Params<'_>) -> Reply {
    let data: Bytes = params.required("data")?;
    params.end()?;
    reply(&keccak256(&data))
}

/// `rpc_modules`: the namespaces there are, each with its version.
pub(crate) fn modules(_: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    let namespaces = methods::names().filter_map(|name| name.split_once('_')).map(|(namespace, _)| (namespace, "1.0"));
    reply(&namespaces.collect::<BTreeMap<_, _>>())
}

/// `net_version`: the chain id in decimal, as a string.
pub(crate) fn version(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&rollup.chain_id.to_string())
}

/// `net_listening`: whether this node takes transactions.
pub(crate) fn listening(_: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&true)
}

/// `net_peerCount`: rollup nodes meet on L1, not with each other.
pub(crate) fn peer_count(_: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&U64::ZERO)
}

/// `eth_chainId`.
pub(crate) fn chain_id(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    params.end()?;
    reply(&U64::from(rollup.chain_id))
}
