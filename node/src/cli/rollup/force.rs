//! `mayfly rollup force`: transactions that reach the rollup through L1, and the batch that
//! anybody may post when the sequencer leaves them out.

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use eyre::{WrapErr, bail, ensure, eyre};
use mayfly_contracts::inbox::Inbox;
use mayfly_l1::{BlockTag, TransactionReceipt, TxIntent};
use serde::Serialize;

use super::{args::ForceArgs, chain::OnL1};
use crate::cli::{output, output::Report, session::Session};

/// What is paid above the present price: it moves by at most 1/8 a block, and the rest comes back.
const PRICE_MARGIN: u64 = 2;

#[derive(Serialize)]
struct Forced {
    rollup: Address,
    queue_index: u64,
    l2_tx: B256,
    l1_tx: B256,
    include_by: u64,
}

impl Report for Forced {
    fn text(&self) -> String {
        format!("queue item {}: {} must be on the rollup by {}", self.queue_index, self.l2_tx, self.include_by)
    }
}

#[derive(Serialize)]
struct Posted {
    rollup: Address,
    batch: u64,
    queue_up_to: u64,
    l1_tx: B256,
}

impl Report for Posted {
    fn text(&self) -> String {
        format!("forced-only batch {} with the queue up to {}: {}", self.batch, self.queue_up_to, self.l1_tx)
    }
}

pub(super) async fn run(session: &Session, args: ForceArgs, json: bool) -> eyre::Result<()> {
    let rollup = session.rollup(&args.one.rollup).await?;
    match args.raw {
        Some(raw) => output::print(&force(session, rollup, raw, args.gas_limit).await?, json),
        None => output::print(&post(session, rollup).await?, json),
    }
}

async fn force(session: &Session, rollup: Address, raw: Bytes, gas_limit: Option<u64>) -> eyre::Result<Forced> {
    let on_l1 = OnL1::read(&session.l1, rollup).await?;
    let tx = TxEnvelope::decode_2718_exact(&raw).wrap_err("--raw is no signed transaction")?;
    // Derivation would skip it: say so before it is paid for.
    match tx.chain_id() {
        Some(id) if id == on_l1.chain_id => {}
        other => bail!("the transaction is for chain {other:?}, the rollup is {}", on_l1.chain_id),
    }
    let gas_limit = gas_limit.unwrap_or_else(|| tx.gas_limit());
    ensure!(tx.gas_limit() <= gas_limit, "the transaction may use {} gas, --gas-limit is {gas_limit}", tx.gas_limit());
    let price: U256 = session.l1.call(rollup, &Inbox::forcePriceCall {}, BlockTag::Latest).await?;
    let value = price.saturating_mul(U256::from(gas_limit)).saturating_mul(U256::from(PRICE_MARGIN));
    let call = Inbox::forceTransactionCall { raw: raw.clone(), gasLimit: gas_limit };
    let sender = session.sender().await?;
    let receipt = session
        .send(&sender, "force the transaction", TxIntent::call(rollup, call.abi_encode()).with_value(value))
        .await?;
    let queue_index = queue_index(&receipt, rollup).ok_or_else(|| eyre!("the transaction left no queue item"))?;
    let item = session.l1.call(rollup, &Inbox::queueItemCall { index: queue_index }, BlockTag::Latest).await?;
    let include_by = item.time.saturating_add(on_l1.config.windows.forceWindow);
    Ok(Forced { rollup, queue_index, l2_tx: keccak256(&raw), l1_tx: receipt.transaction_hash, include_by })
}

/// Everything that was in the queue at the newest block whose hash the contract can still check.
async fn post(session: &Session, rollup: Address) -> eyre::Result<Posted> {
    let head = session.l1.head(BlockTag::Latest).await?;
    let origin = head.number;
    let at = BlockTag::Number(origin);
    let queue_up_to: u64 = session.l1.call(rollup, &Inbox::queueLengthCall {}, at).await?;
    let call = Inbox::postForcedBatchCall { originNumber: origin, queueUpTo: queue_up_to };
    let sender = session.sender().await?;
    let receipt = session.send(&sender, "post a forced-only batch", TxIntent::call(rollup, call.abi_encode())).await?;
    let batch = receipt
        .logs()
        .iter()
        .filter(|log| log.address() == rollup)
        .find_map(|log| Inbox::BatchPosted::decode_log(&log.inner).ok())
        .ok_or_else(|| eyre!("the transaction posted no batch"))?;
    Ok(Posted { rollup, batch: batch.seq, queue_up_to, l1_tx: receipt.transaction_hash })
}

/// The queue item that a receipt's logs created.
pub(super) fn queue_index(receipt: &TransactionReceipt, rollup: Address) -> Option<u64> {
    let mut logs = receipt.logs().iter().filter(|log| log.address() == rollup);
    logs.find_map(|log| Inbox::QueueItem::decode_log(&log.inner).ok()).map(|item| item.index)
}
