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
/// Drops that are remembered, at least, for calls that ask a moment later.
const MIN_DROPS: usize = 20_000;

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
    drops: Drops,
    /// Nothing more will be included: what every wait is answered with.
    ended: Option<SubmitError>,
}

/// What left without being included: a transaction may be dropped between its submission and the wait for it.
#[derive(Default)]
struct Drops {
    newer: HashMap<B256, SubmitError>,
    older: HashMap<B256, SubmitError>,
}

impl Drops {
    fn insert(&mut self, hash: B256, why: SubmitError) {
        if self.newer.len() >= MIN_DROPS {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(hash, why);
    }

    fn remove(&mut self, hash: &B256) {
        self.newer.remove(hash);
        self.older.remove(hash);
    }

    fn get(&self, hash: &B256) -> Option<&SubmitError> {
        self.newer.get(hash).or_else(|| self.older.get(hash))
    }
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
        let gone = self.register(hash, sender)?;
        if let Some(included) = look_up() {
            return Ok(included);
        }
        if let Some(why) = gone {
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

    /// A transaction may be included from now on, whatever became of it before.
    pub(crate) fn entered(&self, hash: &B256) {
        self.0.lock().drops.remove(hash);
    }

    /// A transaction left without being included.
    pub(crate) fn dropped(&self, hash: B256, why: &SubmitError) {
        let mut waiting = self.0.lock();
        for waiter in waiting.take(&hash) {
            let _ = waiter.send(Err(why.clone()));
        }
        waiting.drops.insert(hash, why.clone());
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

    /// Why there is nothing to wait for, if so.
    fn register(&self, hash: B256, waiter: Waiter) -> Result<Option<SubmitError>, WaitError> {
        let mut waiting = self.0.lock();
        if let Some(why) = waiting.ended.as_ref().or_else(|| waiting.drops.get(&hash)) {
            return Ok(Some(why.clone()));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn told(waiters: &Waiters, hash: B256) -> WaitError {
        waiters.wait(hash, Duration::from_millis(1), || None).await.unwrap_err()
    }

    #[tokio::test]
    async fn what_was_dropped_just_before_the_wait_is_said_until_it_is_submitted_again() {
        let waiters = Waiters::default();
        let (hash, other) = (B256::repeat_byte(1), B256::repeat_byte(2));
        let why = SubmitError::Draining { since: 7 };
        waiters.dropped(hash, &why);
        assert_eq!(told(&waiters, hash).await, WaitError::Dropped(why.clone()));
        assert_eq!(told(&waiters, other).await, WaitError::Timeout(other));
        waiters.entered(&hash);
        assert_eq!(told(&waiters, hash).await, WaitError::Timeout(hash));
        waiters.dropped(hash, &why);
        for number in 0..2 * MIN_DROPS as u64 {
            waiters.dropped(B256::from(alloy_primitives::U256::from(number + 10)), &why);
            if number == MIN_DROPS as u64 / 2 {
                assert_eq!(told(&waiters, hash).await, WaitError::Dropped(why.clone()));
            }
        }
        assert_eq!(told(&waiters, hash).await, WaitError::Timeout(hash), "remembered for ever");
        assert_eq!(waiters.len(), 0);
    }
}
