//! Settles a rollup of very many holders and says what it takes: `scripts/settle.sh`.
//!
//! A chain with their balances is built in memory (not counted), its leaves, tree and leaf file are made, and all of it
//! is dropped but the file. Then a claimant with nothing but the file and L1 reads it, makes the proofs, and pays out
//! some leaves of every kind on a real L1. What the figures mean stands in docs/benchmarks.md. Results go to stdout,
//! progress to stderr.

mod memory;
mod onl1;
mod state;

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, BufWriter},
    path::Path,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use clap::Parser;
use eyre::{WrapErr, ensure};
use mayfly_rollup::settlement::{
    AssetKind, Leaf, LeafFile, MAX_LEAF_FILE_BYTES, Tree, leaf_hash, leaves, verify, verify_range,
};
use memory::Memory;
use onl1::{GasPerLeaf, OnL1};
use serde::Serialize;
use state::State;

/// Proofs of single leaves that are made and checked.
const SINGLE_PROOFS: usize = 10_000;
/// Leaves under one proof.
const RANGE_LEAVES: usize = 128;
/// The most that a leaf of a batch may cost on L1.
const MAX_GAS_PER_LEAF: u64 = 60_000;

/// Measures a settlement.
#[derive(Debug, Parser)]
#[command(name = "mayfly-settle", after_help = "Example:\n  scripts/settle.sh --holders 1000000 --json >settle.json")]
struct Args {
    /// How many people hold something
    #[arg(long, default_value_t = 1_000_000)]
    holders: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Exit with 1 if a leaf costs more than 60,000 gas
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    holders: u64,
    leaves: usize,
    leaves_by_kind: BTreeMap<AssetKind, usize>,
    seconds: Seconds,
    /// The chain in memory before anything settles.
    state_rss_mib: u64,
    /// While leaves, tree and file were made, the chain included.
    settle_peak_rss_mib: u64,
    /// While a claimant made every range proof, without a chain.
    claimant_peak_rss_mib: u64,
    file_bytes: u64,
    /// Whether it fits beside the closing claim in calldata.
    file_in_calldata: bool,
    proof_hashes: usize,
    range_proof_hashes: usize,
    gas_per_leaf: BTreeMap<AssetKind, GasPerLeaf>,
}

#[derive(Debug, Default, Serialize)]
struct Seconds {
    /// Building the state, which is no part of settling.
    state: f64,
    leaves: f64,
    tree: f64,
    file_write: f64,
    file_compress: f64,
    file_read: f64,
    /// The tree over what was read.
    claimant_tree: f64,
    /// 10,000 of single leaves, made and checked.
    single_proofs: f64,
    /// One for each 128 leaves, all of them, made and checked.
    range_proofs: f64,
}

#[tokio::main]
async fn main() -> eyre::Result<()> {
    let args = Args::parse();
    let dir = tempfile::tempdir()?;
    let report = measure(args.holders, &dir.path().join("leaves")).await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", text(&report));
    }
    let dearest = report.gas_per_leaf.values().map(|gas| gas.range).max().unwrap_or_default();
    ensure!(!args.check || dearest <= MAX_GAS_PER_LEAF, "a leaf costs {dearest} gas");
    Ok(())
}

fn timed<T>(into: &mut f64, what: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = what();
    *into = (start.elapsed().max(Duration::from_micros(1)).as_secs_f64() * 1_000.0).round() / 1_000.0;
    done
}

