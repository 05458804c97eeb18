//! What everybody else holds of a sequencer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};
use mayfly_evm::{ChainReader, RecoveredTx, SealedBlock};
use mayfly_proto::{Meter, SignedReceipt};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::settlement::Leaves;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{broadcast, watch};

use crate::answers::LostAnswers;
use crate::condition::Condition;
use crate::error::{SequencerError, SubmitError, WaitError};
use crate::executor::{Mailbox, Message};
use crate::intake::Intake;
use crate::origin::Origin;
use crate::poster::PosterStatus;
use crate::receipts::Receipts;
use crate::shared::{Arrival, Billing, Shared};
use crate::tasks::Tasks;
use crate::view::{Head, LostTransaction, PauseReason, Stage};
use crate::waiters::Included;

/// How a sequencer is doing.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Where the rollup stands.
    pub stage: Stage,
    /// Whether L1 was read up to its head.
    pub synced: bool,
    /// Newest executed block.
    pub latest: Head,
    /// Newest durable block's number: up to here answers were given.
    pub durable: u64,
    /// Newest block in a batch on L1.
    pub posted: Head,
    /// Newest block in a batch that L1 calls safe.
    pub safe: Head,
    /// Newest block in a batch that is final on L1.
    pub finalized: Head,
    /// L1's head as followed.
    pub l1_head: u64,
    /// Its timestamp.
    pub l1_time: u64,
    /// Batches on L1.
    pub batches: u64,
    /// Blocks in no batch on L1.
    pub unposted_blocks: usize,
    /// Age of the oldest of them.
    pub unposted_seconds: u64,
    /// What it does, why, and what would end that.
    pub condition: Condition,
    /// How posting goes.
    pub poster: PosterStatus,
    /// Why no blocks are built, if so.
    pub pause: Option<PauseReason>,
    /// The same in words.
    pub pause_reason: Option<String>,
    /// Transactions waiting for a block.
    pub pool_transactions: usize,
    /// Their encoded size.
    pub pool_bytes: usize,
    /// Calls waiting for a receipt.
    pub waiters: usize,
    /// When deposits end.
    pub end_time: u64,
    /// When the rollup closes.
    pub close_time: u64,
    /// Transactions taken back and not yet on the chain again.
    pub rescued: usize,
    /// Answered transactions that could not be put back since the start.
    pub lost_count: u64,
    /// The newest of them.
    pub lost: Vec<LostTransaction>,
    /// Blocks that were answered and lost with the chain's directory, as far as is known.
    pub lost_answers: Vec<LostAnswers>,
    /// What ended the sequencer, if something did.
    pub failure: Option<String>,
}

pub(crate) struct Inner {
    pub(crate) info: Arc<RollupInfo>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) intake: Intake,
    pub(crate) receipts: Receipts,
    pub(crate) poster: Arc<Mutex<PosterStatus>>,
    pub(crate) tasks: Arc<Tasks>,
}

impl Drop for Inner {
    /// The last handle is gone: nobody can ask for anything any more.
    fn drop(&mut self) {
        self.tasks.cancel();
    }
}

/// A running sequencer. Clones are handles to the same one.
#[derive(Clone)]
pub struct SequencerHandle(pub(crate) Arc<Inner>);

impl std::fmt::Debug for SequencerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SequencerHandle").field("rollup", &self.0.info.rollup).finish_non_exhaustive()
    }
}

impl SequencerHandle {
    /// Hands raw EIP-2718 transactions over; one result for each, in order. `Ok` means that it waits for a block.
    pub async fn submit(&self, raws: Vec<Bytes>, origin: Origin) -> Vec<Result<B256, SubmitError>> {
        if let Err(error) = self.0.shared.gate.check() {
            self.0.shared.metrics.refused.inc_by(raws.len() as u64);
            return vec![Err(error); raws.len()];
        }
        let mut results = self.0.intake.submit(raws, origin).await;
        if self.0.shared.failure().is_some() {
            // What was under way when the executor failed comes back as if it had been closed.
            results
                .iter_mut()
                .filter(|r| **r == Err(SubmitError::Closed))
                .for_each(|r| *r = Err(SubmitError::Internal));
        }
        self.0.shared.metrics.refused.inc_by(results.iter().filter(|r| r.is_err()).count() as u64);
        results
    }

