//! The threads that check submissions and recover their senders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use alloy_primitives::{B256, Bytes};
use parking_lot::Mutex;
use rayon::prelude::*;
use tokio::sync::oneshot;

use super::check::Rules;
use super::inbox::{Answer, Counted, FEW, Inbox, Job, Share, Shut};
use crate::admission::{Admission, Submission};
use crate::error::{SequencerError, SubmitError};
use crate::origin::Origin;
use crate::pool::Pooled;

/// Transactions of one call.
pub(crate) const MAX_SUBMISSION: usize = 1_000;
/// Transactions between arrival and answer.
const MAX_IN_FLIGHT: usize = 32_768;

/// A call's transactions after all checks without state.
pub(crate) struct Checked {
    pub(crate) transactions: Vec<Result<Pooled, SubmitError>>,
    pub(crate) answer: Answer,
    _count: Counted,
}

/// What the intake needs from the rest.
pub(crate) struct IntakeParts<F> {
    pub(crate) rules: Rules,
    pub(crate) admission: Admission,
    pub(crate) threads: usize,
    /// Takes what passed; `false` ends the threads.
    pub(crate) deliver: F,
}

/// The sending side. Dropped, it ends the threads.
#[derive(Clone)]
pub(crate) struct Intake {
    inbox: Arc<Closer>,
    in_flight: Arc<AtomicUsize>,
}

/// Closes the inbox when it is dropped: by the last who hands in calls, or by a thread that ends, in a panic too.
struct Closer(Arc<Inbox>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Intake {
    /// Starts the threads.
    pub(crate) fn start<F>(parts: IntakeParts<F>) -> Result<Self, SequencerError>
    where
        F: Fn(Checked) -> bool + Send + Sync + 'static,
    {
        let threads = parts.threads.max(1);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("recover-{i}"))
            .build()
            .map_err(|e| SequencerError::Config(format!("recovery threads: {e}")))?;
        let inbox = Arc::new(Inbox::new(threads));
        let shared = Arc::new(Shared { parts, pool, order: Mutex::default() });
        for index in 0..threads {
            let (closer, shared) = (Closer(Arc::clone(&inbox)), Arc::clone(&shared));
            let work = move || run(&closer.0, &shared);
            std::thread::Builder::new().name(format!("intake-{index}")).spawn(work)?;
        }
        Ok(Self { inbox: Arc::new(Closer(inbox)), in_flight: Arc::default() })
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
        let (before, counted) = Counted::add(&self.in_flight, count);
        if before + count > MAX_IN_FLIGHT {
            return all(SubmitError::PoolFull(MAX_IN_FLIGHT));
        }
        let (answer, result) = oneshot::channel();
        match self.inbox.0.push(Job { raws, origin, at: Instant::now(), answer, count: counted }) {
            Ok(()) => result.await.unwrap_or_else(|_| all(SubmitError::Closed)),
            Err(Shut::Full) => all(SubmitError::PoolFull(MAX_IN_FLIGHT)),
            Err(Shut::Closed) => all(SubmitError::Closed),
        }
    }
}

/// What the threads have in common.
struct Shared<F> {
    parts: IntakeParts<F>,
    pool: rayon::ThreadPool,
    order: Mutex<Order>,
}

/// Calls go on in the order in which they came: a wallet's next transaction must not overtake the one before.
#[derive(Default)]
struct Order {
    /// The share that is to go on.
    next: u64,
    /// Those that were checked before their turn.
    early: BTreeMap<u64, Vec<Checked>>,
}

/// A thread: checks its share of what waits, with the pool's help where a call is large and others have nothing to do.
fn run<F: Fn(Checked) -> bool + Send + Sync>(inbox: &Inbox, shared: &Shared<F>) {
    let rules = shared.parts.rules;
    while let Some(Share { turn, jobs, idle }) = inbox.take() {
        let check = |job: Job| {
            let Job { raws, origin, at, answer, count } = job;
            let check = |raw: &Bytes| rules.check(raw, origin, at);
            let transactions = if idle > 0 && raws.len() > FEW {
                shared.pool.install(|| raws.par_iter().with_min_len(FEW).map(check).collect())
            } else {
                raws.iter().map(check).collect()
            };
            Checked { transactions, answer, _count: count }
        };
        if !shared.hand_on(turn, jobs.into_iter().map(check).collect()) {
            return;
        }
    }
}

impl<F: Fn(Checked) -> bool> Shared<F> {
    /// Admits and delivers a share, and those after it that were early, once it is its turn. `false` once nobody takes any.
    fn hand_on(&self, turn: u64, calls: Vec<Checked>) -> bool {
        let mut order = self.order.lock();
        order.early.insert(turn, calls);
        loop {
            let next = order.next;
            let Some(calls) = order.early.remove(&next) else { return true };
            order.next += 1;
            for mut call in calls {
                let admitted = call.transactions.into_iter().map(|pooled| admit(pooled?, &self.parts.admission));
                call.transactions = admitted.collect();
                if !(self.parts.deliver)(call) {
                    return false;
                }
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
