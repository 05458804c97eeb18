//! The task that writes what L1 says into the ledger: batches, lifecycle steps with the log that caused each, reorgs.

use std::time::Duration;

use alloy_primitives::B256;
use mayfly_l1::{BlockTag, L1Client, L1Log};
use mayfly_ledger::{
    BatchContent, BatchFields, BatchInclusion, BatchState, Cause, L1Block, Ledger, LedgerError, Stage,
};
use mayfly_rollup::derive::{Checkpoint, CloseState, InboxEvent, L1Ref, PostedBatch};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::executor::Note;
use crate::terms::Terms;

/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the mirror wants recorded.
#[derive(Debug, Clone)]
pub(crate) enum Recorded {
    /// A block and what the Inbox logged in it.
    Block { block: L1Ref, parent: B256, logs: Vec<(InboxEvent, L1Log)> },
    /// Blocks above this one are gone.
    Reorg(u64),
    /// Blocks up to this one are final.
    Finalized(u64),
    /// From the executor.
    Note(Note),
}

/// See the module.
pub(crate) struct Recorder {
    ledger: Ledger,
    client: L1Client,
    terms: Terms,
    clock: CloseState,
    finalized: u64,
}

impl Recorder {
    /// `stand` is where derivation goes on: its clock holds what was logged before.
    pub(crate) fn new(ledger: Ledger, client: L1Client, terms: Terms, stand: &Checkpoint) -> Self {
        let mut clock = stand.close;
        if stand.l1.timestamp >= clock.end_time {
            clock.end_time = u64::MAX;
        }
        if stand.closed {
            clock.close_time = u64::MAX;
        }
        Self { ledger, client, terms, clock, finalized: 0 }
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
                    Ok(()) => break,
                    Err(error) if error.is_temporary() => {
                        tracing::warn!(%error, "the ledger does not answer");
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

    async fn write(&mut self, item: &Recorded) -> Result<(), LedgerError> {
        match item {
            Recorded::Block { block, parent, logs } => self.block(block, *parent, logs).await,
            Recorded::Reorg(common) => self.ledger.reorg(*common).await.map(|_| ()),
            Recorded::Finalized(number) if *number > self.finalized => {
                self.ledger.finalize_batches(self.terms.rollup, *number).await?;
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
                self.content(*seq, &content).await
            }
        }
    }

    async fn block(&mut self, block: &L1Ref, parent: B256, logs: &[(InboxEvent, L1Log)]) -> Result<(), LedgerError> {
        let before = self.clock;
        let ends = block.timestamp >= before.end_time || block.timestamp >= before.close_time;
        if logs.is_empty() && !ends {
            return Ok(());
        }
        self.l1_block(block, parent).await?;
        let rollup = self.terms.rollup;
        if block.timestamp >= before.close_time {
            self.ledger.record_step(rollup, Stage::Closing, Cause::Block { hash: block.hash }).await?;
            // Nothing after it counts, and the times need not be looked at again.
            self.clock = CloseState { end_time: u64::MAX, close_time: u64::MAX, ..before };
            return Ok(());
        }
        if block.timestamp >= before.end_time {
            self.ledger.record_step(rollup, Stage::Draining, Cause::Block { hash: block.hash }).await?;
            self.clock.end_time = u64::MAX;
        }
        for (event, log) in logs {
            let cause = Cause::Log { hash: block.hash, index: log.index };
            self.clock.apply(event);
            match event {
                InboxEvent::Batch(batch) => {
                    self.batch(batch, block, log).await?;
                    // A first batch after the end makes nothing active.
                    if batch.header.seq == 1 && self.clock.end_time != u64::MAX {
                        self.ledger.record_step(rollup, Stage::Active, cause).await?;
                    }
                }
                InboxEvent::Ended { .. } => {
                    self.ledger.record_step(rollup, Stage::Draining, cause).await?;
                    self.clock.end_time = u64::MAX;
                }
                InboxEvent::Frozen { .. } => self.ledger.record_step(rollup, Stage::Frozen, cause).await?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Several rollups share one list of L1 blocks: if it contradicts, L1 says who is right.
    async fn l1_block(&self, block: &L1Ref, parent_hash: B256) -> Result<(), LedgerError> {
        let row = L1Block { number: block.number, hash: block.hash, parent_hash, time: block.timestamp };
        match self.ledger.record_l1_blocks(&[row]).await {
            Err(LedgerError::L1Mismatch { .. }) => {}
            other => return other,
        }
        let now = self.client.try_header(BlockTag::Number(block.number)).await;
        if now.is_ok_and(|header| header.is_some_and(|h| h.hash() == block.hash)) {
            self.ledger.reorg(block.number.saturating_sub(1)).await?;
        }
        self.ledger.record_l1_blocks(&[row]).await
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
        self.ledger.batch_included(self.terms.rollup, &fields, &at).await
    }

    /// A batch that was not built here gets its blocks; ours has them since it was built.
    async fn content(&self, seq: u64, content: &BatchContent) -> Result<(), LedgerError> {
        let batches = self.ledger.batches(self.terms.rollup, seq).await?;
        let Some(batch) = batches.first().filter(|b| b.fields.seq == seq && b.state != BatchState::Void) else {
            return Ok(());
        };
        if batch.content.is_some() {
            return Ok(());
        }
        self.ledger.set_batch_content(self.terms.rollup, seq, content).await
    }
}
