//! The thread that gathers submissions into micro-batches and the pool that recovers their senders.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use alloy_primitives::{B256, Bytes};
use rayon::prelude::*;
use tokio::sync::oneshot;

use super::check::Rules;
use crate::admission::{Admission, Submission};
use crate::error::{SequencerError, SubmitError};
use crate::origin::Origin;
use crate::pool::Pooled;

/// Transactions recovered in one go.
const MICRO_BATCH: usize = 512;
/// Transactions of one call.
pub(crate) const MAX_SUBMISSION: usize = 1_000;
/// Calls that may wait for the thread.
const MAX_JOBS: usize = 16_384;
/// Transactions between arrival and answer.
const MAX_IN_FLIGHT: usize = 32_768;
/// Below so many transactions splitting the work costs more than it saves.
const MIN_SPLIT: usize = 4;

/// One result per transaction of a call, in order.
pub(crate) type Answer = oneshot::Sender<Vec<Result<B256, SubmitError>>>;

/// A call's transactions after all checks without state.
pub(crate) struct Checked {
    pub(crate) transactions: Vec<Result<Pooled, SubmitError>>,
    pub(crate) answer: Answer,
    _count: Counted,
}

struct Job {
    raws: Vec<Bytes>,
    origin: Origin,
    at: Instant,
    answer: Answer,
    count: Counted,
}

/// Transactions under way, counted until the call is answered.
struct Counted(Arc<AtomicUsize>, usize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// What the intake needs from the rest.
pub(crate) struct IntakeParts<F> {
    pub(crate) rules: Rules,
    pub(crate) admission: Admission,
    pub(crate) threads: usize,
    /// Takes what passed; `false` ends the thread.
    pub(crate) deliver: F,
}

/// The sending side. Dropped, it ends the thread.
#[derive(Clone)]
pub(crate) struct Intake {
    jobs: SyncSender<Job>,
    in_flight: Arc<AtomicUsize>,
}

impl Intake {
    /// Starts the thread and its pool.
    pub(crate) fn start<F>(parts: IntakeParts<F>) -> Result<Self, SequencerError>
    where
        F: Fn(Checked) -> bool + Send + 'static,
    {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(parts.threads)
            .thread_name(|i| format!("recover-{i}"))
            .build()
            .map_err(|e| SequencerError::Config(format!("recovery threads: {e}")))?;
        let (jobs, inbox) = sync_channel(MAX_JOBS);
        std::thread::Builder::new().name("intake".to_owned()).spawn(move || run(&inbox, &pool, &parts))?;
        Ok(Self { jobs, in_flight: Arc::default() })
    }

    /// Hands `raws` over; one result per transaction comes back.
    pub(crate) async fn submit(&self, raws: Vec<Bytes>, origin: Origin) -> Vec<Result<B256, SubmitError>> {
        let count = raws.len();
        if count == 0 {
            return Vec::new();
        }
        let all = |error: SubmitError| vec![Err(error); count];
        if count > MAX_SUBMISSION {
            return all(SubmitError::PoolFull(MAX_SUBMISSION));
        }
        let before = self.in_flight.fetch_add(count, Ordering::Relaxed);
        let counted = Counted(Arc::clone(&self.in_flight), count);
        if before + count > MAX_IN_FLIGHT {
            return all(SubmitError::PoolFull(MAX_IN_FLIGHT));
        }
        let (answer, result) = oneshot::channel();
        let job = Job { raws, origin, at: Instant::now(), answer, count: counted };
        match self.jobs.try_send(job) {
            Ok(()) => result.await.unwrap_or_else(|_| all(SubmitError::Closed)),
            Err(std::sync::mpsc::TrySendError::Full(_)) => all(SubmitError::PoolFull(MAX_IN_FLIGHT)),
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => all(SubmitError::Closed),
        }
    }
}

fn run<F: Fn(Checked) -> bool>(inbox: &Receiver<Job>, pool: &rayon::ThreadPool, parts: &IntakeParts<F>) {
    while let Ok(first) = inbox.recv() {
        let mut count = first.raws.len();
        let mut jobs = vec![first];
        while count < MICRO_BATCH {
            let Ok(job) = inbox.try_recv() else { break };
            count += job.raws.len();
            jobs.push(job);
        }
        let work: Vec<(&Bytes, Origin, Instant)> =
            jobs.iter().flat_map(|j| j.raws.iter().map(|raw| (raw, j.origin, j.at))).collect();
        let rules = parts.rules;
        let checked: Vec<Result<Pooled, SubmitError>> = if work.len() <= MIN_SPLIT {
            work.iter().map(|(raw, origin, at)| rules.check(raw, *origin, *at)).collect()
        } else {
            let check = |(raw, origin, at): &(&Bytes, Origin, Instant)| rules.check(raw, *origin, *at);
            pool.install(|| work.par_iter().with_min_len(MIN_SPLIT).map(check).collect())
        };
        let mut checked = checked.into_iter();
        for job in jobs {
            let mine = checked.by_ref().take(job.raws.len());
            let transactions = mine.map(|result| admit(result?, &parts.admission)).collect();
            if !(parts.deliver)(Checked { transactions, answer: job.answer, _count: job.count }) {
                return;
            }
        }
    }
}

fn admit(mut pooled: Pooled, admission: &Admission) -> Result<Pooled, SubmitError> {
    let submission = Submission {
        sender: pooled.sender,
        origin: pooled.origin,
        gas_limit: pooled.gas_limit,
        size_bytes: pooled.size_bytes,
        at: pooled.at,
    };
    pooled.grant = Some(admission.admit(&submission)?);
    Ok(pooled)
}
