//! Derivation on a chain in memory, and what is kept of it. Synchronous: the driver runs it off the
//! async threads.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent;
use mayfly_contracts::{
    l2::L2Registry::CollectionRegistered,
    predeploys::{L2_MESSENGER, L2_REGISTRY},
};
use mayfly_evm::{Chain, ChainReader, SealedBlock};
use mayfly_l1::BlockRef;
use mayfly_rollup::{
    RollupInfo, chain_spec,
    derive::{BatchOutcome, Derivation, L1Block, L1Ref, L2Ref, Lookahead, Step},
    genesis,
    settlement::{Tree, decode_message, leaves, message_leaf},
};

use crate::{Checkpoint, Closing, Results, Sent, VerifierError, VerifierEvent};

/// The messenger's storage slot that holds the root of its tree.
const MESSAGE_ROOT_SLOT: U256 = U256::ZERO;

/// One rollup, derived as far as L1 blocks were applied.
#[derive(Debug)]
pub(crate) struct Engine {
    info: Arc<RollupInfo>,
    chain: Chain,
    derivation: Derivation,
    results: Arc<Results>,
    work: Work,
}

/// What derivation cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Work {
    pub(crate) blocks: u64,
    pub(crate) transactions: u64,
    pub(crate) busy: Duration,
}

impl Engine {
    pub(crate) fn new(info: Arc<RollupInfo>) -> Result<Self, VerifierError> {
        let chain = Chain::create(None, chain_spec(&info)?, &genesis(&info))?;
        let head = L2Ref { number: chain.head().number(), hash: chain.head().hash };
        let derivation = Derivation::new(info.clone(), head);
        let mut engine = Self { info, chain, derivation, results: Arc::default(), work: Work::default() };
        let creation = Checkpoint {
            seq: 0,
            batch_hash: engine.info.genesis_claim(),
            included_number: engine.info.l1_number,
            included_time: engine.info.l1_time,
            ..engine.checkpoint(B256::ZERO)
        };
        Arc::make_mut(&mut engine.change().checkpoints).push(creation);
        Ok(engine)
    }

    pub(crate) fn results(&self) -> &Arc<Results> {
        &self.results
    }

    /// Views hold on to older results: a change goes into a copy, which shares the lists.
    fn change(&mut self) -> &mut Results {
        Arc::make_mut(&mut self.results)
    }

    pub(crate) fn head(&self) -> &Arc<SealedBlock> {
        self.chain.head()
    }

    pub(crate) fn reader(&self) -> ChainReader {
        self.chain.reader()
    }

    pub(crate) fn work(&self) -> Work {
        self.work
    }

    /// Deposits' end and the close, as L1 has them now.
    pub(crate) fn clock(&self) -> (u64, u64, bool) {
        let close = &self.derivation.checkpoint().close;
        (close.end_time, close.close_time, close.frozen)
    }

    /// Which payloads may be read while a block is applied.
    pub(crate) const fn lookahead(&self) -> Lookahead {
        self.derivation.lookahead()
    }

    /// Queue items seen on L1.
    pub(crate) fn queued(&self) -> u64 {
        self.derivation.queue().len()
    }

    /// Queue items that L1 had before block `number`.
    pub(crate) fn queued_before(&self, number: u64) -> u64 {
        let queue = self.derivation.queue();
        let mut count = queue.len();
        while let Some(last) = count.checked_sub(1)
            && queue.get(last).is_some_and(|item| item.l1_number >= number)
        {
            count = last;
        }
        count
    }

    /// Derives everything that follows from an L1 block.
    pub(crate) fn apply(&mut self, block: L1Block) -> Result<Vec<VerifierEvent>, VerifierError> {
        let (started, mut events) = (Instant::now(), Vec::new());
        // Derivation ends with the close block, and what L1 adds later is of no concern to it.
        if self.results.closing.is_none() {
            self.derivation.push(block)?;
            while let Some(event) = self.step()? {
                events.extend(event);
            }
        }
        self.work.busy += started.elapsed();
        Ok(events)
    }

