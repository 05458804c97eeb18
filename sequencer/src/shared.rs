//! What executor, tasks and handles share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use alloy_primitives::B256;
use mayfly_evm::{ChainReader, RecoveredTx, SealedBlock};
use mayfly_proto::{Commodity, Meter, Payer, Usage};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::derive::{BatchData, L1Ref};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::answers::{LostAnswers, Missing};
use crate::error::SubmitError;
use crate::metrics::Metrics;
use crate::posting_pace::PostingPace;
use crate::unposted::Unposted;
use crate::view::ChainView;
use crate::waiters::Waiters;

/// Blocks a slow subscriber may lag behind before it misses some; they stay in memory for it.
const HEADS: usize = 128;
/// Transactions that came to wait, as many as a slow subscriber may lag behind.
const WAITING: usize = 4_096;

/// A transaction that came to wait for a block. It is not kept for whoever is slow: only its hash is.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Its hash.
    pub hash: B256,
    /// The transaction, while anybody else has it.
    pub tx: Weak<RecoveredTx>,
}

/// Where usage is counted, and for whom: the organiser, until sponsors pay for their share.
pub(crate) struct Billing {
    pub(crate) meter: Arc<Meter>,
    pub(crate) payer: Payer,
}

impl Billing {
    pub(crate) fn organiser(meter: Arc<Meter>, info: &RollupInfo) -> Self {
        Self { meter, payer: info.config.organiser.into() }
    }
}

/// See the module.
pub(crate) struct Shared {
    pub(crate) reader: ChainReader,
    pub(crate) waiters: Waiters,
    pub(crate) gate: Gate,
    pub(crate) unposted: Mutex<Unposted>,
    pub(crate) posting: Mutex<PostingPace>,
    pub(crate) view: watch::Sender<ChainView>,
    pub(crate) heads: broadcast::Sender<Arc<SealedBlock>>,
    /// Transactions that came to wait for a block, and the way there: subscribers are woken elsewhere than where blocks
    /// are built.
    pub(crate) waiting: broadcast::Sender<Arrival>,
    arrivals: mpsc::Sender<Arrival>,
    pub(crate) arrived: Mutex<Option<mpsc::Receiver<Arrival>>>,
    pub(crate) metrics: Metrics,
    /// The newest durable block.
    pub(crate) durable: AtomicU64,
    /// Rings when a block became durable.
    pub(crate) durable_rang: Notify,
    /// The data of the newest batches of ours, by data hash: it need not be fetched from L1.
    pub(crate) own_data: Mutex<VecDeque<(B256, BatchData)>>,
    /// Hashes of the L1 blocks that blocks name as their origin, newest kept.
    pub(crate) origins: Mutex<std::collections::BTreeMap<u64, B256>>,
    /// What was answered and is not here, until it is back or written down as lost.
    pub(crate) missing: Mutex<Option<Missing>>,
    /// What was.
    pub(crate) lost_answers: Mutex<Vec<LostAnswers>>,
    usage: OnceLock<Billing>,
    admission: Admission,
    percent: AtomicU8,
    failure: Mutex<Option<String>>,
    /// Until L1 is read again from before it.
    pub(crate) refused: Mutex<Option<Refused>>,
    /// Why L1 cannot be followed at the moment; empty while it can.
    pub(crate) l1_trouble: Mutex<String>,
}

/// An L1 block that cannot be, and why.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) block: L1Ref,
    pub(crate) why: String,
}

/// Batches whose data is remembered.
const MAX_OWN_DATA: usize = 4;
/// Origins remembered; older ones are asked of L1 again.
pub(crate) const MAX_ORIGINS: usize = 65_536;

impl Shared {
    pub(crate) fn new(reader: ChainReader, admission: Admission, metrics: Metrics, billing: Option<Billing>) -> Self {
        let (arrivals, arrived) = mpsc::channel(WAITING);
        let durable = AtomicU64::new(reader.head().header.number);
        Self {
            reader,
            waiters: Waiters::default(),
            gate: Gate::default(),
            unposted: Mutex::default(),
            posting: Mutex::default(),
            view: watch::Sender::new(ChainView::default()),
            heads: broadcast::Sender::new(HEADS),
            waiting: broadcast::Sender::new(WAITING),
            arrivals,
            arrived: Mutex::new(Some(arrived)),
            metrics,
            durable,
            durable_rang: Notify::new(),
            own_data: Mutex::default(),
            origins: Mutex::default(),
            missing: Mutex::default(),
            lost_answers: Mutex::default(),
            usage: billing.map(OnceLock::from).unwrap_or_default(),
            admission,
            percent: AtomicU8::new(100),
            failure: Mutex::default(),
            refused: Mutex::default(),
            l1_trouble: Mutex::default(),
        }
    }

