//! `mayfly rollup freeze`: for a rollup whose sequencer fell silent. Anybody may ask; the
//! sequencer has `freezeDelay` to answer with a batch; after that anybody may freeze.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use alloy_sol_types::{SolCall, SolError};
use eyre::ensure;
use mayfly_contracts::{inbox::Inbox, types::Stage};
use mayfly_l1::{BlockTag, L1Error, TxIntent};
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
    if args.wait && !frozen {
        let asked = Request::read(session, rollup).await?;
        loop {
            frozen = sender.estimate_gas(&freeze).await.is_ok();
            if frozen {
                break;
            }
            if asked.stands(session, rollup).await? {
                tokio::time::sleep(POLL).await;
            } else {
                // Somebody else was faster, which is as good.
                return print(session, rollup, transactions, json).await;
            }
        }
    }
    if frozen {
        transactions.push(session.send(&sender, "freeze", freeze).await?.transaction_hash);
    }
    print(session, rollup, transactions, json).await
}

async fn print(session: &Session, rollup: Address, transactions: Vec<B256>, json: bool) -> eyre::Result<()> {
    let now = OnL1::read(&session.l1, rollup).await?;
    let frozen = matches!(now.stage, Stage::Frozen | Stage::Closing | Stage::Settling | Stage::Settled);
    output::print(&Frozen { rollup, frozen, close_time: now.close_time, transactions }, json)
}

/// The request for a freeze as the Inbox holds it. A sequencer's batch ends it, a forced one does not.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Request {
    by: Address,
    at: u64,
}

impl Request {
    async fn read(session: &Session, rollup: Address) -> eyre::Result<Request> {
        let at = BlockTag::Number(session.l1.head(BlockTag::Latest).await?.number);
        Ok(Request {
            by: session.l1.call(rollup, &Inbox::freezeRequesterCall {}, at).await?,
            at: session.l1.call(rollup, &Inbox::freezeRequestedAtCall {}, at).await?,
        })
    }

    /// False once the rollup is frozen or past its close time; an error if the sequencer answered.
    async fn stands(self, session: &Session, rollup: Address) -> eyre::Result<bool> {
        let now = OnL1::read(&session.l1, rollup).await?;
        if !matches!(now.stage, Stage::Created | Stage::Active | Stage::Draining) {
            return Ok(false);
        }
        let request = Request::read(session, rollup).await?;
        ensure!(
            request == self && !self.by.is_zero(),
            "the request was cancelled: the sequencer is alive (batch {})",
            now.batches
        );
        Ok(true)
    }
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
