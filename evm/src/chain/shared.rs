//! What the writer, the log thread and the readers share.

use super::{Durable, durable::Recent};
use crate::{ChainSpec, EvmError, SealedBlock, trie::StateTrie};
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};
use std::sync::Arc;

/// Told of every block that became durable, in order, on the thread that made it so: must be quick.
pub(crate) type OnDurable = Box<dyn Fn(&Arc<SealedBlock>) + Send + Sync>;

/// Shared between writer, log thread and readers.
pub(crate) struct Shared {
    pub(crate) spec: ChainSpec,
    pub(crate) durable: RwLock<Durable>,
    /// At the executed head; only touched while a block is sealed or proved.
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
    pub(crate) fn new(spec: ChainSpec, durable: Durable, state: StateTrie) -> Self {
        let block = durable.head().clone();
        Self {
            spec,
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

    /// Shows a durable block to readers and tells who asked to be told.
    pub(crate) fn publish(&self, recent: Recent) {
        let block = recent.block.clone();
        self.durable.write().append(recent);
        self.progress.lock().durable = block.number();
        self.moved.notify_all();
        for told in self.on_durable.read().iter() {
            told(&block);
        }
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
            if let Some(why) = &progress.stopped {
                return Err(EvmError::LogStopped(why.clone()));
            }
            if done(&progress) {
                return Ok(progress);
            }
            self.moved.wait(&mut progress);
        }
    }

    pub(crate) fn tell(&self, told: OnDurable) {
        self.on_durable.write().push(told);
    }
}
