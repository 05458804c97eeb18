//! A sequencer that has no threads and no clock of its own: whoever holds it says when it takes a turn. The parts are
//! those of [`crate::Sequencer`]: executor, pool, admission, mirror, poster. What is left out are the threads of the
//! intake, the recorder's tables and the signer of receipts. For the simulation in `tests/`.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use mayfly_evm::{Chain, ChainReader, SealedBlock};
use mayfly_l1::{BeaconClient, Key, L1Client, Sender};
use mayfly_ledger::{MemoryOutbox, Outbox};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::derive::{Derivation, L2Ref};
use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admission::{Admission, Submission};
use crate::clock::Clock;
use crate::config::SequencerSettings;
use crate::error::{SequencerError, SubmitError};
use crate::executor::{Executor, ExecutorParts, Mailbox, Message, Note, Stands};
use crate::intake::Rules;
use crate::metrics::{Metrics, Registered};
use crate::mirror::{Mirror, Recorded, check_stands, first_block};
use crate::origin::Origin;
use crate::poster::{Poster, PosterParts, PosterStatus};
use crate::sequencer::{answer_when_durable, fee_caps, genesis_ref, l1_error};
use crate::shared::Shared;
use crate::terms::Terms;
use crate::view::{Head, LostTransaction, PauseReason, Stage};

/// Notes and records between two turns; nothing reads them but the turn.
const MAX_UNRECORDED: usize = 65_536;

/// What a stepped sequencer is made of.
pub struct SteppedConfig {
    /// The rollup.
    pub info: Arc<RollupInfo>,
    /// What the operator set.
    pub settings: SequencerSettings,
    /// The chain, whose one writer the sequencer becomes.
    pub chain: Chain,
    /// Where small files beside the chain go; none for a chain in memory.
    pub data_dir: Option<PathBuf>,
    /// L1, over a wire of its own.
    pub l1: L1Client,
    /// Its blobs.
    pub beacon: BeaconClient,
    /// Posts batches.
    pub poster: Key,
    /// What was signed and sent before.
    pub outbox: MemoryOutbox,
    /// The time since 1970 as this node's clock shows it now.
    pub unix: Duration,
}

/// How it is doing.
#[derive(Debug, Clone)]
pub struct SteppedStatus {
    /// Where the rollup stands.
    pub stage: Stage,
    /// Whether L1 was read up to its head.
    pub synced: bool,
    /// Newest executed block.
    pub latest: Head,
    /// Newest block in a batch on L1.
    pub posted: Head,
    /// Why no blocks are built, if so.
    pub pause: Option<PauseReason>,
    /// Transactions taken back and not yet on the chain again.
    pub rescued: usize,
    /// Answered transactions that could not be put back.
    pub lost: Vec<LostTransaction>,
    /// How posting goes.
    pub poster: PosterStatus,
}

/// See the module.
pub struct SteppedSequencer {
    executor: Executor,
    mailbox: Arc<Mailbox>,
    shared: Arc<Shared>,
    rules: Rules,
    admission: Admission,
    clock: Clock,
    records: mpsc::Receiver<Recorded>,
    notes: mpsc::Receiver<Note>,
    poster: Arc<Mutex<PosterStatus>>,
    stop: CancellationToken,
    _tasks: JoinSet<()>,
    _registered: Registered,
}

