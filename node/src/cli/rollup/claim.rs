//! `mayfly rollup claim`: pays out on L1 what a closed rollup owes. Whoever sends it pays the
//! gas, the recipients get the assets; nothing but L1, or a copy of the leaf file, is needed.

use std::{path::Path, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, U256};
use eyre::{WrapErr, ensure};
use mayfly_rollup::{
    RollupInfo,
    settlement::{AssetKind, Leaf, LeafFile, Tree},
};
use mayfly_verifier::{
    Closing, Payout, Results, Roles, VerifierError, check_settled, describe_collections, pay_out, payouts,
    settled_leaves,
};
use serde::Serialize;

use super::args::ClaimArgs;
use crate::cli::{
    output::{self, Report, ether, progress},
    session::Session,
};

/// The largest leaf file that is read.
const MAX_FILE_BYTES: u64 = 1 << 31;
/// How long rebuilding the leaves from L1 may take.
const REBUILD_TIMEOUT: Duration = Duration::from_secs(3_600);

#[derive(Serialize)]
struct Claimed {
    rollup: Address,
    /// Where the leaves came from: `file`, `claim` (carried by the closing claim) or `derived`.
    source: &'static str,
    /// Leaves asked for, and in the whole settlement.
    leaves: usize,
    all_leaves: usize,
    paid: usize,
    already_paid: usize,
    skipped: Vec<u64>,
    native_wei: U256,
    collections_named: usize,
    transactions: Vec<B256>,
    gas_used: u64,
    /// Leaves of assets that stood in contracts, if derived: paid to a beneficiary or the contract's own address.
    contract_held: Option<usize>,
}

impl Claimed {
    /// A settlement without assets: an answer, no failure.
    fn nothing(rollup: Address, source: &Source) -> Claimed {
        Claimed {
            rollup,
            source: source.name,
            leaves: 0,
            all_leaves: source.leaves.len(),
            paid: 0,
            already_paid: 0,
            skipped: Vec::new(),
            native_wei: U256::ZERO,
            collections_named: 0,
            transactions: Vec::new(),
            gas_used: 0,
            contract_held: source.derived.as_ref().map(|(closing, _)| closing.leaves.contract_held.len()),
        }
    }
}

impl Report for Claimed {
    fn text(&self) -> String {
        if self.leaves == 0 {
            return "nothing is owed to anybody".to_owned();
        }
        format!(
            "{} of {} leaves paid ({}) in {} transactions, {} gas; {} were paid before, {} could not be paid",
            self.paid,
            self.leaves,
            ether(self.native_wei),
            self.transactions.len(),
            self.gas_used,
            self.already_paid,
            self.skipped.len()
        )
    }
}

/// Leaves with their tree, and what only derivation knows.
struct Source {
    name: &'static str,
    leaves: Vec<Leaf>,
    tree: Tree,
    derived: Option<(Arc<Closing>, Arc<Results>)>,
}

pub(super) async fn run(session: &Session, args: ClaimArgs, json: bool) -> eyre::Result<()> {
    let rollup = session.rollup(&args.one.rollup).await?;
    let info = session.locate(rollup).await?;
    let source = find_leaves(session, &info, &args).await?;
    check_settled(&session.l1, &info, source.tree.root()).await?;
    if let Some(path) = &args.save_leaves {
        let file = LeafFile { leaves: source.leaves.clone() };
        std::fs::write(path, file.encode()).wrap_err_with(|| path.display().to_string())?;
    }
    let all = payouts(&source.leaves, &source.tree, args.recipient)?;
    let wanted: Vec<Payout> = all.into_iter().filter(|p| p.leaf.kind != AssetKind::Description).collect();
    if let Some(recipient) = args.recipient {
        ensure!(!wanted.is_empty(), "nothing is owed to {recipient}");
    }
    let leaves = wanted.len();
    let native: Vec<(u64, U256)> =
        wanted.iter().filter(|p| p.leaf.kind == AssetKind::Native).map(|p| (p.index, p.leaf.amount)).collect();
    if wanted.is_empty() {
        return output::print(&Claimed::nothing(rollup, &source), json);
    }
    let sender = session.sender().await?;
    let submit = session.submit_options();
    progress(format!("claiming {leaves} leaves"));
    let report = pay_out(&sender, info.vault, wanted, &submit).await?;
    let collections_named = match &source.derived {
        Some((closing, results)) if args.all => {
            let registered: Vec<_> = results.collections.iter().map(|(_, r)| r.clone()).collect();
            describe_collections(&sender, &info, closing.payouts(None)?, &registered, &submit).await?
        }
        _ => 0,
    };
    let native_wei = native.iter().filter(|(i, _)| report.paid.contains(i)).fold(U256::ZERO, |sum, (_, wei)| sum + wei);
    let skipped: Vec<u64> = report.skipped.iter().copied().collect();
    let claimed = Claimed {
        rollup,
        source: source.name,
        leaves,
        all_leaves: source.leaves.len(),
        paid: report.paid.len(),
        already_paid: report.already,
        native_wei,
        collections_named,
        transactions: report.transactions,
        gas_used: report.gas_used,
        contract_held: source.derived.map(|(closing, _)| closing.leaves.contract_held.len()),
        skipped,
    };
    output::print(&claimed, json)?;
    ensure!(claimed.skipped.is_empty(), "{} leaves could not be paid; they stay claimable", claimed.skipped.len());
    Ok(())
}

/// The file that was named; else what the closing claim carries; else derivation from L1.
async fn find_leaves(session: &Session, info: &RollupInfo, args: &ClaimArgs) -> eyre::Result<Source> {
    if let Some(path) = &args.leaf_file {
        let leaves = read_leaves(path)?;
        let tree = Tree::new(info.rollup, &leaves)?;
        return Ok(Source { name: "file", leaves, tree, derived: None });
    }
    if !args.derive {
        match settled_leaves(&session.l1, info).await {
            Ok((file, tree)) => return Ok(Source { name: "claim", leaves: file.leaves, tree, derived: None }),
            Err(VerifierError::NoLeafFile(_)) => progress("the closing claim carries no leaves: deriving them from L1"),
            Err(e) => return Err(e.into()),
        }
    }
    let verifier = session.verifier_of(info.clone(), Roles::default())?;
    let view = verifier.wait_at_most(REBUILD_TIMEOUT, |view| view.closing().is_some() || view.is_synced()).await;
    verifier.stop().await;
    let view = view.unwrap_or_else(|view| view);
    let closing = view.closing().cloned().ok_or(VerifierError::NotClosed)?;
    let leaves = closing.leaves.leaves.clone();
    let tree = Tree::new(info.rollup, &leaves)?;
    Ok(Source { name: "derived", leaves, tree, derived: Some((closing, view.results)) })
}

fn read_leaves(path: &Path) -> eyre::Result<Vec<Leaf>> {
    let named = || path.display().to_string();
    let size = std::fs::metadata(path).wrap_err_with(named)?.len();
    ensure!(size <= MAX_FILE_BYTES, "{}: file of {size} bytes", path.display());
    let bytes = std::fs::read(path).wrap_err_with(named)?;
    // As a node keeps it, or as the closing claim carries it.
    let file = LeafFile::decode(&bytes).or_else(|_| LeafFile::decompress(&bytes)).wrap_err_with(named)?;
    Ok(file.leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_settlement_is_told_as_one() {
        let tree = Tree::from_hashes(Vec::new());
        let source = Source { name: "claim", leaves: Vec::new(), tree, derived: None };
        assert_eq!(Claimed::nothing(Address::ZERO, &source).text(), "nothing is owed to anybody");
    }
}
