//! `mayfly verify`: a verifier as a process of its own. It needs L1 and the rollup's address;
//! what it finds is printed as it is found, one line an event.

use std::path::PathBuf;

use alloy_primitives::{Address, B256};
use clap::Args;
use eyre::{WrapErr, ensure};
use mayfly_l1::Key;
use mayfly_rollup::settlement::LeafFile;
use mayfly_verifier::{ProposedClaim, Roles, Verdict, VerifierEvent, VerifierHandle, View};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;

use super::{
    output::{self, Report},
    session::Session,
    signal::StopSignal,
    target::TargetArgs,
};
use crate::keys::KeySource;

/// `mayfly verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Address of the rollup
    #[arg(long, env = "MAYFLY_ROLLUP", value_name = "ADDRESS")]
    pub rollup: Address,
    /// Where L1 is, and who pays for transactions.
    #[command(flatten)]
    pub target: TargetArgs,
    /// What to do on L1.
    #[command(flatten)]
    pub roles: RoleArgs,
    /// Stop at L1's present head instead of following it
    #[arg(long)]
    pub once: bool,
    /// Write the leaf file here once the rollup is closed
    #[arg(long, value_name = "FILE")]
    pub save_leaves: Option<PathBuf>,
}

/// What a verifier does on L1 about what it finds. Transactions are sent by --key, or else by
/// the first attester's own key.
#[derive(Clone, Debug, Default, Args)]
pub struct RoleArgs {
    /// Attest right claims with this key; may be given several times
    #[arg(long, env = "MAYFLY_ATTEST", value_delimiter = ',', value_name = "KEY")]
    pub attest: Vec<KeySource>,
    /// Propose claims at every interval, and the closing claim
    #[arg(long)]
    pub propose: bool,
    /// Make right claims final, and collect bonds
    #[arg(long)]
    pub finalize: bool,
    /// Rival wrong claims, and defend right ones with at most so much ETH each
    #[arg(long, value_name = "ETH")]
    pub rival: Option<String>,
    /// Vote for right claims, as a committee's member or the resolver
    #[arg(long)]
    pub vote: bool,
    /// Ask for a freeze, and freeze, when the sequencer is gone
    #[arg(long)]
    pub freeze: bool,
    /// Post a forced-only batch when a queue item is overdue
    #[arg(long)]
    pub force: bool,
}

impl RoleArgs {
    /// The duties, with their keys opened.
    pub(crate) async fn open(&self, session: &Session) -> eyre::Result<Roles> {
        let open = |source| session.target.open_key(source, session.l1_chain_id);
        let attesters = self.attest.iter().map(open).collect::<eyre::Result<Vec<Key>>>()?;
        let rival = match &self.rival {
            Some(ether) => Some(alloy_primitives::utils::parse_ether(ether).wrap_err("--rival")?),
            None => None,
        };
        let mut roles = Roles {
            sender: None,
            attesters: attesters.clone(),
            propose: self.propose,
            rival,
            vote: self.vote,
            finalize: self.finalize,
            freeze: self.freeze,
            force: self.force,
            submit: session.submit_options(),
        };
        if roles.any() {
            roles.sender = Some(match attesters.first().filter(|_| !session.target.names_key()) {
                Some(key) => session.sender_for(key.clone()).await?,
                None => session.sender().await?,
            });
        }
        Ok(roles)
    }
}

