//! Putting a sequencer together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mayfly_evm::Chain;
use mayfly_l1::{BeaconClient, BlockRef, FeeCaps, Key, L1Client, Sender};
use mayfly_ledger::Ledger;
use mayfly_proto::Meter;
use mayfly_rollup::RollupInfo;
use mayfly_rollup::derive::{Checkpoint, Derivation, L2Ref};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admission::Admission;
use crate::answers::{Answers, LostAnswers, Missing, find_missing, load_lost};
use crate::clock::Clock;
use crate::condition;
use crate::config::SequencerSettings;
use crate::error::SequencerError;
use crate::executor::{Executor, ExecutorParts, Mailbox, Message, Stands};
use crate::handle::{Inner, SequencerHandle};
use crate::intake::{Intake, IntakeParts, Rules};
use crate::metrics::{Metrics, Registered};
use crate::mirror::{Mirror, Recorder, check_stands, first_block, is_recorded};
use crate::poster::{Poster, PosterParts};
use crate::receipts::Receipts;
use crate::shared::{Billing, Shared};
use crate::tasks::Tasks;
use crate::terms::Terms;

/// Things that may wait for the ledger; beyond it following L1 waits, too.
const MAX_UNRECORDED: usize = 4_096;
const GWEI: u128 = 1_000_000_000;

/// The keys that a rollup's config names.
#[derive(Debug, Clone)]
pub struct SequencerKeys {
    /// Posts batches: `config.sequencer`.
    pub poster: Key,
    /// Signs receipts: `config.receiptSigner`.
    pub receipts: Key,
}

/// Everything a sequencer is made of.
pub struct SequencerConfig {
    /// The rollup.
    pub info: Arc<RollupInfo>,
    /// What the operator set.
    pub settings: SequencerSettings,
    /// The chain, whose one writer the sequencer becomes.
    pub chain: Chain,
    /// Where small files beside the chain go; none for a chain in memory.
    pub data_dir: Option<PathBuf>,
    /// L1.
    pub l1: L1Client,
    /// Its blobs.
    pub beacon: BeaconClient,
    /// The keys.
    pub keys: SequencerKeys,
    /// The outbox, and the record of what L1 said. The rollup must be in it.
    pub ledger: Ledger,
    /// Where metrics are registered while the sequencer runs.
    pub registry: prometheus::Registry,
    /// Where the rollup's gas and its bytes on L1 are counted from the first block on, for the organiser.
    pub meter: Option<Arc<Meter>>,
    /// Cancelled, it stops the sequencer.
    pub cancel: CancellationToken,
}

/// Starts sequencers.
#[derive(Debug)]
pub struct Sequencer;

impl Sequencer {
    /// Starts one. It takes transactions once L1 was read up to its head.
    ///
    /// # Errors
    /// Settings, keys or a chain that do not fit the rollup; L1 or files that cannot be read.
    pub async fn spawn(config: SequencerConfig) -> Result<SequencerHandle, SequencerError> {
        let SequencerConfig { info, settings, l1, keys, .. } = &config;
        let terms = Terms::from(info.as_ref());
        settings.validate(terms.l1_chain_id)?;
        check_keys(info, keys)?;
        l1.check_chain_id(terms.l1_chain_id).await.map_err(l1_error)?;
        if let Some(dir) = &config.data_dir {
            std::fs::create_dir_all(dir)?;
        }
        let place = find_place(&config).await?;
        mayfly_fail::fail_point("start-place");
        let sender = Sender::connect(l1.clone(), keys.poster.clone(), fee_caps(settings)).await.map_err(l1_error)?;
        let receipts = Receipts::new(&keys.receipts, info.rollup, terms.chain_id, l1.clone())?;
        // Nothing is awaited from here on: it starts whole, or what started is dropped.
        let admission = Admission::new(&settings.admission, Instant::now());
        let (metrics, registered) = Metrics::register(&config.registry, &info.rollup.to_string())?;
        let billing = config.meter.clone().map(|meter| Billing::organiser(meter, info));
        let shared = Arc::new(Shared::new(config.chain.reader(), admission.clone(), metrics, billing));
        (*shared.missing.lock(), *shared.lost_answers.lock()) = (place.missing, place.lost.clone());
        let parts = Start { terms, admission, shared, mailbox: Mailbox::new(), registered, receipts };
        parts.run(config, place, sender)
    }
}

/// What everything that a sequencer starts is given.
struct Start {
    terms: Terms,
    admission: Admission,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    registered: Registered,
    receipts: Receipts,
}

