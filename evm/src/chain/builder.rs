//! Building one block on the chain's head.

use super::{Chain, source::HeadSource};
use crate::{EvmError, RecoveredTx, Refusal, SealedBlock, TxOutcome, execute::BlockRun};
use alloy_consensus::Header;
use alloy_eips::eip7685::Requests;
use std::sync::Arc;

/// The next block while transactions are added. Dropping it is [`Self::abort`].
///
/// Not `Send`: build a block on one thread.
pub struct BlockBuilder<'a> {
    chain: &'a mut Chain,
    run: BlockRun<HeadSource>,
}

/// A block that is not part of the chain.
#[derive(Clone, Debug)]
pub struct BlockPreview {
    /// The block.
    pub block: SealedBlock,
    /// Its requests to the consensus layer.
    pub requests: Requests,
}

impl std::fmt::Debug for BlockBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockBuilder").field("number", &self.run.number()).field("len", &self.len()).finish()
    }
}

impl<'a> BlockBuilder<'a> {
    pub(super) const fn new(chain: &'a mut Chain, run: BlockRun<HeadSource>) -> Self {
        Self { chain, run }
    }

    /// Executes a transaction or deposit at the block's end.
    ///
    /// # Errors
    /// A [`Refusal`] if it cannot be included; nothing has changed then, and the block goes on.
    pub fn execute(&mut self, tx: &Arc<RecoveredTx>) -> Result<TxOutcome, Refusal> {
        let mut outcome = self.run.execute(self.chain.fold(), tx)?;
        if self.run.wants_state_roots() {
            let root = self.chain.root_with(&self.run.changes().map_err(Refusal::Fatal)?);
            self.run.set_state_root(root);
            outcome.receipt.state_root = Some(root);
        }
        Ok(outcome)
    }

    /// Number of the block being built.
    pub const fn number(&self) -> u64 {
        self.run.number()
    }

    /// Gas used so far.
    pub const fn gas_used(&self) -> u64 {
        self.run.gas_used()
    }

    /// Lets the whole block use no more gas than this, though its header allows more.
    pub fn allow(&mut self, gas: u64) {
        self.run.allow(gas);
    }

    /// Gas left in the block.
    pub const fn gas_left(&self) -> u64 {
        self.run.gas_left()
    }

    /// Number of transactions so far.
    pub const fn len(&self) -> usize {
        self.run.len()
    }

    /// Whether there is no transaction yet.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Computes the roots, makes the block the chain's head and hands it to the log. It is executed, not yet durable:
    /// wait for [`Chain::on_durable`] or [`Chain::flush`] before answering anyone.
    ///
    /// # Errors
    /// If the log has stopped; the chain is then of no further use.
    pub fn seal(self) -> Result<Arc<SealedBlock>, EvmError> {
        self.seal_if(|_| Ok(()))
    }

    /// [`Self::seal`], if the header is acceptable; else the chain is as before [`Chain::begin`].
    ///
    /// # Errors
    /// As [`Self::seal`], or what `accept` says.
    pub fn seal_if(self, accept: impl FnOnce(&Header) -> Result<(), EvmError>) -> Result<Arc<SealedBlock>, EvmError> {
        let finished = self.run.finish(self.chain.spec())?;
        self.chain.seal(finished, accept)
    }

    /// The block that [`Self::seal`] would make, without making it; the chain is as before [`Chain::begin`].
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn preview(self) -> Result<BlockPreview, EvmError> {
        let finished = self.run.finish(self.chain.spec())?;
        Ok(self.chain.preview(finished))
    }

    /// Forgets the block; the chain is as before [`Chain::begin`].
    pub fn abort(self) {}
}
