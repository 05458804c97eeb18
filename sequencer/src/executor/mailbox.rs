//! What reaches the executor thread, and how it waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, oneshot};

use super::Message;
use crate::error::SequencerError;

/// L1 events and questions that may wait. Submissions are counted by the intake.
const MAX_WAITING: usize = 256;

/// The executor's inbox: written by anybody, emptied by one thread.
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    arrived: Condvar,
    room: Semaphore,
}

#[derive(Default)]
struct Inner {
    messages: VecDeque<Message>,
    closed: bool,
}

impl Mailbox {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), arrived: Condvar::new(), room: Semaphore::new(MAX_WAITING) })
    }

    /// Puts in a message that is bounded elsewhere. `false` once the executor is gone.
    pub(crate) fn push(&self, message: Message) -> bool {
        let mut inner = self.inner.lock();
        if inner.closed {
            return false;
        }
        inner.messages.push_back(message);
        drop(inner);
        self.arrived.notify_one();
        true
    }

    /// Waits for room, then puts the message in.
    pub(crate) async fn send(&self, message: Message) -> Result<(), SequencerError> {
        let permit = self.room.acquire().await.map_err(|_| SequencerError::Stopped)?;
        permit.forget();
        if self.push(message) { Ok(()) } else { Err(SequencerError::Stopped) }
    }

    /// Sends a question and waits for its answer.
    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, SequencerError> {
        let (sender, answer) = oneshot::channel();
        self.send(question(sender)).await?;
        answer.await.map_err(|_| SequencerError::Stopped)
    }

    /// Everything that waits; sleeps until something does or `deadline` has come.
    pub(crate) fn take(&self, deadline: Option<Instant>) -> VecDeque<Message> {
        let mut inner = self.inner.lock();
        while inner.messages.is_empty() {
            match deadline {
                Some(deadline) => {
                    if self.arrived.wait_until(&mut inner, deadline).timed_out() {
                        break;
                    }
                }
                None => self.arrived.wait(&mut inner),
            }
        }
        let messages = std::mem::take(&mut inner.messages);
        drop(inner);
        let counted = messages.iter().filter(|m| m.is_counted()).count();
        self.room.add_permits(counted);
        messages
    }

    /// No further messages; what waits is dropped, so that those who ask learn of it.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.messages.clear();
        drop(inner);
        self.room.close();
    }
}
