//! The task that writes what L1 says into the ledger: lifecycle steps with the log that caused each, batches, claims,
//! reorganisations, and L1's head, whose time tells the epoch.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::B256;
use mayfly_contracts::settlement::Settlement::SettlementEvents;
use mayfly_fail::fail_point;
use mayfly_l1::{BlockTag, L1Client, L1Error, L1Log};
use mayfly_ledger::{
    BatchContent, BatchFields, BatchInclusion, BatchState, Cause, L1Block, Ledger, LedgerError, Stage,
};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::derive::{Checkpoint, CloseState, InboxEvent, L1Ref, PostedBatch};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::claims::{cause, record_settlement};
use crate::executor::Note;

/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A log of one of the rollup's contracts.
#[derive(Debug, Clone)]
pub(crate) enum Logged {
    /// Of the Inbox; batches without their data.
    Inbox(InboxEvent),
    /// Of the Settlement.
    Settlement(Box<SettlementEvents>),
}

/// What the mirror wants recorded.
#[derive(Debug, Clone)]
pub(crate) enum Recorded {
    /// A block and what was logged in it.
    Block { block: L1Ref, parent: B256, logs: Vec<(Logged, L1Log)> },
    /// L1's head, as far as it is followed.
    Head { block: L1Ref, parent: B256 },
    /// Blocks above this one are gone.
    Reorg(u64),
    /// There was never such a block, whatever an endpoint says.
    Unreal(B256),
    /// Blocks up to this one are final.
    Finalized(u64),
    /// From the executor.
    Note(Note),
}

/// Why something could not be recorded.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
    #[error("l1: {0}")]
    L1(#[from] L1Error),
}

impl RecordError {
    fn is_temporary(&self) -> bool {
        match self {
            Self::Ledger(error) => error.is_temporary(),
            Self::L1(error) => error.is_temporary(),
        }
    }
}

/// The rollup's clock after an L1 block, and what it brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    close: CloseState,
    ended: bool,
    closed: bool,
    settling: bool,
}

impl Clock {
    const fn at(stand: &Checkpoint) -> Self {
        let ended = stand.l1.timestamp >= stand.close.end_time;
        Self { close: stand.close, ended, closed: stand.closed, settling: false }
    }
}

/// Whether the ledger holds the steps and batches that led to `stand`. If not, it is another one than before, or lost
/// something, and L1 must be read from the creation on.
pub(crate) async fn is_recorded(ledger: &Ledger, info: &RollupInfo, stand: &Checkpoint) -> Result<bool, LedgerError> {
    let clock = Clock::at(stand);
    let steps = ledger.steps(info.rollup).await?;
    let has = |stage| steps.iter().any(|step| step.stage == stage);
    let batch = match stand.batch_seq {
        0 => true,
        seq => ledger
            .batches(info.rollup, seq)
            .await?
            .first()
            .is_some_and(|b| b.fields.seq == seq && b.inclusion.is_some()),
    };
    Ok(batch
        && has(Stage::Created)
        && (!clock.close.frozen || has(Stage::Frozen))
        && (!clock.closed || has(Stage::Closing))
        && (!clock.ended || clock.closed || clock.close.frozen || has(Stage::Draining)))
}

/// See the module.
pub(crate) struct Recorder {
    ledger: Ledger,
    client: L1Client,
    info: Arc<RollupInfo>,
    /// The clock as it was from a block on, oldest first; the first one holds what was logged up to `settled`.
    clocks: Vec<(u64, Clock)>,
    settled: u64,
    finalized: u64,
    /// What the ledger holds of blocks after this one may not be part of L1.
    doubtful_after: Option<u64>,
}

impl Recorder {
    /// `from` is the stand from which on L1 is read.
    pub(crate) fn new(ledger: Ledger, client: L1Client, info: Arc<RollupInfo>, from: &Checkpoint) -> Self {
        let settled = from.l1.number;
        let clocks = vec![(0, Clock::at(from))];
        // Nobody was here while L1 went on.
        Self { ledger, client, info, clocks, settled, finalized: settled, doubtful_after: Some(settled) }
    }

