//! The thread that makes blocks durable.

use super::{LogWriter, Position};
use crate::{
    EvmError,
    chain::{Recent, Shared},
    store::{Checkpointer, Unsaved},
};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Sealed blocks that may wait to become durable; sealing another waits.
pub(crate) const MAX_PENDING_BLOCKS: usize = 32;
/// A checkpoint is due after so many blocks,
const CHECKPOINT_BLOCKS: u64 = 250;
/// (where a test wants many, so many)
const SMALL_CHECKPOINT_BLOCKS: u64 = 10;
/// or so many bytes of changes,
const CHECKPOINT_BYTES: usize = 1 << 20;
/// or so long after the first change.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(5);
/// Changes beyond this wait for the checkpoint before them to end.
const MAX_UNSAVED_BYTES: usize = 64 << 20;

/// What the writer asks for.
#[derive(Debug)]
pub(crate) enum LogMessage {
    /// Append a block.
    Block(Recent),
    /// Take all blocks above this number off.
    Revert(u64),
}

/// The writer's end. Dropping it writes what is left, makes a last checkpoint and waits for both.
#[derive(Debug)]
pub(crate) struct LogHandle {
    messages: Option<SyncSender<LogMessage>>,
    thread: Option<JoinHandle<()>>,
}

impl LogHandle {
    /// Hands a message over; waits while too many are pending.
    pub(crate) fn send(&self, message: LogMessage) -> Result<(), EvmError> {
        let sent = self.messages.as_ref().map(|messages| messages.send(message));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(EvmError::LogStopped("its thread ended".into())),
        }
    }
}

impl Drop for LogHandle {
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Starts the thread.
pub(crate) fn start(
    shared: Arc<Shared>,
    writer: LogWriter,
    unsaved: Unsaved,
    checkpointer: Checkpointer,
) -> Result<LogHandle, EvmError> {
    let (messages, receiver) = sync_channel(MAX_PENDING_BLOCKS);
    let mut log = LogThread { shared, writer, unsaved, checkpointer, due: None };
    let run = move || {
        if let Err(err) = log.run(&receiver) {
            tracing::error!(error = %err, "block log stopped");
            log.shared.stop(err.to_string());
        }
    };
    let thread = std::thread::Builder::new().name("mayfly-log".into()).spawn(run);
    Ok(LogHandle { messages: Some(messages), thread: Some(thread.map_err(EvmError::io("mayfly-log"))?) })
}

struct LogThread {
    shared: Arc<Shared>,
    writer: LogWriter,
    unsaved: Unsaved,
    checkpointer: Checkpointer,
    /// When the next checkpoint is due.
    due: Option<Instant>,
}

impl LogThread {
    fn run(&mut self, messages: &Receiver<LogMessage>) -> Result<(), EvmError> {
        loop {
            match messages.recv_timeout(self.patience()) {
                Ok(first) => {
                    let more = std::iter::from_fn(|| messages.try_recv().ok());
                    let group: Vec<_> = std::iter::once(first).chain(more).take(MAX_PENDING_BLOCKS).collect();
                    self.append(group)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.checkpoint()?;
        }
        self.checkpointer.finish(std::mem::take(&mut self.unsaved))
    }

    /// Makes a group durable, then shows it.
    fn append(&mut self, group: Vec<LogMessage>) -> Result<(), EvmError> {
        let write = |writer: &mut LogWriter, message: &LogMessage| match message {
            LogMessage::Block(recent) => writer.block(&recent.block, &recent.changes),
            LogMessage::Revert(number) => writer.revert(*number),
        };
        let positions: Vec<Position> = group.iter().map(|message| write(&mut self.writer, message)).collect();
        self.writer.commit()?;
        for (message, position) in group.into_iter().zip(positions) {
            match message {
                LogMessage::Block(recent) => {
                    self.unsaved.add(&recent, position);
                    self.shared.publish(recent);
                }
                LogMessage::Revert(number) => {
                    self.shared.take_back(number, |gone| self.unsaved.undo(gone))?;
                    self.unsaved.moved_to(number, position);
                    self.shared.reverted(number);
                }
            }
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        self.due.map_or(CHECKPOINT_AFTER, |due| due.saturating_duration_since(Instant::now()))
    }

    fn checkpoint(&mut self) -> Result<(), EvmError> {
        self.checkpointer.check()?;
        if self.unsaved.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let due = *self.due.get_or_insert(now + CHECKPOINT_AFTER);
        let blocks = mayfly_fail::limit(CHECKPOINT_BLOCKS, SMALL_CHECKPOINT_BLOCKS);
        let full = self.unsaved.blocks() as u64 >= blocks || self.unsaved.size_bytes() >= CHECKPOINT_BYTES;
        if !full && now < due {
            return Ok(());
        }
        let wait = self.unsaved.size_bytes() >= MAX_UNSAVED_BYTES;
        if self.checkpointer.is_busy() && !wait {
            self.due = Some(now + Duration::from_millis(100));
            return Ok(());
        }
        self.due = None;
        let next = self.unsaved.next();
        self.checkpointer.start(std::mem::replace(&mut self.unsaved, next))
    }
}
