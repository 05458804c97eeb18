//! `mayfly rollup estimate`: what an event will cost on L1, at L1's present prices.

use alloy_primitives::{U64, U256};
use mayfly_l1::creation_payment;
use mayfly_rollup::{Estimate, Expectation, GasTable, config::Span, estimate};
use serde::Serialize;
use serde_json::json;

use super::{args::EstimateArgs, create};
use crate::cli::{
    output::{self, Report, ether},
    session::Session,
};

/// Batch data of one transaction: 71 bytes for an ERC-20 transfer, 65 for a mint, more for
/// calls with long input (docs/benchmarks.md). A round figure above both.
const BYTES_PER_TRANSACTION: u64 = 80;
/// Longest time between batches that a node keeps by default, in seconds.
const BATCH_INTERVAL_SECONDS: u64 = 24;
/// L1 gas of one leaf where all are claimed: no kind costs more (docs/benchmarks.md).
const GAS_PER_LEAF: u64 = 60_000;

#[derive(Serialize)]
struct Cost {
    /// At these prices, in wei.
    gas_price_wei: U256,
    blob_gas_price_wei: U256,
    transactions: u64,
    #[serde(flatten)]
    estimate: Estimate,
    /// Claims on L1 for the expected recipients, if somebody sponsors them.
    sponsored_claims_wei: U256,
    /// Genesis balances, close reward and attestation fees: paid at creation.
    escrow_wei: U256,
    /// Bonds that come back unless a claim is wrong or a freeze request unfounded.
    refundable_wei: U256,
    total_eth: String,
    refundable_eth: String,
}

impl Report for Cost {
    fn text(&self) -> String {
        let e = &self.estimate;
        let data = if e.blobs_are_cheaper { format!("{} blobs", e.blobs) } else { "calldata".into() };
        [
            format!("gas price {} wei, blob gas price {} wei", self.gas_price_wei, self.blob_gas_price_wei),
            format!("creation           {}", ether(e.create_cost.0)),
            format!(
                "batches            {} ({} batches, {data}, {} transactions)",
                ether(e.blob_batches_cost.0.min(e.calldata_batches_cost.0)),
                e.batches,
                self.transactions
            ),
            format!("claims             {} ({} claims)", ether(e.claims_cost.0), e.claims),
            format!("total              {}", self.total_eth),
            format!("escrowed           {} (balances, rewards, fees)", ether(self.escrow_wei)),
            format!("sponsored payouts  {} if you pay them", ether(self.sponsored_claims_wei)),
            format!("bonds              {} that come back", self.refundable_eth),
        ]
        .join("\n")
    }
}

pub(super) async fn run(session: &Session, args: EstimateArgs, json: bool) -> eyre::Result<()> {
    let file = create::read_file(args.config.as_deref(), args.ends_in.as_deref())?;
    let organiser = session.organiser().await?;
    let (config, genesis) = create::resolve(session, &file, organiser, false).await?;
    let gas_price: U256 = session.l1.request("eth_gasPrice", json!([])).await?;
    // A chain without blobs has no price for them: calldata it is.
    let blob_gas_price: Option<U64> = session.l1.request("eth_blobBaseFee", json!([])).await.ok();
    let blob_gas_price = blob_gas_price.map_or(U256::MAX >> 64, U256::from);
    let now = super::chain::head(&session.l1).await?.timestamp;
    let seconds = config.endTime.saturating_sub(now).saturating_add(config.drain);
    let expectation = Expectation {
        transactions: args.transactions,
        bytes_per_tx: BYTES_PER_TRANSACTION,
        duration: Span::seconds(seconds),
        batch_interval: Span::seconds(BATCH_INTERVAL_SECONDS),
        claim_interval: Span::seconds(config.windows.claimInterval),
        allocations: genesis.len() as u64,
        quorum: u64::from(config.quorum),
        gas_price,
        blob_gas_price,
        gas: GasTable::default(),
    };
    let estimate = estimate(&expectation);
    let refundable_wei = config.claimBond.saturating_add(config.freezeBond);
    let cost = Cost {
        gas_price_wei: gas_price,
        blob_gas_price_wei: blob_gas_price,
        transactions: args.transactions,
        estimate,
        sponsored_claims_wei: gas_price.saturating_mul(U256::from(args.claims.saturating_mul(GAS_PER_LEAF))),
        escrow_wei: creation_payment(&config, &genesis).unwrap_or(U256::MAX),
        refundable_wei,
        total_eth: ether(estimate.total_cost.0),
        refundable_eth: ether(refundable_wei),
    };
    output::print(&cost, json)
}
