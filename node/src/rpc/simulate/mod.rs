//! `eth_simulateV1`: blocks that are executed and forgotten.

mod request;
mod shape;

use alloy_eips::BlockId;

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{self, NOT_FOUND, RpcError, SERVER};
use super::params::{Json, Params};
use request::Options;

/// Options, block to start after (the latest by default).
pub(crate) fn simulate(rollup: &Rollup, params: &mut Params<'_>) -> Reply {
    let Json(options) = params.required::<Json<Options>>("options")?;
    let base: BlockId = params.optional("block")?.unwrap_or_default();
    params.end()?;
    let whole = options.return_full_transactions;
    let simulation = options.simulation(rollup.limits.max_call_gas)?;
    let state = rollup.state(base).map_err(|error| match error.code {
        NOT_FOUND => RpcError { code: SERVER, ..error },
        _ => error,
    })?;
    let blocks = rollup.reader.simulate(state, &simulation).map_err(errors::simulating)?;
    reply(&shape::blocks(rollup.reader.spec(), &blocks, whole)?)
}

#[cfg(test)]
mod tests;
