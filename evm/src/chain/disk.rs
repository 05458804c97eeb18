//! A chain's directory: who may open it, what it holds, how it is read back.
//!
//! `LOCK` is held while a chain is open, `CHAIN` says which chain it is and is written last when one is created,
//! `log/` is the block log, `store/` the checkpoints and indexes; `store.damaged/` is a store that was replaced, and
//! `store.opening` is there while a chain is opened.

use super::{
    Durable, Recent, Shared,
    cores::AllCores,
    durable::check_next,
    mend::{KnownEnd, may_be_the_store, refuse_blocks, renew_store},
};
use crate::{
    ChainSpec, EvmError, Fold, SealedBlock,
    log::{LogHandle, LogReader, LogWriter, Position, Record, scan, start},
    receipt_tree::ReceiptTree,
    state::{Changes, HashRing},
    store::{Checkpointer, History, Loaded, Store, Unsaved},
    trie::{Direction, StateTrie},
};
use alloy_primitives::B256;
use mayfly_fail::fail_point;
use std::{
    fs::{File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Version of everything in the directory. Older ones are migrated, newer ones refused.
pub(crate) const SCHEMA_VERSION: u32 = 1;
/// Changes replayed before they are saved.
const REPLAY_SAVE_BYTES: usize = 32 << 20;
const MARKER: &str = "CHAIN";

/// A chain that was read back.
pub(super) struct Opened {
    pub(super) shared: Arc<Shared>,
    pub(super) fold: Fold,
    pub(super) receipts: ReceiptTree,
    pub(super) log: LogHandle,
    pub(super) lock: DirLock,
}

/// Held while the chain is open.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

/// Whether the directory holds a whole chain.
pub(super) fn exists(dir: &Path) -> bool {
    marker_path(dir).exists()
}

/// Where the marker is.
pub(super) fn marker_path(dir: &Path) -> PathBuf {
    dir.join(MARKER)
}

/// Creates a chain with its genesis block and opens it.
pub(super) fn create(
    dir: &Path,
    spec: ChainSpec,
    genesis: &Arc<SealedBlock>,
    changes: &Arc<Changes>,
) -> Result<Opened, EvmError> {
    let lock = lock(dir)?;
    if exists(dir) {
        return Err(EvmError::ChainExists(dir.to_path_buf()));
    }
    refuse_blocks(dir)?;
    for leftover in [log_dir(dir), store_dir(dir)].iter().filter(|path| path.exists()) {
        std::fs::remove_dir_all(leftover).map_err(EvmError::io(leftover))?;
    }
    let recent = Recent::new(genesis.clone(), changes.clone());
    let mut writer = LogWriter::create(&log_dir(dir))?;
    let position = writer.block(genesis, changes);
    writer.commit()?;
    fail_point("create-logged");
    let mut unsaved = Unsaved::after(0, ReceiptTree::default(), (0, 0));
    unsaved.add(&recent, position);
    Store::open(&store_dir(dir))?.save_first(unsaved)?;
    fail_point("create-stored");
    write_marker(dir, &marker(&spec, genesis.hash))?;
    fail_point("created");
    read_back(dir, spec, lock)
}

/// Opens the chain of a directory.
pub(super) fn open(dir: &Path, spec: ChainSpec) -> Result<Opened, EvmError> {
    if !exists(dir) {
        return Err(EvmError::NoChain(dir.to_path_buf()));
    }
    let lock = lock(dir)?;
    read_back(dir, spec, lock)
}

/// Reads what is there; where the store is damaged and the log is not, with a store made from the log.
fn read_back(dir: &Path, spec: ChainSpec, lock: DirLock) -> Result<Opened, EvmError> {
    let genesis = check_marker(dir, &spec)?;
    // Once, and it may have been killed by anybody.
    if Deaths::count(dir) > 1 {
        tracing::warn!(dir = %dir.display(), "two starts in a row died of the store: it is made from the log again");
        renew_store(dir, genesis, KnownEnd::Unread)?;
    }
    let deaths = Deaths::one_more(dir)?;
    let opened = read_or_renew(dir, spec, genesis, lock);
    // However it ended, it did not die.
    deaths.none()?;
    opened
}

fn read_or_renew(dir: &Path, spec: ChainSpec, genesis: B256, lock: DirLock) -> Result<Opened, EvmError> {
    match read_parts(dir, spec.clone(), genesis) {
        Ok(parts) => parts.start(lock),
        Err(err) if may_be_the_store(&err) => {
            tracing::warn!(error = %err, dir = %dir.display(), "the store does not read: it is made from the log again");
            renew_store(dir, genesis, KnownEnd::OfStore)?;
            read_parts(dir, spec, genesis)?.start(lock)
        }
        Err(err) => Err(err),
    }
}

/// A chain as it was read, before its threads run.
struct Parts {
    shared: Arc<Shared>,
    store: Store,
    fold: Fold,
    unsaved: Unsaved,
    writer: LogWriter,
}

impl Parts {
    fn start(self, lock: DirLock) -> Result<Opened, EvmError> {
        let Self { shared, store, fold, unsaved, writer } = self;
        let receipts = unsaved.tree.clone();
        let checkpointer = Checkpointer::start_thread(store, shared.clone())?;
        let log = start(shared.clone(), writer, unsaved, checkpointer)?;
        Ok(Opened { shared, fold, receipts, log, lock })
    }
}

fn read_parts(dir: &Path, spec: ChainSpec, genesis: B256) -> Result<Parts, EvmError> {
    let store = Store::open(&store_dir(dir))?;
    let Loaded { flat, fold, tree, head, end } = store.load()?;
    fail_point("open-loaded");
    let history = History { store: store.clone(), log: LogReader::new(log_dir(dir)) };
    let stored_genesis = history.hash(0)?;
    if stored_genesis != genesis {
        return Err(EvmError::OtherChain(format!("genesis {stored_genesis}")));
    }
    let mut hashes = HashRing::default();
    for number in HashRing::first(head)..=head {
        hashes.push(number, history.hash(number)?);
    }
    let durable = Durable::new(flat, hashes, history.recent(head)?, true);
    let shared = Arc::new(Shared::new(spec, durable, StateTrie::default(), Some(history)));
    let mut replay = Replay { shared: &shared, store: &store, fold, unsaved: Unsaved::after(head, tree, end) };
    let (segment, end) = scan(&log_dir(dir), end, |position, record| replay.take(position, record))?;
    let Replay { fold, unsaved, .. } = replay;
    fail_point("open-scanned");
    build_trie(&shared)?;
    let writer = LogWriter::open(&log_dir(dir), segment, end)?;
    fail_point("opened");
    Ok(Parts { shared, store, fold, unsaved, writer })
}

/// Starts in a row that died while they opened the chain, in a file beside the store: the database asserts what it
/// reads, also while it unwinds, so a damaged one can end the process.
struct Deaths(PathBuf);

impl Deaths {
    fn path(dir: &Path) -> PathBuf {
        dir.join("store.opening")
    }

    fn count(dir: &Path) -> usize {
        std::fs::read(Self::path(dir)).map_or(0, |marks| marks.len())
    }

    /// Counted before it can happen.
    fn one_more(dir: &Path) -> Result<Self, EvmError> {
        let (path, marks) = (Self::path(dir), vec![b'.'; Self::count(dir) + 1]);
        std::fs::write(&path, marks).map_err(EvmError::io(&path))?;
        Ok(Self(path))
    }

    fn none(self) -> Result<(), EvmError> {
        std::fs::remove_file(&self.0).map_err(EvmError::io(&self.0))
    }
}

/// Takes the log's tail in: values as they were recorded, nothing is executed.
struct Replay<'a> {
    shared: &'a Shared,
    store: &'a Store,
    fold: Fold,
    unsaved: Unsaved,
}

impl Replay<'_> {
    fn take(&mut self, position: Position, record: Record) -> Result<(), EvmError> {
        match record {
            Record::Block(block, changes) => {
                check_next(&self.shared.head(), &block)?;
                let recent = Recent::new(Arc::from(block), Arc::from(changes));
                self.fold.apply(&recent.changes.fold, &recent.changes.inconsistent, Direction::Forward);
                self.unsaved.add(&recent, position);
                self.shared.publish(recent);
            }
            Record::Revert(number) => {
                let Self { shared, fold, unsaved, .. } = self;
                shared.take_back(number, |gone| {
                    fold.apply(&gone.changes.fold, &gone.changes.inconsistent, Direction::Back);
                    unsaved.undo(gone);
                })?;
                self.unsaved.moved_to(number, position);
            }
        }
        if self.unsaved.size_bytes() > REPLAY_SAVE_BYTES {
            self.store.save(&self.unsaved)?;
            let mut durable = self.shared.durable.write();
            let epoch = durable.epoch;
            durable.set_indexed(self.unsaved.head, epoch);
            drop(durable);
            self.unsaved = self.unsaved.next();
        }
        Ok(())
    }
}

