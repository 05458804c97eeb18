//! A derivation with its own chain.

use super::L1_START;
use super::l1::L1;
use mayfly_evm::Chain;
use mayfly_rollup::derive::{BatchOutcome, Checkpoint, Derivation, L2Ref, Step};
use mayfly_rollup::{DeriveError, RollupInfo, chain_spec, genesis};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct Run {
    info: Arc<RollupInfo>,
    derivation: Derivation,
    pub(super) chain: Chain,
    /// What was said of each batch, by its number.
    outcomes: BTreeMap<u64, BatchOutcome>,
}

impl Run {
    pub(super) fn new(info: Arc<RollupInfo>) -> Self {
        let spec = chain_spec(&info).expect("version 1");
        let chain = Chain::create(None, spec, &genesis(&info)).expect("a valid genesis");
        let derivation = Derivation::new(info.clone(), L2Ref { number: 0, hash: chain.head().hash });
        Self { info, derivation, chain, outcomes: BTreeMap::new() }
    }

    pub(super) fn checkpoint(&self) -> &Checkpoint {
        self.derivation.checkpoint()
    }

    /// Pushes at most so many of the blocks that are new.
    pub(super) fn read(&mut self, l1: &L1, count: usize) {
        for _ in 0..count {
            let at = (self.derivation.next_l1() - L1_START) as usize;
            let Some(block) = l1.blocks.get(at) else { break };
            self.derivation.push(block.clone()).expect("blocks of one chain fit");
        }
    }

    /// Does at most so many steps.
    pub(super) fn steps(&mut self, count: usize) {
        for _ in 0..count {
            match self.derivation.step(&mut self.chain).expect("no data stops derivation") {
                Step::NeedL1 => return,
                Step::BatchDone(outcome) => drop(self.outcomes.insert(outcome.header.seq, *outcome)),
                Step::Block(_) | Step::Reverted { .. } | Step::L1Done(_) | Step::Closed { .. } => {}
            }
        }
    }

    /// L1 reorganised; `number` is its last block that stands. What lies too far back is derived anew.
    pub(super) fn reset(&mut self, number: u64) {
        // One that resumes reads blocks again that it has derived already.
        if self.derivation.next_l1().max(self.checkpoint().l1.number + 1) <= number + 1 {
            return;
        }
        match self.derivation.reset_to(number, &mut self.chain) {
            Ok(_) => self.outcomes.clear(),
            Err(DeriveError::TooFar { .. }) => *self = Self::new(self.info.clone()),
            Err(error) => panic!("reset to {number}: {error}"),
        }
    }

    /// Stops, and goes on from the checkpoint as after a start.
    pub(super) fn restart(&mut self) {
        let checkpoint = *self.derivation.checkpoint();
        self.chain.revert_to(checkpoint.head.number).expect("the checkpoint is below the head");
        assert_eq!(self.chain.head().hash, checkpoint.head.hash);
        self.derivation = Derivation::resume(self.info.clone(), checkpoint);
        // What was said of an L1 block in work is said again, unless L1 takes the block back before.
        self.outcomes.retain(|seq, _| *seq <= checkpoint.batch_seq);
    }

    /// Both came to the same, in every block and in what they said of batches.
    pub(super) fn assert_same(&self, other: &Self) {
        assert_eq!(self.chain.head().header, other.chain.head().header);
        assert_eq!(self.checkpoint(), other.checkpoint());
        for (seq, outcome) in &other.outcomes {
            assert_eq!(self.outcomes.get(seq), Some(outcome));
        }
    }
}