async fn measure(holders: u64, path: &Path) -> eyre::Result<Report> {
    let l1 = OnL1::start().await?;
    let rollup = l1.info.rollup;
    let mut seconds = Seconds::default();
    eprintln!("building the state of {holders} holders");
    let chain = timed(&mut seconds.state, || State::build(&l1.info, l1.tokens, holders))?;
    let before = Memory::read()?;
    Memory::forget_peak()?;
    eprintln!("settling");
    let all = timed(&mut seconds.leaves, || leaves(&chain));
    ensure!(all.left_out.is_empty(), "not everything settles: {:?}", all.left_out);
    let tree = timed(&mut seconds.tree, || Tree::new(rollup, &all.leaves))?;
    let (root, state_root) = (tree.root(), chain.state_root());
    timed(&mut seconds.file_write, || write(path, &all.leaves))?;
    let compressed = timed(&mut seconds.file_compress, || LeafFile::compress_leaves(&all.leaves));
    let settled = Memory::read()?;
    l1.fund(&all.leaves).await?;
    l1.settle(root, state_root).await?;
    drop((chain, all, tree));

    eprintln!("claiming with the file and L1 alone");
    Memory::forget_peak()?;
    let file = timed(&mut seconds.file_read, || read(path))?;
    let tree = timed(&mut seconds.claimant_tree, || Tree::new(rollup, &file.leaves))?;
    ensure!(tree.root() == root, "the file has another root");
    let hashes: Vec<B256> =
        file.leaves.iter().enumerate().map(|(index, leaf)| leaf_hash(rollup, index as u64, leaf)).collect();
    let proof_hashes = timed(&mut seconds.single_proofs, || prove_singles(&tree, &hashes))?;
    let range_proof_hashes = timed(&mut seconds.range_proofs, || prove_ranges(&tree, &hashes))?;
    let claimant = Memory::read()?;
    let gas_per_leaf = l1.pay(&file.leaves, &tree).await?;
    let mut leaves_by_kind: BTreeMap<AssetKind, usize> = BTreeMap::new();
    for leaf in &file.leaves {
        *leaves_by_kind.entry(leaf.kind).or_default() += 1;
    }
    Ok(Report {
        holders,
        leaves: file.leaves.len(),
        leaves_by_kind,
        seconds,
        state_rss_mib: before.now_mib,
        settle_peak_rss_mib: settled.peak_mib,
        claimant_peak_rss_mib: claimant.peak_mib,
        file_bytes: std::fs::metadata(path)?.len(),
        file_in_calldata: compressed.is_some_and(|file| file.len() <= MAX_LEAF_FILE_BYTES),
        proof_hashes,
        range_proof_hashes,
        gas_per_leaf,
    })
}

fn write(path: &Path, leaves: &[Leaf]) -> eyre::Result<()> {
    let mut out = BufWriter::new(File::create(path).wrap_err_with(|| path.display().to_string())?);
    LeafFile::write_leaves(leaves, &mut out)?;
    Ok(out.into_inner()?.sync_all()?)
}

fn read(path: &Path) -> eyre::Result<LeafFile> {
    Ok(LeafFile::read(&mut BufReader::new(File::open(path)?))?)
}

/// The most hashes of a proof.
fn prove_singles(tree: &Tree, hashes: &[B256]) -> eyre::Result<usize> {
    let mut most = 0;
    for index in (0..hashes.len()).step_by(hashes.len().div_ceil(SINGLE_PROOFS)) {
        let proof = tree.proof(index)?;
        ensure!(verify(tree.root(), hashes[index], &proof), "the proof of leaf {index} is wrong");
        most = most.max(proof.len());
    }
    Ok(most)
}

fn prove_ranges(tree: &Tree, hashes: &[B256]) -> eyre::Result<usize> {
    let mut most = 0;
    for (range, run) in hashes.chunks(RANGE_LEAVES).enumerate() {
        let proof = tree.range_proof(range * RANGE_LEAVES, run.len())?;
        ensure!(verify_range(tree.root(), run.to_vec(), &proof), "the proof of range {range} is wrong");
        most = most.max(proof.len());
    }
    Ok(most)
}

fn text(report: &Report) -> String {
    let s = &report.seconds;
    let mut out = format!(
        "{} holders, {} leaves\n\
         leaves {:.2} s, tree {:.2} s, file written {:.2} s and read {:.2} s, {} bytes\n\
         {SINGLE_PROOFS} proofs of {} hashes {:.2} s, all range proofs of {} hashes {:.2} s\n\
         memory: state {} MiB, while settling {} MiB, while claiming {} MiB\n\
         gas a leaf, in a range and with a proof of its own:\n",
        report.holders,
        report.leaves,
        s.leaves,
        s.tree,
        s.file_write,
        s.file_read,
        report.file_bytes,
        report.proof_hashes,
        s.single_proofs,
        report.range_proof_hashes,
        s.range_proofs,
        report.state_rss_mib,
        report.settle_peak_rss_mib,
        report.claimant_peak_rss_mib,
    );
    for (kind, gas) in &report.gas_per_leaf {
        out.push_str(&format!("  {:<12} {:>7} {:>7}\n", format!("{kind:?}"), gas.range, gas.single));
    }
    out
}
