//! `mayfly rollup claim`: pays out on L1 what a closed rollup owes. Whoever sends it pays the
//! gas, the recipients get the assets; nothing but L1, or a copy of the leaf file, is needed.

use std::{
    fs::File,
    io::{BufReader, BufWriter},
    path::Path,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::{Address, B256, U256};
use eyre::{WrapErr, ensure};
use mayfly_rollup::{
    RollupInfo,
    settlement::{AssetKind, Leaf, LeafFile, MAX_LEAF_FILE_BYTES, Tree},
};
use mayfly_verifier::{
    Closing, Results, Roles, VerifierError, check_settled, describe_collections, pay_settled, payouts_where,
    settled_leaves,
};
use serde::Serialize;

use super::args::ClaimArgs;
use crate::cli::{
    output::{self, Report, ether, progress},
    session::Session,
};

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
            all_leaves: source.leaves().len(),
            paid: 0,
            already_paid: 0,
            skipped: Vec::new(),
            native_wei: U256::ZERO,
            collections_named: 0,
            transactions: Vec::new(),
            gas_used: 0,
            contract_held: source.contract_held(),
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
    found: Found,
}

enum Found {
    File(LeafFile, Tree),
    Derived(Arc<Closing>, Arc<Results>),
}

impl Source {
    fn leaves(&self) -> &[Leaf] {
        match &self.found {
            Found::File(file, _) => &file.leaves,
            Found::Derived(closing, _) => &closing.leaves.leaves,
        }
    }

    fn tree(&self) -> &Tree {
        match &self.found {
            Found::File(_, tree) => tree,
            Found::Derived(closing, _) => &closing.tree,
        }
    }

    fn contract_held(&self) -> Option<usize> {
        match &self.found {
            Found::File(..) => None,
            Found::Derived(closing, _) => Some(closing.leaves.contract_held.len()),
        }
    }
}

pub(super) async fn run(session: &Session, args: ClaimArgs, json: bool) -> eyre::Result<()> {
    let rollup = session.rollup(&args.one.rollup).await?;
    let info = session.locate(rollup).await?;
    let source = find_leaves(session, &info, &args).await?;
    check_settled(&session.l1, &info, source.tree().root()).await?;
    if let Some(path) = &args.save_leaves {
        save_leaves(path, source.leaves()).wrap_err_with(|| path.display().to_string())?;
    }
    let wanted = |leaf: &Leaf| args.recipient.is_none_or(|recipient| recipient == leaf.recipient);
    let payable = |leaf: &&Leaf| leaf.kind != AssetKind::Description && wanted(leaf);
    let leaves = source.leaves().iter().filter(payable).count();
    if let Some(recipient) = args.recipient {
        ensure!(leaves > 0, "nothing is owed to {recipient}");
    }
    if leaves == 0 {
        return output::print(&Claimed::nothing(rollup, &source), json);
    }
    let sender = session.sender().await?;
    let submit = session.submit_options();
    progress(format!("claiming {leaves} leaves"));
    let report =
        pay_settled(&sender, info.vault, source.leaves(), source.tree(), |_, leaf| wanted(leaf), &submit).await?;
    let collections_named = match &source.found {
        Found::Derived(closing, results) if args.all => {
            let registered: Vec<_> = results.collections.iter().map(|(_, r)| r.clone()).collect();
            let described =
                payouts_where(&closing.leaves.leaves, &closing.tree, |leaf| leaf.kind == AssetKind::Description)?;
            describe_collections(&sender, &info, described, &registered, &submit).await?
        }
        _ => 0,
    };
    let paid = report.paid.iter().filter_map(|index| source.leaves().get(*index as usize));
    let native_wei = paid.filter(|leaf| leaf.kind == AssetKind::Native).map(|leaf| leaf.amount).sum();
    let skipped: Vec<u64> = report.skipped.iter().copied().collect();
    let claimed = Claimed {
        rollup,
        source: source.name,
        leaves,
        all_leaves: source.leaves().len(),
        paid: report.paid.len(),
        already_paid: report.already,
        native_wei,
        collections_named,
        transactions: report.transactions,
        gas_used: report.gas_used,
        contract_held: source.contract_held(),
        skipped,
    };
    output::print(&claimed, json)?;
    ensure!(claimed.skipped.is_empty(), "{} leaves could not be paid; they stay claimable", claimed.skipped.len());
    Ok(())
}

/// The file that was named; else what the closing claim carries; else derivation from L1.
async fn find_leaves(session: &Session, info: &RollupInfo, args: &ClaimArgs) -> eyre::Result<Source> {
    if let Some(path) = &args.leaf_file {
        let file = read_leaves(path)?;
        let tree = Tree::new(info.rollup, &file.leaves)?;
        return Ok(Source { name: "file", found: Found::File(file, tree) });
    }
    if !args.derive {
        match settled_leaves(&session.l1, info).await {
            Ok((file, tree)) => return Ok(Source { name: "claim", found: Found::File(file, tree) }),
            Err(VerifierError::NoLeafFile(_)) => progress("the closing claim carries no leaves: deriving them from L1"),
            Err(e) => return Err(e.into()),
        }
    }
    let verifier = session.verifier_of(info.clone(), Roles::default())?;
    let view = verifier.wait_at_most(REBUILD_TIMEOUT, |view| view.closing().is_some() || view.is_synced()).await;
    verifier.stop().await;
    let view = view.unwrap_or_else(|view| view);
    let closing = view.closing().cloned().ok_or(VerifierError::NotClosed)?;
    Ok(Source { name: "derived", found: Found::Derived(closing, view.results) })
}

fn save_leaves(path: &Path, leaves: &[Leaf]) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    LeafFile::write_leaves(leaves, &mut out)?;
    out.into_inner().map_err(|error| error.into_error())?.sync_all()
}

fn read_leaves(path: &Path) -> eyre::Result<LeafFile> {
    let named = || path.display().to_string();
    let file = File::open(path).wrap_err_with(named)?;
    // As the closing claim carries it, or as a node keeps it.
    if file.metadata().wrap_err_with(named)?.len() <= MAX_LEAF_FILE_BYTES as u64 {
        let bytes = std::fs::read(path).wrap_err_with(named)?;
        return LeafFile::decode(&bytes).or_else(|_| LeafFile::decompress(&bytes)).wrap_err_with(named);
    }
    LeafFile::read(&mut BufReader::new(file)).wrap_err_with(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_settlement_is_told_as_one() {
        let tree = Tree::from_hashes(Vec::new());
        let source = Source { name: "claim", found: Found::File(LeafFile::default(), tree) };
        assert_eq!(Claimed::nothing(Address::ZERO, &source).text(), "nothing is owed to anybody");
    }
}