impl Start {
    fn run(self, config: SequencerConfig, place: Place, sender: Sender) -> Result<SequencerHandle, SequencerError> {
        let Place { stands, from, start, .. } = place;
        let Self { terms, admission, shared, mailbox, registered, receipts } = self;
        let SequencerConfig { info, settings, chain, data_dir, l1, beacon, ledger, cancel, .. } = config;
        answer_when_durable(&chain, &shared);
        let intake = intake(&settings, terms, admission, &mailbox)?;
        let (recorder, recorded) = mpsc::channel(MAX_UNRECORDED);
        let (notes_in, notes) = mpsc::channel(MAX_UNRECORDED);
        let settled = stands.last().l1.number;
        let executor = Executor::spawn(ExecutorParts {
            info: Arc::clone(&info),
            settings: settings.clone(),
            chain,
            stands,
            from,
            data_dir,
            mailbox: Arc::clone(&mailbox),
            shared: Arc::clone(&shared),
            notes: notes_in,
            clock: Clock::System,
        })?;
        let stop = cancel.child_token();
        let mut tasks = JoinSet::new();
        let mirror = Mirror {
            info: Arc::clone(&info),
            client: l1.clone(),
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
        let recorder = Recorder::new(ledger.clone(), l1, Arc::clone(&info), &from);
        tasks.spawn(recorder.run(recorded, notes, stop.clone()));
        let answers = Answers { ledger: ledger.clone(), rollup: info.rollup, shared: Arc::clone(&shared) };
        tasks.spawn(answers.run(stop.clone()));
        if let Some(arrived) = shared.arrived.lock().take() {
            tasks.spawn(Arc::clone(&shared).tell_arrivals(arrived, stop.clone()));
        }
        let poster = Arc::new(Mutex::default());
        tasks.spawn(condition::watch(Arc::clone(&shared), Arc::clone(&poster), stop.clone()));
        let parts = PosterParts {
            terms,
            settings,
            ledger: ledger.into(),
            sender,
            shared: Arc::clone(&shared),
            mailbox: Arc::clone(&mailbox),
            status: Arc::clone(&poster),
            clock: Clock::System,
        };
        tasks.spawn(Poster::new(parts).run(stop.clone()));
        let tasks = Tasks::watch(stop, tasks, executor, registered, &mailbox);
        Ok(SequencerHandle(Arc::new(Inner { info, shared, mailbox, intake, receipts, poster, tasks })))
    }
}

/// Where to go on.
struct Place {
    stands: Stands,
    /// The stand from which on L1 is read.
    from: Checkpoint,
    /// The L1 block to read first.
    start: BlockRef,
    /// What the ledger knows of and the chain does not have.
    missing: Option<Missing>,
    lost: Vec<LostAnswers>,
}

async fn find_place(config: &SequencerConfig) -> Result<Place, SequencerError> {
    let reader = config.chain.reader();
    let genesis = *Derivation::new(Arc::clone(&config.info), genesis_ref(&reader)?).checkpoint();
    let mut stands = Stands::open(config.data_dir.as_deref(), genesis)?;
    let holds = |at: &L2Ref| {
        let block = reader.block_by_number(at.number).map_err(|e| SequencerError::Chain(e.to_string()))?;
        Ok(block.is_some_and(|b| b.hash == at.hash))
    };
    check_stands(&config.l1, &config.info, &mut stands, holds).await?;
    let recorded = is_recorded(&config.ledger, &config.info, stands.first()).await;
    let recorded = recorded.map_err(|e| SequencerError::Ledger(e.to_string()))?;
    let from = if recorded { *stands.first() } else { genesis };
    let start = first_block(&config.l1, &config.info, &from).await?;
    let missing = find_missing(&config.ledger, config.info.rollup, &reader).await?;
    let lost = load_lost(&config.ledger, config.info.rollup).await;
    let lost = lost.map_err(|e| SequencerError::Ledger(e.to_string()))?;
    Ok(Place { stands, from, start, missing, lost })
}

pub(crate) fn answer_when_durable(chain: &Chain, shared: &Arc<Shared>) {
    // Weak, or chain and listener would keep each other, and the store, open for ever.
    let told = Arc::downgrade(shared);
    chain.on_durable(Box::new(move |block| {
        if let Some(told) = told.upgrade() {
            told.on_durable(block);
        }
    }));
}

fn intake(
    settings: &SequencerSettings,
    terms: Terms,
    admission: Admission,
    mailbox: &Arc<Mailbox>,
) -> Result<Intake, SequencerError> {
    let rules = Rules { chain_id: terms.chain_id, block_gas_limit: terms.block_gas_limit };
    let threads = if settings.recovery_threads == 0 { cores() } else { settings.recovery_threads };
    let inbox = Arc::clone(mailbox);
    let deliver = move |checked| inbox.push(Message::Submitted(checked));
    Intake::start(IntakeParts { rules, admission, threads, deliver })
}

fn check_keys(info: &RollupInfo, keys: &SequencerKeys) -> Result<(), SequencerError> {
    let named = [
        ("poster", keys.poster.address(), info.config.sequencer),
        ("receipt", keys.receipts.address(), info.config.receiptSigner),
    ];
    match named.into_iter().find(|(_, have, want)| have != want) {
        Some((what, have, want)) => {
            Err(SequencerError::Config(format!("the {what} key is of {have}, the rollup names {want}")))
        }
        None => Ok(()),
    }
}

pub(crate) fn genesis_ref(reader: &mayfly_evm::ChainReader) -> Result<L2Ref, SequencerError> {
    let block = reader.block_by_number(0).map_err(|e| SequencerError::Chain(e.to_string()))?;
    let block = block.ok_or_else(|| SequencerError::Chain("block 0 is missing".to_owned()))?;
    Ok(L2Ref { number: 0, hash: block.hash })
}

pub(crate) fn fee_caps(settings: &SequencerSettings) -> FeeCaps {
    FeeCaps {
        max_fee_per_gas: u128::from(settings.max_fee_gwei) * GWEI,
        max_fee_per_blob_gas: u128::from(settings.max_blob_fee_gwei) * GWEI,
        ..FeeCaps::default()
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

pub(crate) fn l1_error(error: mayfly_l1::L1Error) -> SequencerError {
    SequencerError::L1(error.to_string())
}
