//! The executor's loop: messages in, blocks out.

use std::collections::{HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256};
use mayfly_evm::{Chain, RecoveredTx};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::derive::{Checkpoint, L1Block, L1Ref, Pace};
use mayfly_rollup::settlement::{self, Leaves};
use tokio::sync::{mpsc, oneshot};

use super::cadence::Cadence;
use super::held::Held;
use super::lead::Lead;
use super::mailbox::Mailbox;
use super::rescue::RescueFile;
use super::stands::Stands;
use super::window::Window;
use crate::clock::Clock;
use crate::config::SequencerSettings;
use crate::error::SequencerError;
use crate::intake::Checked;
use crate::packing::Packing;
use crate::pool::Pool;
use crate::shared::Shared;
use crate::terms::Terms;
use crate::view::{Head, LostTransaction, PauseReason, Stage};

/// How often the clock is looked at when nothing arrives.
const TICK: Duration = Duration::from_millis(200);
/// So long submissions gather before they are dealt with together, while the next block is further away than
const GATHER: Duration = Duration::from_micros(500);
/// this: each round costs a look at everything, and nothing is sealed earlier for it.
const GATHER_BEFORE: Duration = Duration::from_millis(1);
/// Lost transactions shown in the status; the log has all.
const MAX_LOST_SHOWN: usize = 1_000;
/// Content of the pool that one question may get.
const MAX_CONTENT: usize = 20_000;

/// Everything that reaches the executor.
pub(crate) enum Message {
    /// A call's transactions, checked.
    Submitted(Checked),
    /// From the L1 mirror.
    L1(L1Message),
    /// What waits, of one sender or of all.
    Content(Option<Address>, oneshot::Sender<Vec<(Arc<RecoveredTx>, bool)>>),
    /// One that waits, by its hash.
    Waiting(B256, oneshot::Sender<Option<Arc<RecoveredTx>>>),
    /// How many wait, ready and behind a gap.
    Counts(oneshot::Sender<(usize, usize)>),
    /// The nonce after what waits.
    PendingNonce(Address, oneshot::Sender<u64>),
    /// What everybody owns after the close block; nothing before it.
    Leaves(oneshot::Sender<Option<(Head, Leaves)>>),
    /// How posting goes.
    Posting(PostingHealth),
    /// Stop after making everything durable.
    Stop,
}

impl Message {
    /// Whether the mailbox counts it against its own limit.
    pub(super) fn is_counted(&self) -> bool {
        matches!(
            self,
            Self::L1(_)
                | Self::Content(..)
                | Self::Waiting(..)
                | Self::Counts(_)
                | Self::PendingNonce(..)
                | Self::Leaves(_)
                | Self::Posting(_)
        )
    }
}

/// What the mirror reports.
pub(crate) enum L1Message {
    /// The next block.
    Block(Box<L1Block>),
    /// Blocks above `common` are gone. `reopen`: the mirror has lost its place and reads again from where it is told.
    Reorg { common: u64, reopen: bool, answer: oneshot::Sender<GoOn> },
    /// The L1 blocks after which derivation stood, newest first.
    Stands(oneshot::Sender<Vec<L1Ref>>),
    /// The head was reached.
    CaughtUp,
    /// What L1 calls safe and final.
    Tags { safe: u64, finalized: u64 },
}

/// Where the mirror goes on after a reorganisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GoOn {
    /// The block to read first; none: the next one.
    pub(crate) from: Option<u64>,
    /// The data of batches up to this block is not needed.
    pub(crate) settled: u64,
}

/// How posting goes, as far as block building has to care.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PostingHealth {
    /// What keeps the last post from succeeding; empty if nothing does.
    pub(crate) trouble: String,
}

/// What the executor wants recorded; the hot path does not wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note {
    /// A batch on L1 was derived: its blocks are known.
    Applied {
        /// Its number.
        seq: u64,
        /// First block.
        first_block: u64,
        /// Last block.
        last_block: u64,
        /// Transactions in them, those of the queue included.
        transactions: u64,
        /// Size of the payload; 0 for a forced-only batch.
        payload_bytes: u64,
    },
}