impl std::fmt::Debug for SteppedSequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SteppedSequencer").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl SteppedSequencer {
    /// Starts one: its mirror and its poster are tasks of the runtime, its executor waits for turns.
    ///
    /// # Errors
    /// As [`crate::Sequencer::spawn`].
    pub async fn start(config: SteppedConfig) -> Result<Self, SequencerError> {
        let SteppedConfig { info, settings, chain, data_dir, l1, beacon, poster, outbox, unix } = config;
        let (terms, clock) = (Terms::from(info.as_ref()), Clock::simulated(unix));
        settings.validate(terms.l1_chain_id)?;
        if let Some(dir) = &data_dir {
            std::fs::create_dir_all(dir)?;
        }
        let reader = chain.reader();
        let genesis = *Derivation::new(Arc::clone(&info), genesis_ref(&reader)?).checkpoint();
        let mut stands = Stands::open(data_dir.as_deref(), genesis)?;
        let holds = |at: &L2Ref| {
            let block = reader.block_by_number(at.number).map_err(|e| SequencerError::Chain(e.to_string()))?;
            Ok(block.is_some_and(|b| b.hash == at.hash))
        };
        check_stands(&l1, &info, &mut stands, holds).await?;
        let from = *stands.first();
        let start = first_block(&l1, &info, &from).await?;
        let sender = Sender::connect(l1.clone(), poster, fee_caps(&settings)).await.map_err(l1_error)?;
        let admission = Admission::new(&settings.admission, clock.instant());
        let (metrics, registered) = Metrics::register(&prometheus::Registry::new(), &info.rollup.to_string())?;
        let shared = Arc::new(Shared::new(chain.reader(), admission.clone(), metrics, None));
        answer_when_durable(&chain, &shared);
        let (mailbox, stop) = (Mailbox::new(), CancellationToken::new());
        let (recorder, records) = mpsc::channel(MAX_UNRECORDED);
        let (notes_in, notes) = mpsc::channel(MAX_UNRECORDED);
        let settled = stands.last().l1.number;
        let executor = Executor::new(ExecutorParts {
            info: Arc::clone(&info),
            settings: settings.clone(),
            chain,
            stands,
            from,
            data_dir,
            mailbox: Arc::clone(&mailbox),
            shared: Arc::clone(&shared),
            notes: notes_in,
            clock,
        })?;
        let mut tasks = JoinSet::new();
        let mirror = Mirror {
            info: Arc::clone(&info),
            client: l1,
            beacon,
            start,
            again: None,
            settled,
            poll: settings.l1_poll(),
            mailbox: Arc::clone(&mailbox),
            shared: Arc::clone(&shared),
            recorder,
            tagged: None,
            last: None,
            refusals: 0,
        };
        tasks.spawn(mirror.run(stop.clone()));
        let status = Arc::new(Mutex::default());
        let parts = PosterParts {
            terms,
            settings,
            ledger: Outbox::Memory(outbox),
            sender,
            shared: Arc::clone(&shared),
            mailbox: Arc::clone(&mailbox),
            status: Arc::clone(&status),
            clock,
        };
        tasks.spawn(Poster::new(parts).run(stop.clone()));
        let rules = Rules { chain_id: terms.chain_id, block_gas_limit: terms.block_gas_limit };
        Ok(Self {
            executor,
            mailbox,
            shared,
            rules,
            admission,
            clock,
            records,
            notes,
            poster: status,
            stop,
            _tasks: tasks,
            _registered: registered,
        })
    }

    /// Hands a raw transaction over, as [`crate::SequencerHandle::submit`] does: checked, recovered, admitted, pooled.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn submit(&mut self, raw: &[u8]) -> Result<B256, SubmitError> {
        self.shared.gate.check()?;
        let at = self.clock.instant();
        let mut pooled = self.rules.check(raw, Origin::Local, at)?;
        let submission = Submission {
            sender: pooled.sender,
            origin: Origin::Local,
            gas_limit: pooled.gas_limit,
            size_bytes: pooled.size_bytes,
            at,
        };
        pooled.grant = Some(self.admission.admit(&submission)?);
        self.executor.enter_one(pooled)
    }

    /// One turn of the executor; what it sealed is durable, and answered for, when this returns.
    ///
    /// # Errors
    /// What would have ended the executor's thread.
    pub fn turn(&mut self) -> Result<(), SequencerError> {
        let messages: VecDeque<Message> = self.mailbox.take(Some(std::time::Instant::now()));
        self.executor.turn(messages)?;
        self.executor.flush()?;
        while self.records.try_recv().is_ok() {}
        while self.notes.try_recv().is_ok() {}
        Ok(())
    }

    /// How it is doing.
    pub fn status(&self) -> SteppedStatus {
        let view = self.shared.view.borrow().clone();
        SteppedStatus {
            stage: view.post.stage,
            synced: view.post.synced,
            latest: view.latest,
            posted: view.post.posted,
            pause: view.pause,
            rescued: view.rescued,
            lost: view.lost.to_vec(),
            poster: self.poster.lock().clone(),
        }
    }

    /// Reads the chain.
    pub fn reader(&self) -> &ChainReader {
        &self.shared.reader
    }

    /// Every block from now on, as it becomes durable.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<SealedBlock>> {
        self.shared.heads.subscribe()
    }
}

impl Drop for SteppedSequencer {
    fn drop(&mut self) {
        self.stop.cancel();
        self.mailbox.close();
    }
}
