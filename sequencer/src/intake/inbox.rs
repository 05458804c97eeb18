//! Calls that wait for a thread which recovers their senders.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use alloy_primitives::{B256, Bytes};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::error::SubmitError;
use crate::origin::Origin;

/// Calls that may wait.
const MAX_JOBS: usize = 16_384;
/// Transactions that a thread takes at once, but for a call of more.
const MICRO_BATCH: usize = 64;
/// So few transactions are not worth waking a second thread for.
pub(super) const FEW: usize = 4;

/// One result per transaction of a call, in order.
pub(crate) type Answer = oneshot::Sender<Vec<Result<B256, SubmitError>>>;

/// A call.
pub(super) struct Job {
    pub(super) raws: Vec<Bytes>,
    pub(super) origin: Origin,
    pub(super) at: Instant,
    pub(super) answer: Answer,
    pub(super) count: Counted,
}

/// Transactions under way, counted until the call is answered.
pub(super) struct Counted(Arc<AtomicUsize>, usize);

impl Counted {
    /// Counts `count` more, and says how many there were.
    pub(super) fn add(to: &Arc<AtomicUsize>, count: usize) -> (usize, Self) {
        (to.fetch_add(count, Ordering::Relaxed), Self(Arc::clone(to), count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// What a thread got.
pub(super) struct Share {
    /// Which share it is, from 0 on.
    pub(super) turn: u64,
    pub(super) jobs: Vec<Job>,
    /// Threads that had nothing to do then.
    pub(super) idle: usize,
}

/// Why a call did not get in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shut {
    Full,
    Closed,
}

/// Written by anybody, emptied by some threads: each takes its share of what waits.
pub(super) struct Inbox {
    threads: usize,
    inner: Mutex<Inner>,
    arrived: Condvar,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    transactions: usize,
    idle: usize,
    turn: u64,
    is_closed: bool,
}

impl Inbox {
    pub(super) fn new(threads: usize) -> Self {
        Self { threads, inner: Mutex::default(), arrived: Condvar::new() }
    }

    pub(super) fn push(&self, job: Job) -> Result<(), Shut> {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return Err(Shut::Closed);
        }
        if inner.jobs.len() >= MAX_JOBS {
            return Err(Shut::Full);
        }
        inner.transactions += job.raws.len();
        inner.jobs.push_back(job);
        // A thread that works takes little later what is not worth waking another for.
        let wake = inner.idle == self.threads || (inner.idle > 0 && inner.transactions > FEW);
        drop(inner);
        if wake {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Waits for calls; `None` once no more will come.
    pub(super) fn take(&self) -> Option<Share> {
        let mut inner = self.inner.lock();
        while inner.jobs.is_empty() {
            if inner.is_closed {
                return None;
            }
            inner.idle += 1;
            self.arrived.wait(&mut inner);
            inner.idle -= 1;
        }
        let idle = inner.idle;
        let share = inner.transactions.div_ceil(idle + 1).min(MICRO_BATCH);
        let (mut jobs, mut count) = (Vec::new(), 0);
        while count < share {
            let Some(job) = inner.jobs.pop_front() else { break };
            count += job.raws.len();
            jobs.push(job);
        }
        inner.transactions -= count;
        let turn = inner.turn;
        inner.turn += 1;
        let wake = idle > 0 && inner.transactions > 0;
        drop(inner);
        if wake {
            self.arrived.notify_one();
        }
        Some(Share { turn, jobs, idle })
    }

    /// Takes no more, and lets go of what waits: who asked learns of it.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        inner.jobs.clear();
        inner.transactions = 0;
        drop(inner);
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn job(transactions: usize) -> Job {
        let (_, count) = Counted::add(&Arc::default(), transactions);
        let (answer, _) = oneshot::channel();
        Job { raws: vec![Bytes::new(); transactions], origin: Origin::Local, at: Instant::now(), answer, count }
    }

    fn sizes(share: &Share) -> Vec<usize> {
        share.jobs.iter().map(|job| job.raws.len()).collect()
    }

    #[test]
    fn a_thread_takes_a_micro_batch_where_no_other_is_idle() {
        let inbox = Inbox::new(2);
        [1, 2, MICRO_BATCH, 5].into_iter().for_each(|count| inbox.push(job(count)).unwrap());
        assert_eq!(sizes(&inbox.take().unwrap()), [1, 2, MICRO_BATCH]);
        assert_eq!(sizes(&inbox.take().unwrap()), [5]);
    }

    #[test]
    fn idle_threads_share_what_waits() {
        let inbox = Inbox::new(3);
        // As if two others waited.
        inbox.inner.lock().idle = 2;
        (0..9).for_each(|_| inbox.push(job(1)).unwrap());
        let share = inbox.take().unwrap();
        assert_eq!((sizes(&share).len(), share.idle), (3, 2));
    }

    #[test]
    fn calls_beyond_the_bound_are_refused_and_those_within_it_stay() {
        let inbox = Inbox::new(1);
        (0..MAX_JOBS).for_each(|_| inbox.push(job(1)).unwrap());
        assert_eq!(inbox.push(job(1)).unwrap_err(), Shut::Full);
        assert_eq!(sizes(&inbox.take().unwrap()).len(), MICRO_BATCH);
        inbox.push(job(1)).unwrap();
    }

    #[test]
    fn closing_wakes_everybody_and_answers_nobody() {
        let inbox = Arc::new(Inbox::new(2));
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let inbox = Arc::clone(&inbox);
                std::thread::spawn(move || inbox.take().is_none())
            })
            .collect();
        while inbox.inner.lock().idle < 2 {
            std::thread::yield_now();
        }
        inbox.close();
        assert!(waiting.into_iter().all(|thread| thread.join().unwrap()));
        assert_eq!(inbox.push(job(1)).unwrap_err(), Shut::Closed);
    }
}
