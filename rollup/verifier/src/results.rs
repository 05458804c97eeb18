//! What derivation found: the state after every batch, and after the end.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use mayfly_contracts::{l2::L2Registry::CollectionRegistered, types::Claim};
use mayfly_l1::BlockRef;
use mayfly_rollup::settlement::{Leaves, Tree};

use crate::{Payout, VerifierError, payout::payouts};

/// The rollup after a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of the batch; 0 is the creation.
    pub seq: u64,
    /// Hash of its header.
    pub batch_hash: B256,
    /// Rolling hash of the queue up to it.
    pub queue_hash: B256,
    /// The L1 block that carries it.
    pub included_number: u64,
    /// Time of that block.
    pub included_time: u64,
    /// The last block derived from it.
    pub block: BlockRef,
    /// State root of that block.
    pub state_root: B256,
    /// Root of the message tree after that block.
    pub withdrawal_root: B256,
    /// Root of the receipt tree after that block.
    pub receipt_root: B256,
    /// Whether its data was unusable (or absent), so that only queue items were executed.
    pub queue_only: bool,
}

/// The rollup after its end.
#[derive(Debug, Clone)]
pub struct Closing {
    /// The rollup after the close block; `seq` and `batch_hash` are the last batch's, `queue_hash`
    /// that of the whole queue, `included_number` the L1 block that closed it.
    pub last: Checkpoint,
    /// The L1 block that closed it.
    pub l1: BlockRef,
    /// What everybody owns; a leaf's index is its position.
    pub leaves: Leaves,
    /// The tree over the leaves.
    pub tree: Tree,
}

impl Closing {
    /// What one account may claim, or everybody, with proofs.
    pub fn payouts(&self, recipient: Option<Address>) -> Result<Vec<Payout>, VerifierError> {
        payouts(&self.leaves.leaves, &self.tree, recipient)
    }
}

/// A message to L1; its content stays in the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The block that sent it.
    pub block: u64,
    /// Its leaf in the messenger's tree.
    pub leaf: B256,
}

/// All results so far. Views share them: a change copies the list that it is in, and no other.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// By batch; the creation is the first.
    pub checkpoints: Arc<Vec<Checkpoint>>,
    /// Present once the rollup closed.
    pub closing: Option<Arc<Closing>>,
    /// Messages to L1, by index.
    pub messages: Arc<Vec<Sent>>,
    /// Collections registered to settle, with the block that did it.
    pub collections: Arc<Vec<(u64, CollectionRegistered)>>,
}

impl Results {
    /// The state after a batch.
    pub fn checkpoint(&self, seq: u64) -> Option<&Checkpoint> {
        self.checkpoints.get(usize::try_from(seq).ok()?).filter(|checkpoint| checkpoint.seq == seq)
    }

    /// The state after the last batch.
    pub fn last(&self) -> Option<&Checkpoint> {
        self.checkpoints.last()
    }

    /// All registrations of collections, in order.
    pub fn registrations(&self) -> Vec<CollectionRegistered> {
        self.collections.iter().map(|(_, registered)| registered.clone()).collect()
    }

    /// The right claim for a contest: the state after `batch_seq`, or after the end. None if there
    /// is no such batch, or the rollup has not closed with it.
    pub fn claim(&self, parent: B256, batch_seq: u64, closing: bool) -> Option<Claim> {
        if !closing {
            return self.checkpoint(batch_seq).filter(|_| batch_seq > 0).map(|checkpoint| interim(parent, checkpoint));
        }
        let closing = self.closing.as_ref().filter(|closing| closing.last.seq == batch_seq)?;
        Some(Claim {
            closeNumber: closing.l1.number,
            closeHash: closing.l1.hash,
            settlementRoot: closing.tree.root(),
            ..interim(parent, &closing.last)
        })
    }

    /// Forgets what came from blocks above `number` of the rollup.
    pub(crate) fn revert_to(&mut self, number: u64) {
        let messages = self.messages.partition_point(|sent| sent.block <= number);
        if messages < self.messages.len() {
            Arc::make_mut(&mut self.messages).truncate(messages);
        }
        let collections = self.collections.partition_point(|(block, _)| *block <= number);
        if collections < self.collections.len() {
            Arc::make_mut(&mut self.collections).truncate(collections);
        }
    }

    /// Forgets what came from L1 blocks above `number`.
    pub(crate) fn truncate(&mut self, l1_number: u64, l2_number: u64) {
        let checkpoints = self.checkpoints.partition_point(|checkpoint| checkpoint.included_number <= l1_number);
        Arc::make_mut(&mut self.checkpoints).truncate(checkpoints);
        self.revert_to(l2_number);
        if self.closing.as_ref().is_some_and(|closing| closing.l1.number > l1_number) {
            self.closing = None;
        }
    }
}

fn interim(parent: B256, checkpoint: &Checkpoint) -> Claim {
    Claim {
        parent,
        batchSeq: checkpoint.seq,
        batchHash: checkpoint.batch_hash,
        queueHash: checkpoint.queue_hash,
        closeNumber: 0,
        closeHash: B256::ZERO,
        blockNumber: checkpoint.block.number,
        blockHash: checkpoint.block.hash,
        stateRoot: checkpoint.state_root,
        withdrawalRoot: checkpoint.withdrawal_root,
        receiptRoot: checkpoint.receipt_root,
        settlementRoot: B256::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_copies_its_own_list_only() {
        let sent = |block| Sent { block, leaf: B256::repeat_byte(1) };
        let mut results = Results { messages: Arc::new(vec![sent(1), sent(3), sent(5)]), ..Results::default() };
        let seen = results.clone();
        results.revert_to(5);
        assert!(Arc::ptr_eq(&seen.messages, &results.messages), "nothing changed");
        results.revert_to(3);
        assert_eq!((seen.messages.len(), results.messages.len()), (3, 2));
        assert!(Arc::ptr_eq(&seen.checkpoints, &results.checkpoints));
        assert!(Arc::ptr_eq(&seen.collections, &results.collections));
    }
}
