//! The operator's commands, behind the token that guards the whole listener.

use std::{sync::Arc, time::Duration};

use alloy_primitives::Address;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use eyre::{WrapErr, bail, ensure, eyre};
use mayfly_l1::Creation;
use mayfly_ledger::{L1Log, Role, Rollup};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    pulse::part,
    rollup::{RollupStatus, Running},
    start::Inner,
};
use crate::rpc::{MAX_ROLLUPS, RollupName};
use mayfly_verifier::{CREATION_LOOKBACK_BLOCKS, rollup_info};

/// How long an answer waits until the new rollup takes transactions.
const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// The routes.
pub(super) fn routes(inner: Arc<Inner>) -> Router {
    Router::new().route("/admin/info", get(info)).route("/admin/rollups", get(rollups).post(start)).with_state(inner)
}

/// What an organiser must know to create a rollup that this node can sequence.
async fn info(State(inner): State<Arc<Inner>>) -> Response {
    let names: Vec<String> = match inner.ledger.rollups().await {
        Ok(stored) => stored.into_iter().map(|rollup| rollup.name).collect(),
        Err(error) => return failed(StatusCode::SERVICE_UNAVAILABLE, &error.into()),
    };
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "sequencer": inner.sequencer_key.address(),
        "receipt_signer": inner.receipt_key.address(),
        "l1_chain_id": inner.l1_chain_id,
        "rpc_url": inner.rpc_url,
        "names": names,
        "free_rollups": free_rollups(&inner, &inner.rollups.lock().await),
    }))
    .into_response()
}

/// Rollups that are over take no place.
fn free_rollups(inner: &Inner, running: &[Running]) -> usize {
    let taken = running.iter().filter(|rollup| !rollup.is_settled()).count();
    inner.config.limits.max_rollups.saturating_sub(taken)
}

#[derive(Serialize)]
struct RollupList {
    rollups: Vec<RollupStatus>,
}

async fn rollups(State(inner): State<Arc<Inner>>) -> Response {
    let running = inner.rollups.lock().await;
    match futures::future::try_join_all(running.iter().map(Running::status)).await {
        Ok(rollups) => Json(RollupList { rollups }).into_response(),
        Err(error) => failed(StatusCode::SERVICE_UNAVAILABLE, &error.into()),
    }
}

/// The operator is trusted with the cause; the public listener never shows one.
fn failed(status: StatusCode, error: &eyre::Report) -> Response {
    tracing::warn!(error = format!("{error:#}"), "an operator's request failed");
    (status, format!("{error:#}\n")).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    name: RollupName,
    rollup: Address,
}

/// Starts sequencing a rollup that stands on L1. Asking again changes nothing.
async fn start(State(inner): State<Arc<Inner>>, Json(request): Json<StartRequest>) -> Response {
    // A task of its own: a caller that hangs up leaves nothing half started.
    let started = tokio::spawn(async move { start_rollup(&inner, request).await });
    match started.await.unwrap_or_else(|error| Err(error.into())) {
        Ok(status) => Json(status).into_response(),
        Err(error) => failed(StatusCode::UNPROCESSABLE_ENTITY, &error),
    }
}

async fn start_rollup(inner: &Arc<Inner>, request: StartRequest) -> eyre::Result<RollupStatus> {
    // Held to the end: two requests for one rollup must not both start it.
    let mut running = inner.rollups.lock().await;
    ensure!(!inner.stopping.is_cancelled(), "the node is stopping");
    let StartRequest { name, rollup } = request;
    if let Some(known) = running.iter().find(|r| r.info.rollup == rollup) {
        ensure!(known.name == name.as_str(), "{rollup} is sequenced under the name {}", known.name);
        return Ok(known.status().await?);
    }
    let recorded = inner.ledger.rollups().await?;
    if let Some(other) = recorded.iter().find(|r| r.name == name.as_str() && r.address != rollup) {
        bail!("{name} is the name of {}", other.address);
    }
    let most = inner.config.limits.max_rollups;
    ensure!(free_rollups(inner, &running) > 0, "this node sequences {most} rollups already (limits.max_rollups)");
    ensure!(inner.directory.all().len() < MAX_ROLLUPS, "this node serves {MAX_ROLLUPS} rollups already");
    let factory = inner.config.l1.factory;
    let creation = inner.l1.find_creation(rollup, factory, CREATION_LOOKBACK_BLOCKS).await?;
    let info = rollup_info(&creation);
    let (sequencer, receipts) = (inner.sequencer_key.address(), inner.receipt_key.address());
    ensure!(info.config.sequencer == sequencer, "its sequencer is {}, this node is {sequencer}", info.config.sequencer);
    ensure!(
        info.config.receiptSigner == receipts,
        "its receipt signer is {}, this node signs as {receipts}",
        info.config.receiptSigner
    );
    let stored = Rollup {
        address: info.rollup,
        name: name.to_string(),
        chain_id: info.chain_id,
        settlement: info.settlement,
        vault: info.vault,
        role: Role::Sequencer,
        config: info.to_json()?,
        created: L1Log { number: info.l1_number, hash: info.l1_hash, index: log_index(inner, &creation).await? },
    };
    // In the ledger before it runs: a crash from here on resumes it at the next start.
    inner.ledger.insert_rollup(&stored).await.wrap_err("recording the rollup")?;
    mayfly_fail::fail_point("rollup-recorded");
    let started = Running::start(inner, stored).await?;
    if !started.ready(READY_TIMEOUT).await {
        tracing::warn!(name = %started.name, "takes no transactions yet");
    }
    inner.readiness.clear(&part(name.as_str()));
    let status = started.status().await;
    running.push(started);
    Ok(status?)
}

/// Where in its block the creation log stands.
pub(super) async fn log_index(inner: &Inner, creation: &Creation) -> eyre::Result<u64> {
    let block = inner.l1.block_with_logs(&creation.header, &[creation.factory], &[]).await?;
    let wanted = Some(&creation.rollup.into_word());
    let log = block.logs.iter().find(|log| log.data.topics().get(1) == wanted);
    Ok(log.ok_or_else(|| eyre!("L1 block {} lost the creation log", creation.header.number))?.index)
}