    /// Somebody may want to know of a transaction that came to wait. What comes too fast to be told is not.
    pub(crate) fn arrived(&self, hash: B256, tx: &Arc<RecoveredTx>) {
        if self.waiting.receiver_count() > 0 {
            let _ = self.arrivals.try_send(Arrival { hash, tx: Arc::downgrade(tx) });
        }
    }

    /// Tells subscribers of what came to wait, until cancelled.
    pub(crate) async fn tell_arrivals(
        self: Arc<Self>,
        mut arrived: mpsc::Receiver<Arrival>,
        cancel: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                arrival = arrived.recv() => match arrival {
                    // Nobody listening is no error.
                    Some(arrival) => drop(self.waiting.send(arrival)),
                    None => return,
                }
            }
        }
    }

    /// A block is on disk: its answers go out.
    pub(crate) fn on_durable(&self, block: &Arc<SealedBlock>) {
        self.durable.store(block.header.number, Ordering::Release);
        self.waiters.included(block);
        self.bill(Commodity::EvmGas, block.header.gas_used);
        let _ = self.heads.send(Arc::clone(block));
        self.durable_rang.notify_waiters();
        mayfly_fail::fail_point("after-answer");
    }

    /// Names the meter that usage goes to; the first one stays.
    pub(crate) fn set_meter(&self, billing: Billing) {
        let _ = self.usage.set(billing);
    }

    /// Counts what the rollup used.
    pub(crate) fn bill(&self, commodity: Commodity, amount: u64) {
        if let Some(Billing { meter, payer }) = self.usage.get() {
            meter.record(*payer, None, Usage::of(commodity, u128::from(amount)));
        }
    }

    /// Gives out only so many percent of the free budget.
    pub(crate) fn throttle(&self, percent: u8) {
        if self.percent.swap(percent, Ordering::Relaxed) != percent {
            tracing::warn!(percent, "the free budget changes");
            self.admission.throttle(percent);
        }
    }

    /// The executor cannot go on: from here on every answer is an internal error.
    pub(crate) fn failed(&self, why: String) {
        self.failure.lock().get_or_insert(why);
        self.gate.set(Some(SubmitError::Internal));
    }

    /// The executor is gone: whoever still waits is told, and so is who asks later.
    pub(crate) fn ended(&self) {
        let failed = self.failure().is_some();
        self.waiters.end(if failed { SubmitError::Internal } else { SubmitError::Closed });
    }

    /// What ended the executor, if something did.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Remembers the data of a batch of ours.
    pub(crate) fn note_data(&self, data_hash: B256, data: BatchData) {
        let mut own = self.own_data.lock();
        own.push_back((data_hash, data));
        while own.len() > MAX_OWN_DATA {
            own.pop_front();
        }
    }

    /// The data with this hash, if a batch of ours had it. L1 committed to the hash, so it is the same data.
    pub(crate) fn data_of(&self, data_hash: B256) -> Option<BatchData> {
        self.own_data.lock().iter().find(|(hash, _)| *hash == data_hash).map(|(_, data)| data.clone())
    }

    /// The hash of an L1 block that is followed, if it is remembered.
    pub(crate) fn origin(&self, number: u64) -> Option<B256> {
        self.origins.lock().get(&number).copied()
    }

    /// Remembers the hash of an L1 block.
    pub(crate) fn note_origin(&self, number: u64, hash: B256) {
        let mut origins = self.origins.lock();
        origins.insert(number, hash);
        while origins.len() > MAX_ORIGINS {
            origins.pop_first();
        }
    }
}

/// Whether submissions are taken at the moment, and why not.
#[derive(Default)]
pub(crate) struct Gate(RwLock<Option<SubmitError>>);

impl Gate {
    /// The error to answer with while the gate is shut.
    pub(crate) fn check(&self) -> Result<(), SubmitError> {
        self.0.read().clone().map_or(Ok(()), Err)
    }

    pub(crate) fn set(&self, why: Option<SubmitError>) {
        if *self.0.read() != why {
            *self.0.write() = why;
        }
    }

    pub(crate) fn close(&self) {
        self.set(Some(SubmitError::Closed));
    }
}
