//! Calls that wait for a transaction's receipt.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use mayfly_evm::SealedBlock;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::{SubmitError, WaitError};

/// Calls that may wait at once.
pub(crate) const MAX_WAITERS: usize = 20_000;

/// A transaction in a durable block.
#[derive(Debug, Clone)]
pub struct Included {
    /// The block.
    pub block: Arc<SealedBlock>,
    /// The transaction's place in it.
    pub index: usize,
}

type Waiter = oneshot::Sender<Result<Included, SubmitError>>;

/// Who waits for what.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    by_hash: HashMap<B256, Vec<Waiter>>,
    count: usize,
    /// Nothing more will be included: what every wait is answered with.
    ended: Option<SubmitError>,
}

impl Waiters {
    /// Waits for `hash`. `look_up` is asked once after the wait was registered, so that a block which became durable
    /// just before is not missed.
    pub(crate) async fn wait(
        &self,
        hash: B256,
        timeout: Duration,
        look_up: impl FnOnce() -> Option<Included>,
    ) -> Result<Included, WaitError> {
        // Dropped last, when the receiver is closed.
        let _forget = Forget { waiters: self, hash };
        let (sender, receiver) = oneshot::channel();
        let ended = self.register(hash, sender)?;
        if let Some(included) = look_up() {
            return Ok(included);
        }
        if let Some(why) = ended {
            return Err(WaitError::Dropped(why));
        }
        match tokio::time::timeout(timeout, receiver).await {
            Err(_) => Err(WaitError::Timeout(hash)),
            Ok(Err(_)) => Err(WaitError::Dropped(SubmitError::Closed)),
            Ok(Ok(answer)) => answer.map_err(WaitError::Dropped),
        }
    }

    /// A block is durable: answers whoever waits for its transactions.
    pub(crate) fn included(&self, block: &Arc<SealedBlock>) {
        let mut waiting = self.0.lock();
        if waiting.by_hash.is_empty() {
            return;
        }
        for (index, tx) in block.transactions.iter().enumerate() {
            for waiter in waiting.take(&tx.hash()) {
                let _ = waiter.send(Ok(Included { block: Arc::clone(block), index }));
            }
        }
    }

    /// A transaction left without being included.
    pub(crate) fn dropped(&self, hash: B256, why: &SubmitError) {
        for waiter in self.0.lock().take(&hash) {
            let _ = waiter.send(Err(why.clone()));
        }
    }

    /// Nothing more will be included: whoever waits, or asks later, is told why.
    pub(crate) fn end(&self, why: SubmitError) {
        let mut waiting = self.0.lock();
        waiting.count = 0;
        for waiter in std::mem::take(&mut waiting.by_hash).into_values().flatten() {
            let _ = waiter.send(Err(why.clone()));
        }
        waiting.ended = Some(why);
    }

    /// How many calls wait.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().count
    }

    fn register(&self, hash: B256, waiter: Waiter) -> Result<Option<SubmitError>, WaitError> {
        let mut waiting = self.0.lock();
        if waiting.ended.is_some() {
            return Ok(waiting.ended.clone());
        }
        if waiting.count >= MAX_WAITERS {
            return Err(WaitError::TooManyWaiters(MAX_WAITERS));
        }
        waiting.count += 1;
        waiting.by_hash.entry(hash).or_default().push(waiter);
        Ok(None)
    }
}

impl Waiting {
    fn take(&mut self, hash: &B256) -> Vec<Waiter> {
        let waiters = self.by_hash.remove(hash).unwrap_or_default();
        self.count -= waiters.len();
        waiters
    }
}

/// Takes a call that was answered otherwise, timed out or was dropped off the list.
struct Forget<'a> {
    waiters: &'a Waiters,
    hash: B256,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.0.lock();
        let Some(list) = waiting.by_hash.get_mut(&self.hash) else { return };
        let before = list.len();
        list.retain(|waiter| !waiter.is_closed());
        let after = list.len();
        if after == 0 {
            waiting.by_hash.remove(&self.hash);
        }
        waiting.count -= before - after;
    }
}
