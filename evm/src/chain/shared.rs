//! What the writer, the log thread and the readers share.

use super::{Durable, durable::Recent};
use crate::{AccountInfo, ChainSpec, EvmError, SealedBlock, state::HashRing, store::History, trie::StateTrie};
use alloy_primitives::{Address, B256};
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
use std::sync::Arc;

/// Told of every block that became durable, in order, on the thread that made it so: must be quick.
pub(crate) type OnDurable = Box<dyn Fn(&Arc<SealedBlock>) + Send + Sync>;

/// Shared between writer, log thread and readers.
pub(crate) struct Shared {
    pub(crate) spec: ChainSpec,
    pub(crate) durable: RwLock<Durable>,
    /// Older blocks; none for a chain in memory, and empty once the chain is closed.
    history: Option<RwLock<Option<Arc<History>>>>,
    /// At the executed head; only touched while a block is sealed, proved or simulated.
    pub(crate) trie: Mutex<Tries>,
    progress: Mutex<Progress>,
    moved: Condvar,
    on_durable: RwLock<Vec<OnDurable>>,
}

/// The tries and the block they belong to.
pub(crate) struct Tries {
    pub(crate) state: StateTrie,
    pub(crate) block: Arc<SealedBlock>,
}

#[derive(Default)]
struct Progress {
    durable: u64,
    /// How often a block was taken off.
    reverts: u64,
    stopped: Option<String>,
}

impl Shared {
    pub(crate) fn new(spec: ChainSpec, durable: Durable, state: StateTrie, history: Option<History>) -> Self {
        let block = durable.head().clone();
        Self {
            spec,
            history: history.map(|history| RwLock::new(Some(Arc::new(history)))),
            progress: Mutex::new(Progress { durable: block.number(), ..Progress::default() }),
            durable: RwLock::new(durable),
            trie: Mutex::new(Tries { state, block }),
            moved: Condvar::new(),
            on_durable: RwLock::new(Vec::new()),
        }
    }

    /// The durable head.
    pub(crate) fn head(&self) -> Arc<SealedBlock> {
        self.durable.read().head().clone()
    }

    /// Where blocks are that left memory; `None` for a chain in memory.
    pub(crate) fn history(&self) -> Result<Option<Arc<History>>, EvmError> {
        let closed = || EvmError::LogStopped("the chain is closed".into());
        self.history.as_ref().map(|history| history.read().clone().ok_or_else(closed)).transpose()
    }

    /// [`Self::history`] for a block that is not in memory.
    pub(crate) fn old_blocks(&self, number: u64) -> Result<Arc<History>, EvmError> {
        self.history()?.ok_or(EvmError::NoSuchBlock(number))
    }

    /// Whether older blocks can be read from disk.
    pub(crate) const fn is_on_disk(&self) -> bool {
        self.history.is_some()
    }

    /// Lets go of the store, so that the directory can be opened again while readers still hold what is in memory.
    pub(crate) fn close(&self) {
        if let Some(history) = &self.history {
            *history.write() = None;
        }
        self.stop("the chain is closed".into());
    }

    /// Every durable account. A copy: a visitor that reads on while the lock is held would wait for a writer that
    /// waits for the lock.
    pub(crate) fn accounts(&self) -> Vec<(Address, AccountInfo)> {
        let durable = self.durable.read();
        durable.flat.accounts.iter().map(|(address, info)| (*address, *info)).collect()
    }

    /// A durable block with its changes.
    pub(crate) fn recent(&self, number: u64) -> Result<Recent, EvmError> {
        let durable = self.durable.read();
        if number > durable.head().number() {
            return Err(EvmError::NoSuchBlock(number));
        }
        if let Some(recent) = durable.recent(number) {
            return Ok(recent.clone());
        }
        drop(durable);
        self.old_blocks(number)?.recent(number)
    }

    /// Hash of a durable block.
    pub(crate) fn hash(&self, number: u64) -> Result<B256, EvmError> {
        if let Some(recent) = self.durable.read().recent(number) {
            return Ok(recent.block.hash);
        }
        self.old_blocks(number)?.hash(number)
    }

    /// Takes durable blocks above `number` off, newest first, and shows each to `gone`.
    pub(crate) fn take_back(&self, number: u64, mut gone: impl FnMut(&Recent)) -> Result<(), EvmError> {
        let head = self.head().number();
        if number > head {
            return Err(EvmError::NoSuchBlock(number));
        }
        for above in (number + 1..=head).rev() {
            let recent = self.recent(above)?;
            let parent = self.recent(above - 1)?;
            self.durable.write().pop(&recent.changes, &parent);
            gone(&recent);
        }
        let mut ring = HashRing::default();
        for number in HashRing::first(number)..=number {
            ring.push(number, self.hash(number)?);
        }
        self.durable.write().hashes = ring;
        Ok(())
    }

    /// How often blocks were taken back.
    pub(crate) fn reverts(&self) -> u64 {
        self.progress.lock().reverts
    }

    /// Blocks until blocks were taken back more often than that.
    pub(crate) fn wait_reverted(&self, reverts: u64) -> Result<(), EvmError> {
        let done = self.wait(|progress| progress.reverts > reverts)?;
        drop(done);
        Ok(())
    }

    /// Shows a durable block to readers, tells who asked to be told, then ends the waits for it.
    pub(crate) fn publish(&self, recent: Recent) {
        let block = recent.block.clone();
        self.durable.write().append(recent);
        for told in self.on_durable.read().iter() {
            told(&block);
        }
        self.progress.lock().durable = block.number();
        self.moved.notify_all();
    }

    /// The durable head was taken off; this is the number of the head now.
    pub(crate) fn reverted(&self, durable: u64) {
        let mut progress = self.progress.lock();
        progress.durable = durable;
        progress.reverts += 1;
        drop(progress);
        self.moved.notify_all();
    }

    /// Ends every wait with an error: nothing more becomes durable.
    pub(crate) fn stop(&self, why: String) {
        self.progress.lock().stopped.get_or_insert(why);
        self.moved.notify_all();
    }

    /// Whether the log is still running.
    pub(crate) fn check(&self) -> Result<(), EvmError> {
        self.progress.lock().stopped.clone().map_or(Ok(()), |why| Err(EvmError::LogStopped(why)))
    }

    /// Blocks until the block with this number is durable.
    pub(crate) fn wait_durable(&self, number: u64) -> Result<(), EvmError> {
        let done = self.wait(|progress| progress.durable >= number)?;
        drop(done);
        Ok(())
    }

    /// Blocks until the block with this number is durable (`true`), or the chain was reverted meanwhile (`false`).
    pub(crate) fn wait_durable_or_reverted(&self, number: u64) -> Result<bool, EvmError> {
        let reverts = self.progress.lock().reverts;
        let progress = self.wait(|progress| progress.durable >= number || progress.reverts != reverts)?;
        Ok(progress.reverts == reverts)
    }

    fn wait(&self, done: impl Fn(&Progress) -> bool) -> Result<MutexGuard<'_, Progress>, EvmError> {
        let mut progress = self.progress.lock();
        loop {
            // What is done stays done, also when nothing follows.
            if done(&progress) {
                return Ok(progress);
            }
            if let Some(why) = &progress.stopped {
                return Err(EvmError::LogStopped(why.clone()));
            }
            self.moved.wait(&mut progress);
        }
    }

    pub(crate) fn tell(&self, told: OnDurable) {
        self.on_durable.write().push(told);
    }
}
