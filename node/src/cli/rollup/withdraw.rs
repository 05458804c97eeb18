//! `mayfly rollup withdraw`: carries out on L1 a message that was sent on the rollup. The
//! proof is built from what this process derives itself; the node is asked for a
//! transaction's receipt only.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256, hex};
use alloy_sol_types::SolEvent;
use eyre::{WrapErr, bail, ensure, eyre};
use mayfly_contracts::{l2::L2Messenger, predeploys::L2_MESSENGER};
use mayfly_l1::{L1Client, L1Options};
use mayfly_rollup::RollupInfo;
use mayfly_verifier::{Roles, VerifierHandle, Withdrawal, withdraw, withdrawal};
use serde::Serialize;

use super::args::WithdrawArgs;
use crate::cli::{
    output::{self, Report, progress},
    session::Session,
};

/// How long `--wait` waits for a claim.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(14 * 86_400);

#[derive(Serialize)]
struct Withdrawn {
    rollup: Address,
    index: u64,
    kind: u8,
    token: Address,
    token_id: U256,
    amount: U256,
    to: Address,
    claim: B256,
    l1_tx: B256,
}

impl Report for Withdrawn {
    fn text(&self) -> String {
        format!("message {} carried out on L1 for {}: {}", self.index, self.to, self.l1_tx)
    }
}

pub(super) async fn run(session: &Session, args: WithdrawArgs, json: bool) -> eyre::Result<()> {
    let rollup = session.rollup(&args.one.rollup).await?;
    let info = session.locate(rollup).await?;
    let index = match (args.index, args.tx) {
        (Some(index), _) => index,
        (None, Some(tx)) => index_of(session, &info, tx).await?,
        (None, None) => bail!("give --index or --tx"),
    };
    let verifier = session.verifier_of(info.clone(), Roles::default())?;
    let found = find(&verifier, &info, index, args.wait).await;
    verifier.stop().await;
    let found = found?;
    let (claim, message) = (found.claim_hash, found.message.clone());
    let sender = session.sender().await?;
    let l1_tx = withdraw(&sender, &info, found, &session.submit_options()).await?;
    let withdrawn = Withdrawn {
        rollup,
        index,
        kind: message.kind,
        token: message.token,
        token_id: message.tokenId,
        amount: message.amount,
        to: message.to,
        claim,
        l1_tx,
    };
    output::print(&withdrawn, json)
}

/// The proof under the first final claim that holds the message.
async fn find(verifier: &VerifierHandle, info: &RollupInfo, index: u64, wait: bool) -> eyre::Result<Withdrawal> {
    let ready = |view: &mayfly_verifier::View| matches!(withdrawal(info, view, &verifier.reader(), index), Ok(Some(_)));
    let limit = if wait { CLAIM_TIMEOUT } else { Duration::ZERO };
    let view = verifier.wait_for(mayfly_verifier::View::is_synced).await?;
    if wait && !ready(&view) {
        progress("waiting for a final claim that holds it");
    }
    let view = verifier.wait_at_most(limit, ready).await.unwrap_or_else(|view| view);
    withdrawal(info, &view, &verifier.reader(), index)?
        .ok_or_else(|| eyre!("no final claim holds message {index} yet; --wait waits for one"))
}

/// The message that a transaction of the rollup sent. A transaction that sent several needs --index.
async fn index_of(session: &Session, info: &RollupInfo, tx: B256) -> eyre::Result<u64> {
    let url = format!("{}/{}", session.target.rpc_url()?, info.chain_id);
    let node = L1Client::new(&[url], L1Options::default())?;
    node.check_chain_id(info.chain_id).await.wrap_err("the node's RPC")?;
    let receipt = node.receipt(tx).await?.ok_or_else(|| eyre!("the rollup has no transaction {tx}"))?;
    let logs = receipt.logs().iter().filter(|log| log.address() == L2_MESSENGER);
    let indexes: Vec<u64> =
        logs.filter_map(|log| L2Messenger::MessageSent::decode_log(&log.inner).ok()).map(|sent| sent.index).collect();
    ensure!(indexes.len() <= 1, "{tx} sent messages {indexes:?}: name one with --index");
    indexes.first().copied().ok_or_else(|| eyre!("{} sent no message to L1", hex::encode_prefixed(tx)))
}
