//! What can be done about a directory that is not whole.
//!
//! The log alone holds everything. A store that does not read is made anew from it; a marker that does not read is
//! written again if the log begins with the genesis that is asked for. A damaged log is never cut short where it was
//! durable: the chain does not open, and [`salvage`] gives what of it can be put on another chain.

use super::{Recent, disk};
use crate::{
    ChainSpec, EvmError, RecoveredTx, SealedBlock,
    log::{FIRST_SEGMENT, Record, SEGMENT_HEADER_BYTES, first_record, scan, whole_records},
    receipt_tree::ReceiptTree,
    store::{Store, Unsaved},
};
use alloy_primitives::B256;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Transactions of the blocks that can still be read in a chain's directory, oldest first, deposits left out. Blocks
/// that were taken back do not count. Nothing is changed, and nothing is executed: for a new chain, after L1 gave it
/// what it holds.
///
/// # Errors
/// If a file cannot be read at all.
pub fn salvage(dir: &Path) -> Result<Vec<Arc<RecoveredTx>>, EvmError> {
    let mut blocks: Vec<Box<SealedBlock>> = Vec::new();
    whole_records(&disk::log_dir(dir), |record| match record {
        Record::Block(block, _) => blocks.push(block),
        Record::Revert(number) => blocks.retain(|block| block.number() <= number),
    })?;
    let signed = |tx: &Arc<RecoveredTx>| !tx.tx.is_deposit();
    Ok(blocks.into_iter().flat_map(|block| block.transactions).filter(signed).collect())
}

/// Whether an error may come from the store alone, so that the log can replace it.
pub(super) fn may_be_the_store(err: &EvmError) -> bool {
    match err {
        EvmError::Store(_) | EvmError::RootMismatch { .. } | EvmError::NoSuchBlock(_) => true,
        EvmError::Corrupt { what, .. } => ["checkpoint", "state row", "index", "record", "block order"].contains(what),
        _ => false,
    }
}

/// Whether a damaged store is asked how long the log was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownEnd {
    /// It is, if it reads.
    OfStore,
    /// It ended the process that read it.
    Unread,
}

/// Puts a store in the place of a damaged one that holds the genesis and nothing else: the log's records follow when
/// it is opened. The damaged one stays beside it until the next time.
pub(super) fn renew_store(dir: &Path, genesis: B256, known_end: KnownEnd) -> Result<(), EvmError> {
    // A log that is damaged itself replaces nothing. By itself it cannot tell a record that was damaged from one that
    // was never finished; a store that still reads knows how long the log was.
    let end = scan(&disk::log_dir(dir), (FIRST_SEGMENT, SEGMENT_HEADER_BYTES), |_, _| Ok(()))?;
    let (store, aside) = (disk::store_dir(dir), dir.join("store.damaged"));
    let known = match known_end {
        KnownEnd::OfStore => Store::open(&store).and_then(|store| store.known_end()).ok().flatten(),
        KnownEnd::Unread => None,
    };
    if known.is_some_and(|known| end < known) {
        let (segment, offset) = end;
        return Err(EvmError::Corrupt { what: "log", place: format!("segment {segment}:{offset}") });
    }
    let Some((position, Record::Block(block, changes))) = first_record(&disk::log_dir(dir))? else {
        return Err(EvmError::Corrupt { what: "log", place: "its first record".into() });
    };
    if block.number() != 0 || block.hash != genesis {
        return Err(EvmError::OtherChain(format!("genesis {}", block.hash)));
    }
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(EvmError::io(&aside))?;
    }
    if store.exists() {
        std::fs::rename(&store, &aside).map_err(EvmError::io(&store))?;
    }
    let mut unsaved = Unsaved::after(0, ReceiptTree::default(), (0, 0));
    unsaved.add(&Recent::new(Arc::from(block), Arc::from(changes)), position);
    Store::open(&store)?.save_first(unsaved)
}

/// Writes the marker again if it does not read and the log is that of this genesis.
pub(super) fn mend_marker(dir: &Path, spec: &ChainSpec, genesis: B256) -> Result<(), EvmError> {
    let readable = || !matches!(disk::check_marker(dir, spec), Err(EvmError::Corrupt { .. }));
    if disk::exists(dir) && readable() {
        return Ok(());
    }
    let first = first_record(&disk::log_dir(dir))?;
    let is_ours = matches!(&first, Some((_, Record::Block(block, _))) if block.number() == 0 && block.hash == genesis);
    if is_ours {
        tracing::warn!(dir = %dir.display(), "the chain's marker was not whole; the log says which chain it is");
        let _lock = disk::lock(dir)?;
        disk::write_marker(dir, &disk::marker(spec, genesis))?;
    }
    Ok(())
}

/// Refuses to make a chain where a log holds more than a creation that did not end could have left.
pub(super) fn refuse_blocks(dir: &Path) -> Result<(), EvmError> {
    let mut blocks = 0u64;
    whole_records(&disk::log_dir(dir), |record| {
        blocks += u64::from(matches!(record, Record::Block(block, _) if block.number() > 0));
    })?;
    if blocks == 0 {
        return Ok(());
    }
    let place = format!("{} (missing beside {blocks} blocks)", disk::marker_path(dir).display());
    Err(EvmError::Corrupt { what: "marker", place })
}

/// Moves a chain that does not open out of the way of a new one; returns where it is now.
///
/// # Errors
/// If it cannot be renamed.
pub fn set_aside(dir: &Path) -> Result<PathBuf, EvmError> {
    let name = |count: u32| dir.with_extension(format!("damaged-{count}"));
    let free = (1u32..).map(name).find(|path| !path.exists()).expect("a directory has a limited number of names");
    std::fs::rename(dir, &free).map_err(EvmError::io(dir))?;
    Ok(free)
}
