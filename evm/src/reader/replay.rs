//! A block executed once more, or a message, with an inspector watching.

use super::{
    AccountOverride, BlockContext, CallMessage, ChainReader, StateView,
    bounded::Bounded,
    call::{MAX_CALL_GAS, Simulation},
};
use crate::{
    BlockAttributes, EvmError, Fold, Refusal, SealedBlock,
    execute::{Before, BlockRun, EvmContext, Inspected, Parent, from_evm},
    receipt_tree::ReceiptTree,
};
use alloy_primitives::Address;
use revm::{InspectEvm, Inspector, context::TxEnv};

/// What a transaction's inspector saw.
pub(super) type Seen<'a, I> = Inspected<'a, StateView, Bounded<I>>;

/// A durable block, executed from its parent's state up to some transaction.
pub(super) struct Replay<'a> {
    reader: &'a ChainReader,
    block: &'a SealedBlock,
    run: BlockRun<StateView>,
    /// Balances are not asked for.
    fold: Fold,
    next: usize,
}

impl<'a> Replay<'a> {
    /// Runs the block's system calls.
    ///
    /// # Errors
    /// [`EvmError::StateUnavailable`] for genesis, which nothing executed, and for blocks whose parent's state is gone.
    pub(super) fn new(reader: &'a ChainReader, block: &'a SealedBlock) -> Result<Self, EvmError> {
        let unavailable = || EvmError::StateUnavailable(block.number().saturating_sub(1));
        let view = reader.at(block.number().checked_sub(1).ok_or_else(unavailable)?)?;
        let parent = view.block().clone();
        if parent.hash != block.header.parent_hash {
            return Err(unavailable());
        }
        let parent = Parent { header: &parent.header, hash: parent.hash, next_index: block.first_index };
        let attributes = BlockAttributes::of(&block.header, block.ommers.clone(), block.withdrawals.clone());
        let run = BlockRun::begin(reader.spec(), parent, attributes, view, ReceiptTree::default())?;
        Ok(Self { reader, block, run, fold: Fold::default(), next: 0 })
    }

    /// Executes transactions until `index` is next.
    pub(super) fn skip_to(&mut self, index: usize) -> Result<(), EvmError> {
        while self.next < index {
            let tx = self.block.transactions.get(self.next).ok_or(EvmError::NoSuchBlock(self.block.number()))?;
            self.run.execute(&self.fold, tx)?;
            self.next += 1;
        }
        Ok(())
    }

    /// Lets an inspector watch the next transaction, which stays the next.
    ///
    /// # Errors
    /// [`EvmError::TraceTooLarge`], or if it did not end as in the block.
    pub(super) fn inspect<'b, I>(&'b mut self, inspector: Bounded<I>) -> Result<Seen<'b, I>, EvmError>
    where
        I: Inspector<EvmContext<Before<'b, StateView>>>,
    {
        let (block, index) = (self.block, self.next);
        let (Some(tx), Some(receipt)) = (block.transactions.get(index), block.receipts.get(index)) else {
            return Err(EvmError::NoSuchBlock(block.number()));
        };
        let seen = self.run.inspect(&self.reader.spec().prices, tx, inspector).map_err(stopped)?;
        // A deposit without input may go to a precompiled contract, which does not run in the block.
        let plain = tx.tx.is_deposit() && tx.tx.input().is_empty();
        let used = seen.outcome.result.tx_gas_used();
        if used != receipt.gas_used && !plain {
            if seen.inspector.is_program() {
                return Err(EvmError::Tracer("the tracer threw, which ended a call".into()));
            }
            let (hash, had) = (receipt.tx_hash, receipt.gas_used);
            return Err(EvmError::Evm(format!("transaction {hash} used {used} gas in its trace, {had} in its block")));
        }
        Ok(seen)
    }
}

impl ChainReader {
    /// Runs a message with an inspector watching, hands what it saw to `read`, and forgets what it did.
    pub(super) fn inspect_call<I, T>(
        &self,
        (message, context, overrides): (&CallMessage, &BlockContext, &[(Address, AccountOverride)]),
        inspector: Bounded<I>,
        read: impl FnOnce(Seen<'_, I>) -> Result<T, EvmError>,
    ) -> Result<T, EvmError>
    where
        I: Inspector<EvmContext<StateView>>,
    {
        let Simulation { evm, tx, .. } = self.simulation(message, context, overrides)?;
        let gas_limit = message.gas.unwrap_or(MAX_CALL_GAS).min(MAX_CALL_GAS);
        let mut evm = evm.with_inspector(inspector);
        let ran = evm.inspect_tx(TxEnv { gas_limit, ..tx });
        let (mut context, inspector) = (evm.ctx, evm.inspector);
        let outcome = match ran {
            Ok(outcome) => outcome,
            Err(err) => return Err(stopped((inspector, from_evm(err, &context.tx, &context.block, &context.cfg)))),
        };
        let before = Before::new(&mut context.journaled_state.database);
        read(Inspected { inspector, tx: context.tx, block: context.block, outcome, before })
    }
}

fn stopped<I>((inspector, refusal): (Bounded<I>, Refusal)) -> EvmError {
    if inspector.exceeded() { inspector.too_much() } else { refusal.into() }
}
