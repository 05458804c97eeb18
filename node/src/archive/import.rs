//! From a genesis and an export to a chain on disk.

use std::path::Path;

use alloy_primitives::B256;
use eyre::{WrapErr, ensure};
use mayfly_evm::{Chain, ForeignBlocks, ethereum_genesis};
use serde::Serialize;

/// The file that keeps a chain's genesis beside it.
const GENESIS_FILE: &str = "genesis.json";
/// The file that keeps the number of the first block by stake.
const MERGE_FILE: &str = "merge";

/// What was imported.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Blocks executed now.
    pub executed: u64,
    /// Blocks that were there already.
    pub known: u64,
    /// Transactions of the chain.
    pub transactions: u64,
    /// Number of the head.
    pub head_number: u64,
    /// Its hash.
    pub head_hash: B256,
    /// Its state root.
    pub state_root: B256,
}

/// Executes the blocks that a chain does not have yet, and checks every root. Without blocks it only opens the chain.
///
/// # Errors
/// If a file cannot be read, or a block is not what it says; blocks before it are kept.
pub fn import(dir: &Path, genesis: &str, blocks: &[u8]) -> eyre::Result<(Chain, Imported)> {
    std::fs::create_dir_all(dir).wrap_err_with(|| dir.display().to_string())?;
    let merge = merge_block(dir, blocks)?;
    let (spec, block_0) = ethereum_genesis(genesis, merge)?;
    let chain_id = spec.chain_id;
    let mut chain = Chain::open_or_create(&dir.join("chain"), spec, &block_0)?;
    std::fs::write(dir.join(GENESIS_FILE), genesis)?;
    let (mut executed, mut known) = (0, 0);
    for block in ForeignBlocks::new(blocks) {
        let block = block?;
        let (number, hash) = (block.header().number, block.header().hash_slow());
        if number <= chain.head().number() {
            chain.flush()?;
            let ours = chain.reader().block_by_number(number)?.map(|block| block.hash);
            ensure!(ours == Some(hash), "block {number} is {hash}, the chain that is here has {ours:?}");
            known += 1;
            continue;
        }
        chain.import(block)?;
        executed += 1;
    }
    chain.flush()?;
    if let Some(number) = merge.filter(|number| chain.head().number() >= *number) {
        std::fs::write(dir.join(MERGE_FILE), number.to_string())?;
    }
    let head = chain.head();
    let imported = Imported {
        chain_id,
        executed,
        known,
        transactions: head.next_index(),
        head_number: head.number(),
        head_hash: head.hash,
        state_root: head.header.state_root,
    };
    Ok((chain, imported))
}

/// The first block by stake: as it was found once, for an export that goes on has only later ones.
fn merge_block(dir: &Path, blocks: &[u8]) -> eyre::Result<Option<u64>> {
    let file = dir.join(MERGE_FILE);
    if file.exists() {
        let text = std::fs::read_to_string(&file)?;
        return Ok(Some(text.trim().parse().wrap_err_with(|| file.display().to_string())?));
    }
    Ok(first_by_stake(blocks))
}

/// The first block of an export that no work was done for.
fn first_by_stake(blocks: &[u8]) -> Option<u64> {
    let mut headers = ForeignBlocks::new(blocks).map_while(Result::ok);
    headers.find_map(|block| {
        let header = block.header();
        (header.difficulty.is_zero() && header.number > 0).then_some(header.number)
    })
}
