//! What survives of answers when the chain's directory is lost.
//!
//! A block that no batch on L1 holds lives in the chain's log alone. Behind it, every second and never waited for, the
//! ledger is told how far the chain is durable and how many transactions it holds. A start that finds fewer in the chain
//! takes no transactions until L1 has been read, and until a batch that stood in the outbox, and holds some of them, is on
//! L1; what is still missing then is written down as lost, with its blocks and the most transactions it can be.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use alloy_primitives::Address;
use mayfly_evm::ChainReader;
use mayfly_ledger::{Answered, BatchState, Ledger, LedgerError};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::error::SequencerError;
use crate::shared::Shared;

/// How far the ledger may be behind the chain: what was answered in the last such time is not known of after a loss.
const RECORD_EVERY: Duration = Duration::from_secs(1);
/// Between two looks while something is missing.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Blocks that were answered, are in no batch on L1 and were lost with the chain's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LostAnswers {
    /// The first of them.
    pub first_block: u64,
    /// The last that is known of.
    pub last_block: u64,
    /// At most so many transactions.
    pub transactions: u64,
    /// When that was found, Unix seconds.
    pub noted_at: u64,
}

/// What a start found to be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing {
    /// How far answers had been given.
    answered: Option<Answered>,
    /// The batch in the outbox that holds blocks which are not here.
    pub(crate) batch: Option<u64>,
}

/// See the module.
pub(crate) struct Answers {
    pub(crate) ledger: Ledger,
    pub(crate) rollup: Address,
    pub(crate) shared: Arc<Shared>,
}

/// Compares the chain as it was found with what the ledger knows of it.
pub(crate) async fn find_missing(
    ledger: &Ledger,
    rollup: Address,
    reader: &ChainReader,
) -> Result<Option<Missing>, SequencerError> {
    let head = reader.head();
    let answered = ledger.answered(rollup).await.map_err(ledger_error)?;
    let answered = match answered.filter(|answered| answered.transactions > head.next_index()) {
        Some(answered) => {
            let block = reader.block_by_number(answered.block).map_err(|e| SequencerError::Chain(e.to_string()))?;
            Some(answered).filter(|answered| block.is_none_or(|block| block.hash != answered.hash))
        }
        None => None,
    };
    let last = ledger.last_batch(rollup).await.map_err(ledger_error)?.filter(|b| b.state == BatchState::Built);
    let batch = last.filter(|b| b.content.is_some_and(|c| c.last_block > head.header.number)).map(|b| b.fields.seq);
    if answered.is_none() && batch.is_none() {
        return Ok(None);
    }
    tracing::error!(
        head = head.header.number,
        answered = answered.map(|a| a.block),
        batch,
        "the chain lacks answered blocks: its directory is lost or an old copy"
    );
    Ok(Some(Missing { answered, batch }))
}

/// The losses that the ledger has.
pub(crate) async fn load_lost(ledger: &Ledger, rollup: Address) -> Result<Vec<LostAnswers>, LedgerError> {
    let lost = ledger.lost_answers(rollup).await?.into_iter().map(|lost| LostAnswers {
        first_block: lost.first_block,
        last_block: lost.last_block,
        transactions: lost.transactions,
        noted_at: lost.noted_at.unix_timestamp().try_into().unwrap_or(0),
    });
    Ok(lost.collect())
}

impl Answers {
    /// Runs until cancelled.
    pub(crate) async fn run(self, cancel: CancellationToken) {
        let mut recorded = None;
        loop {
            let missing = *self.shared.missing.lock();
            let (pause, done) = match missing {
                Some(missing) => (LOOK_EVERY, self.settle(&missing).await),
                None => (RECORD_EVERY, self.record(&mut recorded).await),
            };
            if let Err(error) = done {
                tracing::debug!(%error, "how far answers go cannot be recorded at the moment");
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn record(&self, recorded: &mut Option<Answered>) -> Result<(), LedgerError> {
        let now = self.now();
        if *recorded != Some(now) {
            self.ledger.record_answered(self.rollup, &now).await?;
            *recorded = Some(now);
        }
        Ok(())
    }

    /// Once all is back that can come back: writes down what did not, and lets the sequencer go on.
    async fn settle(&self, missing: &Missing) -> Result<(), LedgerError> {
        let (synced, latest, rescued) = {
            let view = self.shared.view.borrow();
            (view.post.synced, view.latest.number, view.rescued > 0)
        };
        if !synced || missing.batch.is_some() || self.shared.durable.load(Ordering::Acquire) < latest {
            return Ok(());
        }
        let now = self.now();
        // What a rebase took off the chain and a crash kept from being put back is in its own file, and comes back from it.
        let last = missing.answered.filter(|answered| !rescued && answered.transactions > now.transactions);
        if let Some(last) = last {
            let transactions = last.transactions - now.transactions;
            let first_block = (now.block + 1).min(last.block.max(1));
            self.ledger.record_lost_answers(self.rollup, first_block, &last, transactions, &now).await?;
            tracing::error!(first_block, last_block = last.block, transactions, "answered blocks are lost");
            self.shared.metrics.lost.inc_by(transactions);
        } else {
            self.ledger.record_answered(self.rollup, &now).await?;
            tracing::info!(head = now.block, "nothing that is known of was lost");
        }
        *self.shared.lost_answers.lock() = load_lost(&self.ledger, self.rollup).await?;
        *self.shared.missing.lock() = None;
        Ok(())
    }

    fn now(&self) -> Answered {
        let head = self.shared.reader.head();
        Answered { block: head.header.number, hash: head.hash, transactions: head.next_index() }
    }
}

fn ledger_error(error: LedgerError) -> SequencerError {
    SequencerError::Ledger(error.to_string())
}
