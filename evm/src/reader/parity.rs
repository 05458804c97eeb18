//! Traces of transactions and messages, as the `trace_*` methods give them.

use super::{
    AccountOverride, BlockContext, CallMessage, ChainReader,
    bounded::{Bounded, Recorded},
    replay::{Replay, Seen},
    trace::state_bytes,
};
use crate::{EvmError, SealedBlock};
use alloy_primitives::{Address, B256, map::HashSet};
use alloy_rpc_types_eth::TransactionInfo;
use alloy_rpc_types_trace::parity::{LocalizedTransactionTrace, TraceResults, TraceType};
use revm_inspectors::tracing::{TracingInspector, TracingInspectorConfig};

impl ChainReader {
    /// The calls of every transaction of a durable block, or of one, each with its place. `most_bytes` bounds what is
    /// recorded of each transaction.
    ///
    /// # Errors
    /// As [`Self::trace_transaction`], and what `visit` says.
    pub fn flat_traces<E: From<EvmError>>(
        &self,
        block: &SealedBlock,
        only: Option<usize>,
        most_bytes: usize,
        mut visit: impl FnMut(Vec<LocalizedTransactionTrace>) -> Result<(), E>,
    ) -> Result<(), E> {
        let types = HashSet::from_iter([TraceType::Trace]);
        let mut replay = Replay::new(self, block)?;
        for index in only.map_or(0..block.transactions.len(), |index| index..index + 1) {
            replay.skip_to(index)?;
            let seen = replay.inspect(inspector(&types, most_bytes))?;
            let info = TransactionInfo {
                hash: block.transactions.get(index).map(|tx| tx.hash()),
                index: Some(index as u64),
                block_hash: Some(block.hash),
                block_number: Some(block.number()),
                ..TransactionInfo::default()
            };
            if seen.inspector.exceeded() {
                return Err(seen.inspector.too_much().into());
            }
            let mut inner = seen.inspector.inner;
            inner.set_transaction_gas_limit(seen.tx.gas_limit);
            visit(inner.into_parity_builder().into_localized_transaction_traces(info))?;
        }
        Ok(())
    }

    /// What each transaction of a durable block did, or one of them: its calls, what it changed, its steps.
    ///
    /// # Errors
    /// As [`Self::trace_transaction`], and what `visit` says.
    pub fn replayed_traces<E: From<EvmError>>(
        &self,
        block: &SealedBlock,
        only: Option<usize>,
        types: &HashSet<TraceType>,
        most_bytes: usize,
        mut visit: impl FnMut(B256, TraceResults) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut replay = Replay::new(self, block)?;
        for index in only.map_or(0..block.transactions.len(), |index| index..index + 1) {
            replay.skip_to(index)?;
            let results = read(replay.inspect(inspector(types, most_bytes))?, types)?;
            let hash = block.transactions.get(index).map_or(B256::ZERO, |tx| tx.hash());
            visit(hash, results)?;
        }
        Ok(())
    }

    /// What a message does: its calls, what it would change, its steps.
    ///
    /// # Errors
    /// As [`Self::trace_call`].
    pub fn replayed_call(
        &self,
        message: &CallMessage,
        context: &BlockContext,
        overrides: &[(Address, AccountOverride)],
        types: &HashSet<TraceType>,
        most_bytes: usize,
    ) -> Result<TraceResults, EvmError> {
        self.inspect_call((message, context, overrides), inspector(types, most_bytes), |seen| read(seen, types))
    }
}

fn inspector(types: &HashSet<TraceType>, most_bytes: usize) -> Bounded<TracingInspector> {
    let steps = if types.contains(&TraceType::VmTrace) { u64::MAX } else { 0 };
    let inner = TracingInspector::new(TracingInspectorConfig::from_parity_config(types));
    Bounded::new(inner, Recorded { steps, ..Recorded::default() }, most_bytes)
}

fn read(seen: Seen<'_, TracingInspector>, types: &HashSet<TraceType>) -> Result<TraceResults, EvmError> {
    let Seen { mut inspector, tx, outcome, before, .. } = seen;
    let whole = !inspector.exceeded();
    if !whole || (types.contains(&TraceType::StateDiff) && !inspector.count(state_bytes(&outcome.state))) {
        return Err(inspector.too_much());
    }
    let mut inner = inspector.inner;
    inner.set_transaction_gas_limit(tx.gas_limit);
    Ok(inner.into_parity_builder().into_trace_results_with_state(&outcome, types, before)?)
}