    /// One step: none when more L1 is needed, else what there is to tell.
    fn step(&mut self) -> Result<Option<Option<VerifierEvent>>, VerifierError> {
        let event = match self.derivation.step(&mut self.chain)? {
            Step::NeedL1 => return Ok(None),
            Step::Block(block) => {
                self.note_block(&block);
                None
            }
            Step::Reverted { reason, blocks } => {
                let head = self.chain.head().number();
                self.change().revert_to(head);
                tracing::warn!(reason, blocks = blocks.len(), "a batch is invalid");
                None
            }
            Step::BatchDone(batch) => Some(self.note_batch(&batch)),
            Step::L1Done(_) => None,
            Step::Closed { l1, queue_hash, .. } => Some(self.note_close(l1, queue_hash)?),
        };
        Ok(Some(event))
    }

    fn note_block(&mut self, block: &SealedBlock) {
        self.work.blocks += 1;
        self.work.transactions += block.transactions.len() as u64;
        let number = block.number();
        for log in block.receipts.iter().flat_map(|receipt| &receipt.logs) {
            if let Some(message) = decode_message(L2_MESSENGER, log) {
                let leaf = message_leaf(self.info.chain_id, &message);
                Arc::make_mut(&mut self.change().messages).push(Sent { block: number, leaf });
            } else if log.address == L2_REGISTRY
                && let Ok(registered) = CollectionRegistered::decode_log(log)
            {
                Arc::make_mut(&mut self.change().collections).push((number, registered.data));
            }
        }
    }

    fn note_batch(&mut self, batch: &BatchOutcome) -> VerifierEvent {
        let header = &batch.header;
        let checkpoint = Checkpoint {
            seq: header.seq,
            batch_hash: batch.header_hash,
            included_number: header.includedNumber,
            included_time: header.includedTime,
            queue_only: header.codec == 0 || batch.invalid.is_some(),
            ..self.checkpoint(batch.queue_hash)
        };
        Arc::make_mut(&mut self.change().checkpoints).push(checkpoint.clone());
        VerifierEvent::Batch { checkpoint, invalid: batch.invalid.clone() }
    }

    fn note_close(&mut self, l1: L1Ref, queue_hash: B256) -> Result<VerifierEvent, VerifierError> {
        let all = leaves(&self.chain);
        let tree = Tree::new(self.info.rollup, &all.leaves)?;
        let (seq, batch_hash) =
            self.results.last().map_or((0, self.info.genesis_claim()), |last| (last.seq, last.batch_hash));
        let last = Checkpoint {
            seq,
            batch_hash,
            included_number: l1.number,
            included_time: l1.timestamp,
            queue_only: true,
            ..self.checkpoint(queue_hash)
        };
        let closing = Arc::new(Closing { last, l1: BlockRef { number: l1.number, hash: l1.hash }, leaves: all, tree });
        self.change().closing = Some(closing.clone());
        Ok(VerifierEvent::Closed { closing })
    }

    /// The chain as it stands; who calls says what it stands for.
    fn checkpoint(&self, queue_hash: B256) -> Checkpoint {
        let head = self.chain.head();
        Checkpoint {
            seq: 0,
            batch_hash: B256::ZERO,
            queue_hash,
            included_number: 0,
            included_time: 0,
            block: BlockRef { number: head.number(), hash: head.hash },
            state_root: self.chain.state_root(),
            withdrawal_root: self.chain.storage(&L2_MESSENGER, &MESSAGE_ROOT_SLOT).into(),
            receipt_root: self.chain.receipt_root(),
            queue_only: false,
        }
    }

    /// Goes back to the state after L1 block `number`. After an error, start with a new engine.
    pub(crate) fn reset_to(&mut self, number: u64) -> Result<(), VerifierError> {
        self.derivation.reset_to(number, &mut self.chain)?;
        let head = self.chain.head().number();
        self.change().truncate(number, head);
        Ok(())
    }
}
