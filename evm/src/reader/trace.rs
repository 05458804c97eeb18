//! Traces of transactions and messages, as `debug_trace*` gives them.

use super::{
    AccountOverride, BlockContext, CallMessage, ChainReader,
    bounded::{Bounded, Recorded, TOO_LONG},
    replay::{Replay, Seen},
};
use crate::{EvmError, SealedBlock, state::StateError};
use alloy_primitives::{Address, B256};
use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace, StructLog};
use revm::state::EvmState;
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};
use std::time::{Duration, Instant};

/// How long a tracer in JavaScript may run, as geth has it.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(5);

impl ChainReader {
    /// Traces a transaction of a durable block. `most_bytes` bounds what is recorded. A tracer in JavaScript runs for five
    /// seconds at most, looked at between its callbacks; nothing bounds its memory or its stack: take it from those who may stop the process.
    ///
    /// # Errors
    /// [`EvmError::Tracer`] for options that no tracer takes, [`EvmError::TraceTooLarge`], or
    /// [`EvmError::StateUnavailable`] if the state before the block is gone.
    pub fn trace_transaction(
        &self,
        block: &SealedBlock,
        index: usize,
        options: &GethDebugTracingOptions,
        most_bytes: usize,
    ) -> Result<GethTrace, EvmError> {
        let inspector = inspector(options, most_bytes, Instant::now())?;
        let mut replay = Replay::new(self, block)?;
        replay.skip_to(index)?;
        read(replay.inspect(inspector)?, Some(place(block, index)))
    }

    /// Traces every transaction of a durable block, in order. `most_bytes` bounds what is recorded of each.
    ///
    /// # Errors
    /// As [`Self::trace_transaction`], and what `visit` says.
    pub fn trace_block<E: From<EvmError>>(
        &self,
        block: &SealedBlock,
        options: &GethDebugTracingOptions,
        most_bytes: usize,
        mut visit: impl FnMut(B256, GethTrace) -> Result<(), E>,
    ) -> Result<(), E> {
        let (started, mut replay) = (Instant::now(), Replay::new(self, block)?);
        for (index, tx) in block.transactions.iter().enumerate() {
            replay.skip_to(index)?;
            let seen = replay.inspect(inspector(options, most_bytes, started)?)?;
            visit(tx.hash(), read(seen, Some(place(block, index)))?)?;
        }
        Ok(())
    }

    /// Traces a message, which changes nothing.
    ///
    /// # Errors
    /// As [`Self::trace_transaction`], and [`EvmError::Refused`] if no block could hold the message.
    pub fn trace_call(
        &self,
        message: &CallMessage,
        context: &BlockContext,
        overrides: &[(Address, AccountOverride)],
        options: &GethDebugTracingOptions,
        most_bytes: usize,
    ) -> Result<GethTrace, EvmError> {
        let inspector = inspector(options, most_bytes, Instant::now())?;
        self.inspect_call((message, context, overrides), inspector, |seen| read(seen, None))
    }
}

/// `started`: when the call came, of which there is one for all transactions of a block.
fn inspector(
    options: &GethDebugTracingOptions,
    most_bytes: usize,
    started: Instant,
) -> Result<Bounded<DebugInspector>, EvmError> {
    let inner = DebugInspector::new(options.clone()).map_err(|err| EvmError::Tracer(err.to_string()))?;
    let deadline = started + PROGRAM_PATIENCE;
    let recorded = match &inner {
        DebugInspector::Default(_, options) => Recorded {
            steps: options.limit.filter(|limit| *limit > 0).unwrap_or(u64::MAX),
            stack: options.is_stack_enabled(),
            memory: options.is_memory_enabled(),
            storage: options.is_storage_enabled(),
            return_data: options.is_return_data_enabled(),
        },
        DebugInspector::Erc7562Tracer(..) => {
            Recorded { steps: u64::MAX, stack: true, memory: true, storage: true, return_data: false }
        }
        DebugInspector::Js(_) if Instant::now() > deadline => return Err(EvmError::Tracer(TOO_LONG.into())),
        DebugInspector::Js(_) => return Ok(Bounded::program(inner, most_bytes, deadline)),
        _ => Recorded::default(),
    };
    Ok(Bounded::new(inner, recorded, most_bytes))
}

fn place(block: &SealedBlock, index: usize) -> TransactionContext {
    let context = TransactionContext::default().with_block_hash(block.hash).with_tx_index(index);
    match block.transactions.get(index) {
        Some(tx) => context.with_tx_hash(tx.hash()),
        None => context,
    }
}

/// Makes the answer of what the inspector saw.
fn read(seen: Seen<'_, DebugInspector>, place: Option<TransactionContext>) -> Result<GethTrace, EvmError> {
    let Seen { mut inspector, tx, block, outcome, mut before } = seen;
    if inspector.exceeded() || (shows_state(&inspector.inner) && !inspector.count(state_bytes(&outcome.state))) {
        return Err(inspector.too_much());
    }
    let trace = inspector.inner.get_result(place, &tx, &block, &outcome, &mut before).map_err(failed)?;
    if inspector.is_late() {
        return Err(EvmError::Tracer(TOO_LONG.into()));
    }
    Ok(match trace {
        GethTrace::Default(mut frame) => {
            frame.struct_logs.iter_mut().for_each(leave_out_empty);
            GethTrace::Default(frame)
        }
        other => other,
    })
}

fn failed(err: DebugInspectorError<StateError>) -> EvmError {
    match err {
        DebugInspectorError::Database(err) => err.into(),
        err => EvmError::Tracer(err.to_string()),
    }
}

const fn shows_state(inspector: &DebugInspector) -> bool {
    matches!(inspector, DebugInspector::PreStateTracer(..) | DebugInspector::Mux(..))
}

/// About how much the touched accounts take, written out.
pub(super) fn state_bytes(state: &EvmState) -> usize {
    let code = |account: &revm::state::Account| account.info.code.as_ref().map_or(0, |code| code.len());
    state.values().map(|account| 256 + code(account) + 128 * account.storage.len()).sum()
}

/// Geth leaves out what is empty or 0.
fn leave_out_empty(log: &mut StructLog) {
    log.refund_counter = log.refund_counter.filter(|refund| *refund > 0);
    log.memory = log.memory.take().filter(|memory| !memory.is_empty());
    log.return_data = log.return_data.take().filter(|data| !data.is_empty());
}