/// What the executor is made of.
pub(crate) struct ExecutorParts {
    pub(crate) info: Arc<RollupInfo>,
    pub(crate) settings: SequencerSettings,
    pub(crate) chain: Chain,
    pub(crate) stands: Stands,
    /// Where the mirror starts to read.
    pub(crate) from: Checkpoint,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) notes: mpsc::Sender<Note>,
    pub(crate) clock: Clock,
}

/// See the module.
pub(crate) struct Executor {
    pub(super) info: Arc<RollupInfo>,
    pub(super) terms: Terms,
    pub(super) settings: SequencerSettings,
    pub(super) chain: Chain,
    pub(super) pool: Pool,
    pub(super) window: Window,
    pub(super) stands: Stands,
    /// Transactions of blocks derived in the rebase under way.
    pub(super) derived: HashSet<B256>,
    pub(super) rescued: VecDeque<Arc<RecoveredTx>>,
    pub(super) held: Held,
    pub(super) rescue_file: RescueFile,
    /// The block whose durability ends the rescue.
    pub(super) rescue_until: Option<u64>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) shared: Arc<Shared>,
    pub(super) notes: mpsc::Sender<Note>,
    pub(super) clock: Clock,
    pub(super) synced: bool,
    /// The pace at a block, by its hash.
    pub(super) pace: (B256, Pace),
    /// When the building of the last block began.
    pub(super) cadence: Cadence,
    pub(super) lead: Lead,
    /// Whether the last block had no room for what came next.
    pub(super) crowded: bool,
    pub(super) generation: u64,
    pub(super) trouble: String,
    pub(super) tags: (u64, u64),
    pub(super) lost: Arc<Vec<LostTransaction>>,
    pub(super) lost_count: u64,
    pub(super) stage: Stage,
    pub(super) pause: Option<PauseReason>,
}

/// Dropped when the thread ends, however it does: nobody is left waiting for it.
struct End {
    mailbox: Arc<Mailbox>,
    shared: Arc<Shared>,
}

impl End {
    /// Runs `work` on what it owns. That is dropped before `self`, as parameters are in reverse: a chain that is let go
    /// makes what was sealed durable, and so answers for it.
    fn after<T>(
        self,
        mut owned: T,
        work: impl FnOnce(&mut T) -> Result<(), SequencerError>,
    ) -> Result<(), SequencerError> {
        let result = work(&mut owned);
        if let Err(error) = &result {
            tracing::error!(%error, "the executor stopped");
            self.shared.failed(error.to_string());
        }
        result
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the executor panicked");
            self.shared.failed("the executor panicked".to_owned());
        }
        self.mailbox.close();
        self.shared.ended();
    }
}

impl Executor {
    /// Starts the thread. It ends with [`Message::Stop`], or with an error that nothing can be built on.
    pub(crate) fn spawn(
        parts: ExecutorParts,
    ) -> Result<std::thread::JoinHandle<Result<(), SequencerError>>, SequencerError> {
        let end = End { mailbox: Arc::clone(&parts.mailbox), shared: Arc::clone(&parts.shared) };
        let executor = Self::new(parts)?;
        let run = move || end.after(executor, Self::run);
        Ok(std::thread::Builder::new().name("executor".to_owned()).spawn(run)?)
    }

    pub(crate) fn new(parts: ExecutorParts) -> Result<Self, SequencerError> {
        let rescue_file = RescueFile::new(parts.data_dir.as_deref());
        let terms = Terms::from(parts.info.as_ref());
        parts.shared.unposted.lock().pack(Packing::new(terms.da.batch_bytes()));
        let mut executor = Self {
            pool: Pool::new(parts.settings.pool.clone()),
            window: Window::new(&parts.from),
            stands: parts.stands,
            derived: HashSet::new(),
            cadence: Cadence::new(terms.block_time),
            terms,
            info: parts.info,
            settings: parts.settings,
            chain: parts.chain,
            rescued: VecDeque::new(),
            held: Held::default(),
            rescue_file,
            rescue_until: None,
            mailbox: parts.mailbox,
            shared: parts.shared,
            notes: parts.notes,
            clock: parts.clock,
            synced: false,
            pace: (B256::ZERO, Pace::default()),
            lead: Lead::default(),
            crowded: false,
            generation: 0,
            trouble: String::new(),
            tags: (0, 0),
            lost: Arc::default(),
            lost_count: 0,
            stage: Stage::Created,
            pause: Some(PauseReason::Syncing),
        };
        executor.load_rescued()?;
        executor.publish();
        Ok(executor)
    }