/// What happened, as it is printed.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    /// The verifier follows L1.
    Started { rollup: Address, chain_id: u64, l1_chain_id: u64 },
    /// A batch is derived.
    Batch {
        seq: u64,
        number: u64,
        hash: B256,
        state_root: B256,
        l1_number: u64,
        queue_only: bool,
        invalid: Option<String>,
    },
    /// The rollup is closed.
    Closed {
        number: u64,
        hash: B256,
        state_root: B256,
        settlement_root: B256,
        leaves: usize,
        contract_held: usize,
        l1_number: u64,
    },
    /// A claim on L1 was compared with what was derived.
    Claim { claim: B256, batch: u64, closing: bool, right: bool, status: String, proposer: Address },
    /// L1 reorganised.
    Reorg { l1_number: u64, l1_hash: B256 },
    /// A transaction was sent.
    Acted { role: &'static str, what: String, l1_tx: B256 },
    /// A transaction could not be sent.
    Failed { role: &'static str, what: String, reason: String },
    /// Where it stands at the end.
    Summary(Summary),
}

#[derive(Serialize)]
struct Summary {
    l1_number: u64,
    number: u64,
    hash: B256,
    state_root: B256,
    batches: u64,
    blocks: u64,
    transactions: u64,
    blocks_per_s: f64,
    claims_agreed: usize,
    claims_disagreed: usize,
    closed: bool,
}

impl Report for Line {
    fn text(&self) -> String {
        match self {
            Line::Started { rollup, chain_id, .. } => format!("verifying {rollup}, chain {chain_id}"),
            Line::Batch { seq, number, state_root, invalid, .. } => match invalid {
                Some(why) => format!("batch {seq} is invalid ({why}): block {number}, state root {state_root}"),
                None => format!("batch {seq}: block {number}, state root {state_root}"),
            },
            Line::Closed { number, leaves, settlement_root, .. } => {
                format!("closed with block {number}: {leaves} leaves, settlement root {settlement_root}")
            }
            Line::Claim { claim, batch, right, status, .. } => {
                format!("claim {claim} of batch {batch} is {} ({status})", if *right { "right" } else { "WRONG" })
            }
            Line::Reorg { l1_number, .. } => format!("L1 was reorganised after block {l1_number}"),
            Line::Acted { role, what, l1_tx } => format!("{role}: {what}: {l1_tx}"),
            Line::Failed { role, what, reason } => format!("{role}: could not {what}: {reason}"),
            Line::Summary(s) => format!(
                "block {} of {} batches, state root {}; {} claims agree, {} do not; {:.0} blocks/s",
                s.number, s.batches, s.state_root, s.claims_agreed, s.claims_disagreed, s.blocks_per_s
            ),
        }
    }
}

impl Line {
    fn of(event: VerifierEvent) -> Option<Line> {
        Some(match event {
            VerifierEvent::Batch { checkpoint: c, invalid } => Line::Batch {
                seq: c.seq,
                number: c.block.number,
                hash: c.block.hash,
                state_root: c.state_root,
                l1_number: c.included_number,
                queue_only: c.queue_only,
                invalid,
            },
            VerifierEvent::Closed { closing } => Line::Closed {
                number: closing.last.block.number,
                hash: closing.last.block.hash,
                state_root: closing.last.state_root,
                settlement_root: closing.tree.root(),
                leaves: closing.leaves.leaves.len(),
                contract_held: closing.leaves.contract_held.len(),
                l1_number: closing.l1.number,
            },
            VerifierEvent::Judged(claim) => Line::claim(&claim)?,
            VerifierEvent::Reorg { common } => Line::Reorg { l1_number: common.number, l1_hash: common.hash },
            VerifierEvent::Acted { role, what, tx_hash } => Line::Acted { role, what, l1_tx: tx_hash },
            VerifierEvent::Failed { role, what, reason } => Line::Failed { role, what, reason },
        })
    }

    /// Nothing while derivation has not come so far.
    fn claim(claim: &ProposedClaim) -> Option<Line> {
        let right = match claim.verdict {
            Verdict::Right => true,
            Verdict::Wrong(_) | Verdict::WrongParent => false,
            Verdict::Open => return None,
        };
        Some(Line::Claim {
            claim: claim.hash,
            batch: claim.claim.batchSeq,
            closing: claim.is_closing(),
            right,
            status: format!("{:?}", claim.status).to_lowercase(),
            proposer: claim.proposer,
        })
    }

    fn summary(view: &View) -> Line {
        Line::Summary(Summary {
            l1_number: view.l1.number,
            number: view.head.number,
            hash: view.head.hash,
            state_root: view.state_root,
            batches: view.batches(),
            blocks: view.blocks,
            transactions: view.transactions,
            blocks_per_s: view.blocks_per_s,
            claims_agreed: view.agreed(),
            claims_disagreed: view.disagreed(),
            closed: view.closing().is_some(),
        })
    }
}

/// Runs `mayfly verify`. Fails if a claim on L1 is wrong and still stands.
pub(crate) async fn run(args: VerifyArgs, data_dir: PathBuf, json: bool) -> eyre::Result<()> {
    let stop = StopSignal::listen()?;
    let session = Session::open(&args.target, &data_dir).await?;
    let roles = args.roles.open(&session).await?;
    let verifier = session.verifier(args.rollup, roles).await?;
    let info = verifier.info();
    let started = Line::Started { rollup: info.rollup, chain_id: info.chain_id, l1_chain_id: info.l1_chain_id };
    output::print_line(&started, json)?;
    let done = tokio::select! {
        done = follow(&verifier, &args, json) => done,
        () = stop.wait() => Ok(()),
    };
    let view = verifier.view();
    output::print_line(&Line::summary(&view), json)?;
    verifier.stop().await;
    done?;
    ensure!(view.disagreed() == 0, "{} claims on L1 are wrong", view.disagreed());
    Ok(())
}

/// Prints events until L1's head is reached (`--once`), or for ever.
async fn follow(verifier: &VerifierHandle, args: &VerifyArgs, json: bool) -> eyre::Result<()> {
    let mut events = verifier.events();
    let mut views = verifier.views();
    let mut unsaved = args.save_leaves.as_ref();
    loop {
        tokio::select! {
            // What happened before a view comes before it.
            biased;
            event = events.recv() => match event {
                Ok(event) => print(event, json)?,
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "events were not printed"),
                Err(RecvError::Closed) => eyre::bail!("the verifier has stopped"),
            },
            changed = views.changed() => {
                changed.wrap_err("the verifier has stopped")?;
                let view = views.borrow_and_update().clone();
                if let (Some(path), Some(closing)) = (unsaved, view.closing()) {
                    let file = LeafFile { leaves: closing.leaves.leaves.clone() };
                    std::fs::write(path, file.encode()).wrap_err_with(|| path.display().to_string())?;
                    unsaved = None;
                }
                if args.once && view.is_synced() {
                    while let Ok(event) = events.try_recv() {
                        print(event, json)?;
                    }
                    return Ok(());
                }
            }
        }
    }
}

fn print(event: VerifierEvent, json: bool) -> eyre::Result<()> {
    Line::of(event).map_or(Ok(()), |line| output::print_line(&line, json))
}