    /// One raw transaction.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn submit_one(&self, raw: Bytes, origin: Origin) -> Result<B256, SubmitError> {
        self.submit(vec![raw], origin).await.pop().unwrap_or(Err(SubmitError::Internal))
    }

    /// Waits until a transaction is in a durable block.
    ///
    /// # Errors
    /// [`WaitError::Timeout`], [`WaitError::Dropped`] with what the pool or executor said, or too many calls wait.
    pub async fn wait_receipt(&self, hash: B256, timeout: Duration) -> Result<Included, WaitError> {
        self.0.shared.waiters.wait(hash, timeout, || self.find(hash)).await
    }

    /// A transaction in a durable block, if it is in one now.
    pub fn find(&self, hash: B256) -> Option<Included> {
        let (block, index) = self.0.shared.reader.tx_by_hash(&hash).ok()??;
        Some(Included { block, index })
    }

    /// The receipt of an included transaction, signed by the rollup's receipt key; none if it is not included.
    ///
    /// # Errors
    /// If the chain or L1 cannot be read.
    pub async fn signed_receipt(&self, hash: B256) -> Result<Option<SignedReceipt>, SequencerError> {
        self.0.receipts.signed(&self.0.shared, hash).await
    }

    /// What waits, of one sender or of all, and whether each could run without others first. Bounded.
    ///
    /// # Errors
    /// [`SequencerError::Stopped`].
    pub async fn pool_content(&self, sender: Option<Address>) -> Result<Vec<(Arc<RecoveredTx>, bool)>, SequencerError> {
        self.0.mailbox.ask(|answer| Message::Content(sender, answer)).await
    }

    /// A transaction that waits, by its hash.
    ///
    /// # Errors
    /// [`SequencerError::Stopped`].
    pub async fn pooled(&self, hash: B256) -> Result<Option<Arc<RecoveredTx>>, SequencerError> {
        self.0.mailbox.ask(|answer| Message::Waiting(hash, answer)).await
    }

    /// How many transactions wait: those that could run without others first, and those that could not.
    ///
    /// # Errors
    /// [`SequencerError::Stopped`].
    pub async fn pool_counts(&self) -> Result<(usize, usize), SequencerError> {
        self.0.mailbox.ask(Message::Counts).await
    }

    /// The nonce that a sender's next transaction should have, counting what waits.
    ///
    /// # Errors
    /// [`SequencerError::Stopped`].
    pub async fn pending_nonce(&self, sender: Address) -> Result<u64, SequencerError> {
        self.0.mailbox.ask(|answer| Message::PendingNonce(sender, answer)).await
    }

    /// What everybody owns after the close block, and that block; none before the close. Slow on a large chain.
    ///
    /// # Errors
    /// [`SequencerError::Stopped`].
    pub async fn leaves(&self) -> Result<Option<(Head, Leaves)>, SequencerError> {
        self.0.mailbox.ask(Message::Leaves).await
    }

    /// Every block from now on, once it is durable. A subscriber that lags more than 128 blocks misses some.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<SealedBlock>> {
        self.0.shared.heads.subscribe()
    }

    /// Every transaction that comes to wait for a block from now on. A subscriber that lags more than 4,096 misses some.
    pub fn subscribe_waiting(&self) -> broadcast::Receiver<Arrival> {
        self.0.shared.waiting.subscribe()
    }

    /// The newest blocks that stand on safe and final L1 blocks.
    pub fn safe_and_finalized(&self) -> (Head, Head) {
        let view = self.0.shared.view.borrow();
        (view.safe, view.finalized)
    }

    /// Rings when anything in the status changed.
    pub fn changes(&self) -> watch::Receiver<impl Sized + use<>> {
        self.0.shared.view.subscribe()
    }

    /// How things are.
    pub fn status(&self) -> Status {
        let view = self.0.shared.view.borrow().clone();
        let (listed, oldest) = {
            let unposted = self.0.shared.unposted.lock();
            (unposted.len(), unposted.oldest())
        };
        // A block can be read, and is answered for, a moment before it is listed. Before L1 is read, that says nothing.
        let readable = self.0.shared.reader.head().header.number.saturating_sub(view.post.posted.number) as usize;
        let unposted_blocks = if view.post.synced { listed.max(readable) } else { listed };
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let (poster, failure) = (self.0.poster.lock().clone(), self.0.shared.failure());
        Status {
            condition: Condition::of(&view, &poster, failure.as_deref(), &self.0.shared.l1_trouble.lock()),
            stage: view.post.stage,
            synced: view.post.synced,
            latest: view.latest,
            durable: self.0.shared.durable.load(Ordering::Acquire),
            posted: view.post.posted,
            safe: view.safe,
            finalized: view.finalized,
            l1_head: view.post.l1_number,
            l1_time: view.post.l1_time,
            batches: view.post.seq.saturating_sub(1),
            unposted_blocks,
            unposted_seconds: oldest.map_or(0, |oldest| now.max(view.post.l1_time).saturating_sub(oldest)),
            poster,
            pause_reason: view.pause.as_ref().map(ToString::to_string),
            pause: view.pause,
            pool_transactions: view.pool_transactions,
            pool_bytes: view.pool_bytes,
            waiters: self.0.shared.waiters.len(),
            end_time: view.end_time,
            close_time: view.post.close_time,
            rescued: view.rescued,
            lost_count: view.lost_count,
            lost: view.lost.to_vec(),
            lost_answers: self.0.shared.lost_answers.lock().clone(),
            failure,
        }
    }

    /// From here on the rollup's gas and its bytes on L1 are counted in `meter`, for the organiser. Nothing happens if
    /// a meter was named before, here or in [`SequencerConfig::meter`](crate::SequencerConfig::meter).
    pub fn meter(&self, meter: Arc<Meter>) {
        self.0.shared.set_meter(Billing::organiser(meter, &self.0.info));
    }

    /// The durable chain.
    pub fn reader(&self) -> &ChainReader {
        &self.0.shared.reader
    }

    /// The rollup.
    pub fn info(&self) -> &Arc<RollupInfo> {
        &self.0.info
    }

    /// Stops: nothing more is taken, what was sealed becomes durable and is answered, all tasks end.
    pub async fn shutdown(&self) {
        self.0.shared.gate.close();
        self.0.tasks.stop(&self.0.mailbox).await;
    }
}