/// Builds the tries from the flat state and checks them against the head.
fn build_trie(shared: &Shared) -> Result<(), EvmError> {
    let durable = shared.durable.read();
    let mut state = StateTrie::of(&durable.flat, &AllCores);
    let block = durable.head().clone();
    drop(durable);
    let computed = state.root();
    let header = block.header.state_root;
    if computed != header {
        return Err(EvmError::RootMismatch { number: block.number(), computed, header });
    }
    let mut tries = shared.trie.lock();
    tries.state = state;
    tries.block = block;
    Ok(())
}

pub(super) fn lock(dir: &Path) -> Result<DirLock, EvmError> {
    std::fs::create_dir_all(dir).map_err(EvmError::io(dir))?;
    let path = dir.join("LOCK");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(EvmError::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(DirLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(EvmError::InUse(dir.to_path_buf())),
        Err(TryLockError::Error(err)) => Err(EvmError::io(path)(err)),
    }
}

pub(super) fn marker(spec: &ChainSpec, genesis: B256) -> String {
    let ChainSpec { chain_id, protocol_version, .. } = spec;
    format!("schema {SCHEMA_VERSION}\nchain {chain_id}\nprotocol {protocol_version}\ngenesis {genesis}\n")
}

/// Checks versions and chain; returns the genesis hash.
pub(super) fn check_marker(dir: &Path, spec: &ChainSpec) -> Result<B256, EvmError> {
    let path = dir.join(MARKER);
    let text = std::fs::read_to_string(&path).map_err(EvmError::io(&path))?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.ok_or_else(|| EvmError::Corrupt { what: "marker", place: format!("{} ({name})", path.display()) })
    };
    let number = |name: &str| {
        let corrupt = |_| EvmError::Corrupt { what: "marker", place: format!("{} ({name})", path.display()) };
        field(name)?.parse::<u64>().map_err(corrupt)
    };
    let found = u32::try_from(number("schema")?).unwrap_or(u32::MAX);
    if found > SCHEMA_VERSION {
        return Err(EvmError::NewerSchema { found, known: SCHEMA_VERSION });
    }
    let (chain_id, protocol) = (number("chain")?, number("protocol")?);
    if chain_id != spec.chain_id || protocol != u64::from(spec.protocol_version) {
        return Err(EvmError::OtherChain(format!("chain id {chain_id}, protocol version {protocol}")));
    }
    let corrupt = |_| EvmError::Corrupt { what: "marker", place: format!("{} (genesis)", path.display()) };
    field("genesis")?.parse().map_err(corrupt)
}

/// Writes the marker so that it is there whole or not at all.
pub(super) fn write_marker(dir: &Path, text: &str) -> Result<(), EvmError> {
    let (path, fresh) = (dir.join(MARKER), dir.join("CHAIN.new"));
    let mut file = File::create(&fresh).map_err(EvmError::io(&fresh))?;
    file.write_all(text.as_bytes()).map_err(EvmError::io(&fresh))?;
    file.sync_all().map_err(EvmError::io(&fresh))?;
    fail_point("marker-written");
    std::fs::rename(&fresh, &path).map_err(EvmError::io(&path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(EvmError::io(dir))
}

pub(super) fn log_dir(dir: &Path) -> PathBuf {
    dir.join("log")
}

pub(super) fn store_dir(dir: &Path) -> PathBuf {
    dir.join("store")
}