    fn run(&mut self) -> Result<(), SequencerError> {
        while self.turn(self.gather())? {}
        Ok(())
    }

    /// Deals with what arrived, looks at the clock and builds a block if one is due. `false` once it was told to stop.
    pub(crate) fn turn(&mut self, messages: VecDeque<Message>) -> Result<bool, SequencerError> {
        for message in messages {
            if matches!(message, Message::Stop) {
                return self.stop().map(|()| false);
            }
            self.handle(message)?;
        }
        self.tick()?;
        // One at a time: what arrived meanwhile comes first.
        let due = self.next_seal().is_none_or(|at| at <= self.clock.instant());
        if due && self.wants_block() && !self.build_block()? {
            self.cadence.missed(self.clock.instant());
        }
        self.publish();
        Ok(true)
    }

    /// Waits until what was sealed is durable.
    #[cfg(feature = "simulation")]
    pub(crate) fn flush(&self) -> Result<(), SequencerError> {
        self.chain.flush().map_err(|e| SequencerError::Chain(e.to_string()))
    }

    /// Waits for messages, or until it is time to look at the clock.
    fn gather(&self) -> VecDeque<Message> {
        let mut messages = self.mailbox.take(Some(self.deadline()));
        let more = messages.iter().any(|message| matches!(message, Message::Submitted(_)));
        if more && self.next_seal().is_some_and(|at| at > Instant::now() + GATHER_BEFORE) {
            std::thread::sleep(GATHER);
            messages.append(&mut self.mailbox.take(Some(Instant::now())));
        }
        messages
    }

    fn handle(&mut self, message: Message) -> Result<(), SequencerError> {
        match message {
            Message::Submitted(checked) => self.enter(checked),
            Message::L1(message) => self.on_l1(message)?,
            Message::Content(sender, answer) => {
                let _ = answer.send(self.pool.content(sender, MAX_CONTENT));
            }
            Message::Waiting(hash, answer) => {
                let _ = answer.send(self.pool.get(&hash));
            }
            Message::Counts(answer) => {
                let _ = answer.send(self.pool.counts());
            }
            Message::PendingNonce(sender, answer) => {
                let state = self.account(sender).nonce;
                let state = self.held.next_nonce(&sender).map_or(state, |next| next.max(state));
                let _ = answer.send(self.pool.pending_nonce(&sender).unwrap_or(state).max(state));
            }
            Message::Leaves(answer) => {
                let _ = answer.send(self.leaves());
            }
            Message::Posting(health) => self.trouble = health.trouble,
            Message::Stop => {}
        }
        Ok(())
    }

    /// Takes a while on a large chain, which a closed one has.
    fn leaves(&self) -> Option<(Head, Leaves)> {
        let stand = self.stands.last();
        if !stand.closed {
            return None;
        }
        let close_block = Head { number: stand.head.number, hash: stand.head.hash };
        Some((close_block, settlement::leaves(&self.chain)))
    }

    /// Looks at the clock: what expires, what pauses, which stage it is.
    fn tick(&mut self) -> Result<(), SequencerError> {
        for old in self.pool.expire(self.clock.instant()) {
            self.drop_pooled(old, &crate::SubmitError::Invalid("waited too long behind a nonce gap".to_owned()));
        }
        self.end_rescue()?;
        self.turn_stage();
        self.end_hold()?;
        self.pause = self.find_pause();
        self.empty_pool_at_the_end();
        let percent = if self.unposted_seconds() >= self.settings.throttle_after_seconds { 25 } else { 100 };
        self.shared.throttle(percent);
        Ok(())
    }

