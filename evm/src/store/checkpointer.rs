//! Writing checkpoints beside the log.

use super::{Store, Unsaved};
use crate::{EvmError, chain::Shared};
use parking_lot::{Condvar, Mutex};
use std::{sync::Arc, thread::JoinHandle};

/// Saves one checkpoint at a time on a thread of its own.
pub(crate) struct Checkpointer {
    store: Store,
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    job: Option<(Unsaved, u64)>,
    busy: bool,
    ended: bool,
    failed: Option<String>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(crate) fn start_thread(store: Store, shared: Arc<Shared>) -> Result<Self, EvmError> {
        let slot = Arc::new(Slot::default());
        let run = {
            let (slot, store, shared) = (slot.clone(), store.clone(), shared.clone());
            move || slot.run(&store, &shared)
        };
        let thread = std::thread::Builder::new().name("mayfly-store".into()).spawn(run);
        let thread = Some(thread.map_err(EvmError::io("mayfly-store"))?);
        Ok(Self { store, shared, slot, thread })
    }

    /// Whether a checkpoint is being written.
    pub(crate) fn is_busy(&self) -> bool {
        self.slot.state.lock().busy
    }

    /// Whether checkpoints still work.
    pub(crate) fn check(&self) -> Result<(), EvmError> {
        self.slot.state.lock().failed.clone().map_or(Ok(()), |why| Err(EvmError::LogStopped(why)))
    }

    /// Starts a checkpoint; waits for the one before.
    pub(crate) fn start(&self, unsaved: Unsaved) -> Result<(), EvmError> {
        let epoch = self.shared.durable.read().epoch;
        let mut state = self.slot.state.lock();
        while state.busy && state.failed.is_none() {
            self.slot.changed.wait(&mut state);
        }
        state.job = Some((unsaved, epoch));
        state.busy = true;
        drop(state);
        self.slot.changed.notify_all();
        self.check()
    }

    /// Ends the thread and saves what is left.
    pub(crate) fn finish(&mut self, unsaved: Unsaved) -> Result<(), EvmError> {
        self.end();
        self.check()?;
        if unsaved.is_empty() { Ok(()) } else { self.store.save(&unsaved) }
    }

    fn end(&mut self) {
        self.slot.state.lock().ended = true;
        self.slot.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Slot {
    fn run(&self, store: &Store, shared: &Shared) {
        loop {
            let mut state = self.state.lock();
            while state.job.is_none() && !state.ended {
                self.changed.wait(&mut state);
            }
            let Some((unsaved, epoch)) = state.job.take() else { return };
            drop(state);
            let saved = store.save(&unsaved);
            let mut state = self.state.lock();
            state.busy = false;
            match saved {
                Ok(()) => shared.durable.write().set_indexed(unsaved.head, epoch),
                Err(err) => {
                    tracing::error!(error = %err, "checkpoint failed");
                    state.failed = Some(format!("checkpoint failed: {err}"));
                }
            }
            drop(state);
            self.changed.notify_all();
        }
    }
}
