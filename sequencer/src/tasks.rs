//! The tasks and the thread of a sequencer, and the order in which they stop.

use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::SequencerError;
use crate::executor::{Mailbox, Message};
use crate::metrics::Registered;

/// The tasks and the thread of a sequencer.
pub(crate) struct Tasks {
    stop: CancellationToken,
    set: AsyncMutex<JoinSet<()>>,
    executor: AsyncMutex<Option<Thread>>,
    /// Until all of it has stopped.
    registered: Mutex<Option<Registered>>,
}

type Thread = JoinHandle<Result<(), SequencerError>>;

impl Tasks {
    /// Holds them, and stops them once `stop` is cancelled.
    pub(crate) fn watch(
        stop: CancellationToken,
        set: JoinSet<()>,
        executor: Thread,
        registered: Registered,
        mailbox: &Arc<Mailbox>,
    ) -> Arc<Self> {
        let (set, executor) = (AsyncMutex::new(set), AsyncMutex::new(Some(executor)));
        let tasks = Arc::new(Self { stop: stop.clone(), set, executor, registered: Mutex::new(Some(registered)) });
        let (watched, mailbox) = (Arc::clone(&tasks), Arc::clone(mailbox));
        tokio::spawn(async move {
            stop.cancelled().await;
            watched.stop(&mailbox).await;
        });
        tasks
    }

    /// Asks everything to stop, without waiting.
    pub(crate) fn cancel(&self) {
        self.stop.cancel();
    }

    /// First the tasks that talk to L1, then the executor, which makes everything durable; waits for all.
    pub(crate) async fn stop(&self, mailbox: &Mailbox) {
        self.stop.cancel();
        let mut set = self.set.lock().await;
        while set.join_next().await.is_some() {}
        mailbox.push(Message::Stop);
        if let Some(thread) = self.executor.lock().await.take() {
            match tokio::task::spawn_blocking(move || thread.join()).await {
                Ok(Ok(Ok(()))) => tracing::info!("sequencer stopped"),
                Ok(Ok(Err(error))) => tracing::error!(%error, "sequencer stopped"),
                _ => tracing::error!("the executor thread died"),
            }
            drop(self.registered.lock().take());
        }
    }
}
