//! What a rollup will cost on L1, before anything is paid. Arithmetic only; prices are passed in.

use crate::batch::{BLOB_CAPACITY_BYTES, MAX_BLOBS};
use crate::config::{Span, Wei};
use alloy_primitives::U256;
use serde::Serialize;

/// L1 gas of the rollup's own transactions. A test measures the contracts and holds the default to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GasTable {
    /// `create`, without genesis balances.
    pub create: u64,
    /// Each genesis balance in `create`.
    pub allocation: u64,
    /// `postBatch`, without its data.
    pub batch: u64,
    /// `proposeClaim`.
    pub propose: u64,
    /// Each attestation.
    pub attest: u64,
    /// `finalize`.
    pub finalize: u64,
}

impl Default for GasTable {
    fn default() -> Self {
        Self { create: 920_000, allocation: 2_400, batch: 102_000, propose: 430_000, attest: 70_000, finalize: 140_000 }
    }
}

/// What the organiser expects, and L1's prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// Transactions over the whole event.
    pub transactions: u64,
    /// Bytes of batch data for each.
    pub bytes_per_tx: u64,
    /// How long the event runs, drain included.
    pub duration: Span,
    /// Longest time between batches.
    pub batch_interval: Span,
    /// Time between claims; 0 for a closing claim only.
    pub claim_interval: Span,
    /// Genesis balances.
    pub allocations: u64,
    /// Attestations for each claim.
    pub quorum: u64,
    /// L1 gas price in wei.
    pub gas_price: U256,
    /// L1 blob gas price in wei.
    pub blob_gas_price: U256,
    /// Gas of the rollup's own transactions.
    pub gas: GasTable,
}

/// The estimate. Bonds come back and are not costs; the close reward and attestation fees are
/// paid at creation and named apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Batches over the whole event.
    pub batches: u64,
    /// Blobs over the whole event, if blobs are used.
    pub blobs: u64,
    /// Claims over the whole event.
    pub claims: u64,
    /// Cost of creation.
    pub create_cost: Wei,
    /// Cost of batches if they go to blobs.
    pub blob_batches_cost: Wei,
    /// Cost of batches if they go to calldata.
    pub calldata_batches_cost: Wei,
    /// Cost of claims, attestations and finalisation.
    pub claims_cost: Wei,
    /// Sum with the cheaper data.
    pub total_cost: Wei,
    /// Whether blobs are the cheaper data.
    pub blobs_are_cheaper: bool,
}

/// Blob gas of one blob (EIP-4844).
const GAS_PER_BLOB: u64 = 131_072;
/// Gas of a non-zero calldata byte at the floor price (EIP-7623); batch data has few zeros.
const GAS_PER_CALLDATA_BYTE: u64 = 40;
/// Calldata of one transaction that nodes relay, less room for the call.
const MAX_CALLDATA_BYTES: u64 = 120_000;

/// Estimates the cost of a rollup.
pub fn estimate(expect: &Expectation) -> Estimate {
    let bytes = u128::from(expect.transactions) * u128::from(expect.bytes_per_tx);
    let timed = expect.duration.millis.div_ceil(expect.batch_interval.millis.max(1)).min(expect.transactions);
    let batches = |most: u128| narrow(bytes.div_ceil(most)).max(timed);
    let blob_batches = batches((MAX_BLOBS * BLOB_CAPACITY_BYTES) as u128);
    let blobs = narrow(bytes.div_ceil(BLOB_CAPACITY_BYTES as u128)).max(blob_batches);
    let calldata_batches = batches(MAX_CALLDATA_BYTES.into());
    let claims = 1 + expect.duration.millis.checked_div(expect.claim_interval.millis).unwrap_or(0);

    let wei = |gas: U256, price: U256| gas.saturating_mul(price);
    let gas = |count: u64, each: u64| U256::from(count) * U256::from(each);
    let table = &expect.gas;
    let create = wei(gas(1, table.create) + gas(expect.allocations, table.allocation), expect.gas_price);
    let per_claim =
        u128::from(table.propose) + u128::from(expect.quorum) * u128::from(table.attest) + u128::from(table.finalize);
    let claims_cost = wei(U256::from(claims) * U256::from(per_claim), expect.gas_price);
    let blob_cost = wei(gas(blob_batches, table.batch), expect.gas_price)
        .saturating_add(wei(gas(blobs, GAS_PER_BLOB), expect.blob_gas_price));
    let calldata_gas = gas(calldata_batches, table.batch) + U256::from(bytes) * U256::from(GAS_PER_CALLDATA_BYTE);
    let calldata_cost = wei(calldata_gas, expect.gas_price);
    let blobs_are_cheaper = blob_cost <= calldata_cost;
    let total = create.saturating_add(claims_cost).saturating_add(blob_cost.min(calldata_cost));
    Estimate {
        batches: if blobs_are_cheaper { blob_batches } else { calldata_batches },
        blobs: if blobs_are_cheaper { blobs } else { 0 },
        claims,
        create_cost: Wei(create),
        blob_batches_cost: Wei(blob_cost),
        calldata_batches_cost: Wei(calldata_cost),
        claims_cost: Wei(claims_cost),
        total_cost: Wei(total),
        blobs_are_cheaper,
    }
}

fn narrow(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn expectation() -> Expectation {
        Expectation {
            transactions: 10_000,
            bytes_per_tx: 71,
            duration: Span::seconds(7_200),
            batch_interval: Span::seconds(600),
            claim_interval: Span::seconds(3_600),
            allocations: 0,
            quorum: 2,
            gas_price: U256::from(1_000_000_000_u64),
            blob_gas_price: U256::ONE,
            gas: GasTable::default(),
        }
    }

    #[test]
    fn counts_batches_by_time_and_by_size() {
        let few = estimate(&expectation());
        assert_eq!((few.batches, few.claims, few.blobs_are_cheaper), (12, 3, true));
        let many = estimate(&Expectation { transactions: 1_000_000, ..expectation() });
        assert_eq!(many.batches, 91);
        let none = estimate(&Expectation { transactions: 0, ..expectation() });
        assert_eq!((none.batches, none.blobs), (0, 0));
        assert!(none.total_cost < few.total_cost);
    }

    #[test]
    fn calldata_wins_where_blobs_are_dear() {
        let dear = Expectation { transactions: 12, blob_gas_price: U256::from(1_000_000_000_u64), ..expectation() };
        let estimate = estimate(&dear);
        assert!(!estimate.blobs_are_cheaper);
        let sum = estimate.create_cost.0 + estimate.claims_cost.0 + estimate.calldata_batches_cost.0;
        assert_eq!(estimate.total_cost.0, sum);
    }
}
