//! `mayfly rollup close`: ends a rollup early, and drives its settlement.

use std::time::Duration;

use alloy_primitives::{Address, B256};
use alloy_sol_types::SolCall;
use eyre::{bail, ensure};
use mayfly_contracts::{inbox::Inbox, types::Stage};
use mayfly_l1::TxIntent;
use mayfly_rollup::config::Span;
use mayfly_verifier::{ClaimStatus, ProposedClaim, View};
use serde::Serialize;

use super::{args::CloseArgs, chain::OnL1};
use crate::cli::{
    output::{self, Report, progress},
    session::Session,
    verify::RoleArgs,
};

#[derive(Serialize)]
struct Closed {
    rollup: Address,
    end_time: u64,
    close_time: u64,
    /// The final closing claim, if it was waited for.
    claim: Option<B256>,
    settlement_root: Option<B256>,
    leaves: Option<usize>,
    /// L1 time when the claim was seen final.
    final_time: Option<u64>,
}

impl Report for Closed {
    fn text(&self) -> String {
        match (self.claim, self.leaves) {
            (Some(claim), Some(leaves)) => format!("settled: claim {claim} is final, {leaves} leaves can be claimed"),
            _ => format!("deposits end at {}, the rollup closes at {}", self.end_time, self.close_time),
        }
    }
}

pub(super) async fn run(session: &Session, args: CloseArgs, json: bool) -> eyre::Result<()> {
    let rollup = session.rollup(&args.one.rollup).await?;
    let timeout = Duration::from_millis(args.timeout.parse::<Span>()?.millis);
    if args.early {
        end_early(session, rollup).await?;
    }
    let settled = match args.settle {
        true => Some(settle(session, rollup, &args.roles, timeout).await?),
        false => None,
    };
    let on_l1 = OnL1::read(&session.l1, rollup).await?;
    let closing = settled.as_ref().and_then(|view| view.closing().cloned());
    let closed = Closed {
        rollup,
        end_time: on_l1.end_time,
        close_time: on_l1.close_time,
        claim: settled.as_ref().and_then(final_claim).map(|claim| claim.hash),
        settlement_root: closing.as_ref().map(|c| c.tree.root()),
        leaves: closing.map(|c| c.leaves.leaves.len()),
        final_time: settled.map(|view| view.l1_time),
    };
    output::print(&closed, json)
}

async fn end_early(session: &Session, rollup: Address) -> eyre::Result<()> {
    let on_l1 = OnL1::read(&session.l1, rollup).await?;
    let sender = session.sender().await?;
    ensure!(
        on_l1.config.organiser == sender.address(),
        "only the organiser {} may end it early, not {}",
        on_l1.config.organiser,
        sender.address()
    );
    if on_l1.end_time <= on_l1.l1_time {
        progress(format!("its end was at {} already", on_l1.end_time));
        return Ok(());
    }
    session.send(&sender, "end the rollup", TxIntent::call(rollup, Inbox::endEarlyCall {}.abi_encode())).await.map(drop)
}

/// Runs a verifier that proposes and finalises until the closing claim is final.
async fn settle(session: &Session, rollup: Address, roles: &RoleArgs, timeout: Duration) -> eyre::Result<View> {
    let on_l1 = OnL1::read(&session.l1, rollup).await?;
    if !matches!(on_l1.stage, Stage::Settled) {
        progress(format!("the rollup is {:?} and closes at {}", on_l1.stage, on_l1.close_time));
    }
    let roles = RoleArgs { propose: true, finalize: true, ..roles.clone() };
    let verifier = session.verifier(rollup, roles.open(session).await?).await?;
    let done = |view: &View| final_claim(view).is_some();
    let outcome = verifier.wait_at_most(timeout, done).await;
    verifier.stop().await;
    match outcome {
        Ok(view) => Ok(view),
        Err(view) => {
            let trouble = view.trouble.clone().map(|t| format!(" ({t})")).unwrap_or_default();
            let claims = view.claims.iter().filter(|c| c.is_closing()).count();
            bail!(
                "not settled within {timeout:?}: closed {}, {claims} closing claims{trouble}",
                view.closing().is_some()
            )
        }
    }
}

fn final_claim(view: &View) -> Option<&ProposedClaim> {
    view.claims.iter().find(|claim| claim.is_closing() && claim.status == ClaimStatus::Final)
}