    fn stop(&mut self) -> Result<(), SequencerError> {
        self.shared.gate.close();
        mayfly_fail::fail_point("stop-flush");
        self.chain.flush().map_err(|e| SequencerError::Chain(e.to_string()))?;
        mayfly_fail::fail_point("stop-flushed");
        for pooled in self.pool.clear() {
            self.shared.waiters.dropped(pooled.hash, &crate::SubmitError::Closed);
        }
        self.publish();
        Ok(())
    }

    /// When the next block may be sealed; at once if there was none yet.
    fn next_seal(&self) -> Option<Instant> {
        self.cadence.next()
    }

    fn deadline(&self) -> Instant {
        let now = Instant::now();
        let seal = if self.wants_block() { self.next_seal().unwrap_or(now) } else { now + TICK };
        seal.min(now + TICK)
    }

    /// Remembers a transaction that was answered and is gone, loudly.
    pub(super) fn lose(&mut self, hash: B256, reason: String) {
        tracing::error!(%hash, reason, "an answered transaction was lost");
        self.shared.metrics.lost.inc();
        self.lost_count += 1;
        let lost = Arc::make_mut(&mut self.lost);
        lost.push(LostTransaction { hash, reason });
        if lost.len() > MAX_LOST_SHOWN {
            lost.remove(0);
        }
    }

    /// Unix seconds, as L1 counts them.
    pub(super) fn now(&self) -> u64 {
        self.clock.unix().as_secs().saturating_sub(self.lead.seconds())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use mayfly_evm::{ChainSpec, Genesis};

    use super::*;
    use crate::admission::{Admission, AdmissionConfig};
    use crate::error::{SubmitError, WaitError};
    use crate::metrics::Metrics;

    fn shared() -> Arc<Shared> {
        let chain = Chain::create(None, ChainSpec::rollup(1, 1).unwrap(), &Genesis::default()).unwrap();
        let admission = Admission::new(&AdmissionConfig::default(), Instant::now());
        let (metrics, _) = Metrics::register(&prometheus::Registry::new(), "0x01").unwrap();
        Arc::new(Shared::new(chain.reader(), admission, metrics, None))
    }

    /// Runs `work` as the executor runs while somebody waits for a receipt; says what that one is told.
    async fn told(work: fn(&mut ()) -> Result<(), SequencerError>) -> (Arc<Shared>, Arc<Mailbox>, WaitError) {
        let (shared, mailbox) = (shared(), Mailbox::new());
        let waits = Arc::clone(&shared);
        let waiting =
            tokio::spawn(
                async move { waits.waiters.wait(B256::ZERO, Duration::from_secs(60), || None).await.unwrap_err() },
            );
        while shared.waiters.len() == 0 {
            tokio::task::yield_now().await;
        }
        let end = End { mailbox: Arc::clone(&mailbox), shared: Arc::clone(&shared) };
        let _ = std::thread::spawn(move || end.after((), work)).join();
        (shared, mailbox, waiting.await.unwrap())
    }

    #[tokio::test]
    async fn an_executor_that_dies_leaves_nobody_waiting() {
        for (work, why) in [
            ((|_| panic!("a bug")) as fn(&mut ()) -> _, "the executor panicked"),
            (|_| Err(SequencerError::Chain("disk full".to_owned())), "chain: disk full"),
        ] {
            let (shared, mailbox, told) = told(work).await;
            assert_eq!(told, WaitError::Dropped(SubmitError::Internal));
            assert_eq!(shared.failure().as_deref(), Some(why));
            assert_eq!(shared.gate.check(), Err(SubmitError::Internal));
            let later = shared.waiters.wait(B256::ZERO, Duration::from_secs(60), || None).await.unwrap_err();
            assert_eq!(later, WaitError::Dropped(SubmitError::Internal));
            let asked = mailbox.ask(|answer| Message::PendingNonce(Address::ZERO, answer)).await;
            assert!(matches!(asked, Err(SequencerError::Stopped)));
        }
        let (shared, _, told) = told(|_| Ok(())).await;
        assert_eq!((told, shared.failure()), (WaitError::Dropped(SubmitError::Closed), None));
    }
}
