//! `mayfly rollup freeze`: for a rollup whose sequencer fell silent. Anybody may ask; the
//! sequencer has `freezeDelay` to answer with a batch; after that anybody may freeze.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolCall, SolError};
use eyre::ensure;
use mayfly_contracts::{inbox::Inbox, types::Stage};
use mayfly_l1::{L1Error, TxIntent};
use serde::Serialize;

use super::{args::FreezeArgs, chain::OnL1};
use crate::cli::{
    output::{self, Report, progress},
    session::Session,
};

const POLL: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct Frozen {
    rollup: Address,
    frozen: bool,
    close_time: u64,
    transactions: Vec<B256>,
}

impl Report for Frozen {
    fn text(&self) -> String {
        match self.frozen {
            true => format!("{} is frozen and closes at {}", self.rollup, self.close_time),
            false => format!("asked to freeze {}; run this again when the delay is over", self.rollup),
        }
    }
}

pub(super) async fn run(session: &Session, args: FreezeArgs, json: bool) -> eyre::Result<()> {
    let rollup = session.rollup(&args.one.rollup).await?;
    let on_l1 = OnL1::read(&session.l1, rollup).await?;
    ensure!(
        matches!(on_l1.stage, Stage::Created | Stage::Active | Stage::Draining),
        "the rollup is {:?}: there is nothing to freeze",
        on_l1.stage
    );
    let sender = session.sender().await?;
    let mut transactions = Vec::new();
    let freeze = TxIntent::call(rollup, Inbox::freezeCall {}.abi_encode());
    let request = TxIntent::call(rollup, Inbox::requestFreezeCall {}.abi_encode()).with_value(on_l1.config.freezeBond);
    // Somebody else may have asked already, and the delay may be over.
    let mut frozen = sender.estimate_gas(&freeze).await.is_ok();
    if !frozen {
        match attempt(session, &args, &sender, "ask for the freeze", request).await? {
            Some(hash) => transactions.push(hash),
            None => progress("a freeze was asked for already"),
        }
    }
    if frozen || args.wait {
        while !frozen {
            tokio::time::sleep(POLL).await;
            let now = OnL1::read(&session.l1, rollup).await?;
            ensure!(now.batches == on_l1.batches, "the sequencer answered with batch {}: it is alive", now.batches);
            frozen = sender.estimate_gas(&freeze).await.is_ok();
        }
        transactions.push(session.send(&sender, "freeze", freeze).await?.transaction_hash);
    }
    let close_time = OnL1::read(&session.l1, rollup).await?.close_time;
    output::print(&Frozen { rollup, frozen, close_time, transactions }, json)
}

/// Sends the request, waiting for the liveness window if asked to. `None`: asked already.
async fn attempt(
    session: &Session,
    args: &FreezeArgs,
    sender: &mayfly_l1::Sender,
    what: &str,
    intent: TxIntent,
) -> eyre::Result<Option<B256>> {
    loop {
        match sender.estimate_gas(&intent).await {
            Ok(_) => return Ok(Some(session.send(sender, what, intent).await?.transaction_hash)),
            Err(L1Error::Reverted { data, .. }) if data.starts_with(&Inbox::FreezeAlreadyRequested::SELECTOR) => {
                return Ok(None);
            }
            Err(L1Error::Reverted { data, .. }) if args.wait && data.starts_with(&Inbox::StillLive::SELECTOR) => {
                tokio::time::sleep(POLL).await;
            }
            Err(e) => return Err(e.into()),
        }
    }
}