    /// Writes until cancelled. A write that fails for a while is tried again; one that cannot work is logged.
    pub(crate) async fn run(
        mut self,
        mut from_mirror: mpsc::Receiver<Recorded>,
        mut notes: mpsc::Receiver<Note>,
        cancel: CancellationToken,
    ) {
        loop {
            let item = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                Some(recorded) = from_mirror.recv() => recorded,
                Some(note) = notes.recv() => Recorded::Note(note),
                else => return,
            };
            loop {
                match self.write(&item).await {
                    Ok(()) => {
                        fail_point("recorded");
                        break;
                    }
                    Err(error) if error.is_temporary() => {
                        tracing::warn!(%error, "nothing can be recorded at the moment");
                        tokio::select! {
                            () = cancel.cancelled() => return,
                            () = tokio::time::sleep(RETRY) => {}
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "could not be recorded");
                        break;
                    }
                }
            }
        }
    }

    async fn write(&mut self, item: &Recorded) -> Result<(), RecordError> {
        if let Recorded::Reorg(common) = item {
            self.clocks.retain(|(since, _)| *since == 0 || *since <= *common);
            self.doubt(*common);
        }
        self.take_back().await?;
        match item {
            Recorded::Block { block, parent, logs } => self.block(block, *parent, logs).await,
            Recorded::Head { block, parent } => self.l1_block(block, *parent).await,
            Recorded::Reorg(_) => Ok(()),
            Recorded::Unreal(hash) => {
                self.ledger.reorg(&[*hash]).await?;
                Ok(())
            }
            Recorded::Finalized(number) if *number > self.finalized => {
                self.ledger.finalize_batches(self.info.rollup, *number).await?;
                fail_point("record-final");
                self.ledger.prune_l1_blocks(*number).await?;
                self.finalized = *number;
                Ok(())
            }
            Recorded::Finalized(_) => Ok(()),
            Recorded::Note(Note::Applied { seq, first_block, last_block, transactions, payload_bytes }) => {
                let content = BatchContent {
                    first_block: *first_block,
                    last_block: *last_block,
                    transactions: *transactions,
                    payload_bytes: *payload_bytes,
                };
                Ok(self.content(*seq, &content).await?)
            }
        }
    }

    fn doubt(&mut self, after: u64) {
        self.doubtful_after = Some(self.doubtful_after.map_or(after, |before| before.min(after)));
    }

    /// Takes back what hangs on blocks that L1 does not hold any more. Numbers that L1 has not reached again stay
    /// doubtful.
    async fn take_back(&mut self) -> Result<(), RecordError> {
        let Some(after) = self.doubtful_after else { return Ok(()) };
        let mut gone = Vec::new();
        let mut doubtful = None;
        for (number, hash) in self.ledger.l1_seen_after(after).await? {
            match self.client.try_header(BlockTag::Number(number)).await? {
                Some(header) if header.hash() == hash => {}
                Some(_) => gone.push(hash),
                None => {
                    doubtful = Some(number.saturating_sub(1));
                    break;
                }
            }
        }
        if !gone.is_empty() {
            let reorged = self.ledger.reorg(&gone).await?;
            fail_point("record-gone");
            tracing::warn!(blocks = gone.len(), posts = reorged.posts.len(), "taken back what l1 took back");
        }
        self.doubtful_after = doubtful;
        Ok(())
    }

    async fn block(&mut self, block: &L1Ref, parent: B256, logs: &[(Logged, L1Log)]) -> Result<(), RecordError> {
        let (rollup, before) = (self.info.rollup, self.clock());
        let closes = !before.closed && block.timestamp >= before.close.close_time;
        let ends = !before.closed && !before.ended && block.timestamp >= before.close.end_time;
        let creates = block.number == self.info.l1_number;
        if logs.is_empty() && !closes && !ends && !creates {
            return Ok(());
        }
        self.l1_block(block, parent).await?;
        fail_point("record-block");
        let mut now = before;
        if creates && let Some(row) = self.ledger.rollup(rollup).await? {
            let cause = Cause::Log { hash: block.hash, index: row.created.index };
            self.ledger.record_step(rollup, Stage::Created, cause).await?;
        }
        if closes {
            self.ledger.record_step(rollup, Stage::Closing, Cause::Block { hash: block.hash }).await?;
            now.closed = true;
        } else if ends {
            self.ledger.record_step(rollup, Stage::Draining, Cause::Block { hash: block.hash }).await?;
            now.ended = true;
        }
        for (event, log) in logs {
            let at = mayfly_ledger::L1Log { number: block.number, hash: block.hash, index: log.index };
            let written = match event {
                // Nothing that the Inbox logs counts once it is closed.
                Logged::Inbox(_) if now.closed => Ok(()),
                Logged::Inbox(event) => self.inbox(&mut now, event, block, log, &at).await,
                Logged::Settlement(event) => self.settlement(&mut now, event, at).await,
            };
            match written {
                // One log that cannot be recorded does not take the others along.
                Err(error) if !error.is_temporary() => {
                    tracing::error!(%error, l1_block = block.number, log = log.index, "a log could not be recorded");
                }
                written => written?,
            }
        }
        if now != before {
            self.clocks.push((block.number, now));
        }
        Ok(())
    }

    fn clock(&self) -> Clock {
        let none = CloseState { end_time: u64::MAX, close_time: u64::MAX, frozen: false };
        self.clocks.last().map_or(Clock { close: none, ended: false, closed: false, settling: false }, |(_, c)| *c)
    }

    async fn inbox(
        &self,
        now: &mut Clock,
        event: &InboxEvent,
        block: &L1Ref,
        log: &L1Log,
        at: &mayfly_ledger::L1Log,
    ) -> Result<(), LedgerError> {
        let rollup = self.info.rollup;
        if block.number > self.settled {
            now.close.apply(event);
        }
        match event {
            InboxEvent::Batch(batch) => {
                self.batch(batch, block, log).await?;
                fail_point("record-batch");
                // A first batch after the end makes nothing active.
                if batch.header.seq == 1 && !now.ended {
                    self.ledger.record_step(rollup, Stage::Active, cause(at)).await?;
                }
            }
            InboxEvent::Ended { .. } => {
                self.ledger.record_step(rollup, Stage::Draining, cause(at)).await?;
                now.ended = true;
            }
            InboxEvent::Frozen { .. } => self.ledger.record_step(rollup, Stage::Frozen, cause(at)).await?,
            _ => {}
        }
        Ok(())
    }

    async fn settlement(
        &self,
        now: &mut Clock,
        event: &SettlementEvents,
        at: mayfly_ledger::L1Log,
    ) -> Result<(), LedgerError> {
        match record_settlement(&self.ledger, self.info.rollup, event, at).await? {
            // Rivals of the first closing claim open no stage.
            Some(Stage::Settling) if now.settling => {}
            Some(stage) => {
                self.ledger.record_step(self.info.rollup, stage, cause(&at)).await?;
                now.settling = true;
            }
            None => {}
        }
        Ok(())
    }

    /// Several rollups share one list of L1 blocks: if it contradicts, L1 says who is right.
    async fn l1_block(&mut self, block: &L1Ref, parent_hash: B256) -> Result<(), RecordError> {
        let row = L1Block { number: block.number, hash: block.hash, parent_hash, time: block.timestamp };
        match self.ledger.record_l1_blocks(&[row]).await {
            Err(LedgerError::L1Mismatch { .. }) => {}
            other => return Ok(other?),
        }
        self.doubt(self.finalized.min(block.number.saturating_sub(1)));
        self.take_back().await?;
        Ok(self.ledger.record_l1_blocks(&[row]).await?)
    }

    async fn batch(&self, batch: &PostedBatch, block: &L1Ref, log: &L1Log) -> Result<(), LedgerError> {
        let header = &batch.header;
        let fields = BatchFields {
            seq: header.seq,
            parent_hash: header.parentHash,
            origin_number: header.originNumber,
            origin_hash: header.originHash,
            queue_up_to: header.queueUpTo,
            codec: header.codec,
            data_hash: header.dataHash,
            extra_root: header.extraRoot,
            blobs: u8::try_from(batch.blob_hashes.len()).unwrap_or(u8::MAX),
        };
        let at = BatchInclusion {
            header_hash: batch.header_hash,
            tx_hash: log.tx_hash,
            block_number: block.number,
            block_hash: block.hash,
            block_time: block.timestamp,
        };
        self.ledger.batch_included(self.info.rollup, &fields, &at).await
    }

    /// A batch that was not built here gets its blocks; ours has them since it was built.
    async fn content(&self, seq: u64, content: &BatchContent) -> Result<(), LedgerError> {
        let batches = self.ledger.batches(self.info.rollup, seq).await?;
        let Some(batch) = batches.first().filter(|b| b.fields.seq == seq && b.state != BatchState::Void) else {
            return Ok(());
        };
        fail_point("record-note");
        if batch.content.is_some() {
            return Ok(());
        }
        self.ledger.set_batch_content(self.info.rollup, seq, content).await
    }
}
