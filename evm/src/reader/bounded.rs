//! A bound on what an inspector may record, and on how long a program of the client's may watch.

use crate::EvmError;
use alloy_primitives::{Address, Log, U256, map::HashSet};
use revm::{
    Inspector,
    bytecode::opcode::{SLOAD, SSTORE},
    context_interface::{ContextError, ContextTr},
    handler::FrameResult,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, FrameInput, Interpreter,
        interpreter_types::{InputsTr, Jumps, MemoryTr, ReturnData},
    },
};
use revm_inspectors::tracing::types::CallTraceStep;
use std::time::Instant;

/// What a call takes, its data apart.
const CALL_BYTES: usize = 512;
/// What a log takes, its data apart.
const LOG_BYTES: usize = 224;
/// What a storage slot takes.
const SLOT_BYTES: usize = 64;
/// What a word of stack takes.
const WORD_BYTES: usize = 32;

/// Why a program of the client's was stopped.
pub(super) const TOO_LONG: &str = "the tracer took too long";

/// What is recorded of every step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recorded {
    /// Steps at all, and how many of them.
    pub(super) steps: u64,
    /// The whole stack.
    pub(super) stack: bool,
    /// The whole memory.
    pub(super) memory: bool,
    /// All slots read and written so far.
    pub(super) storage: bool,
    /// What the last call returned.
    pub(super) return_data: bool,
}

/// Stops the transaction that `inner` watches once it has recorded too much, or watches for too long.
#[derive(Debug)]
pub(super) struct Bounded<I> {
    pub(super) inner: I,
    recorded: Recorded,
    slots: HashSet<(Address, U256)>,
    most_bytes: usize,
    bytes: usize,
    /// Set where `inner` runs a program of the client's.
    deadline: Option<Instant>,
    late: bool,
}

impl<I> Bounded<I> {
    pub(super) fn new(inner: I, recorded: Recorded, most_bytes: usize) -> Self {
        Self { inner, recorded, slots: HashSet::default(), most_bytes, bytes: 0, deadline: None, late: false }
    }

    /// `inner` runs a program of the client's, until then.
    pub(super) fn program(inner: I, most_bytes: usize, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..Self::new(inner, Recorded::default(), most_bytes) }
    }

    /// Whether `inner` runs a program of the client's, which can fail and change what happens.
    pub(super) const fn is_program(&self) -> bool {
        self.deadline.is_some()
    }

    /// Whether a program of the client's ran for too long.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() > deadline)
    }

    /// Whether the transaction was stopped.
    pub(super) const fn exceeded(&self) -> bool {
        self.bytes > self.most_bytes || self.late
    }

    /// Why it was stopped.
    pub(super) fn too_much(&self) -> EvmError {
        match self.late {
            true => EvmError::Tracer(TOO_LONG.into()),
            false => EvmError::TraceTooLarge(self.most_bytes),
        }
    }

    /// Counts what is recorded beside steps and calls; false if it is too much.
    pub(super) const fn count(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        !self.exceeded()
    }

    /// Counts, and lets the transaction end with an error if it is too much.
    fn record<CTX: ContextTr>(&mut self, bytes: usize, context: &mut CTX) {
        self.late |= self.is_late();
        if !self.count(bytes) && context.error().is_ok() {
            *context.error() = Err(ContextError::Custom("the trace takes too much".into()));
        }
    }

    fn step_bytes(&mut self, interp: &Interpreter) -> usize {
        let mut bytes = size_of::<CallTraceStep>();
        if self.recorded.stack {
            bytes += WORD_BYTES * interp.stack.len();
        }
        if self.recorded.memory {
            bytes += interp.memory.size();
        }
        if self.recorded.return_data {
            bytes += interp.return_data.buffer().len();
        }
        if self.recorded.storage && matches!(interp.bytecode.opcode(), SLOAD | SSTORE) {
            let slot = interp.stack.peek(0).unwrap_or_default();
            self.slots.insert((interp.input.target_address(), slot));
            bytes += SLOT_BYTES * self.slots.len();
        }
        bytes
    }
}

impl<CTX: ContextTr, I: Inspector<CTX>> Inspector<CTX> for Bounded<I> {
    fn initialize_interp(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.inner.initialize_interp(interp, context);
    }

    fn step(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        if self.recorded.steps > 0 {
            self.recorded.steps -= 1;
            let bytes = self.step_bytes(interp);
            self.record(bytes, context);
        } else if self.is_program() {
            self.record(0, context);
        }
        if self.exceeded() {
            return interp.halt_fatal();
        }
        self.inner.step(interp, context);
    }

    fn step_end(&mut self, interp: &mut Interpreter, context: &mut CTX) {
        self.inner.step_end(interp, context);
    }

    fn log(&mut self, context: &mut CTX, log: Log) {
        self.record(LOG_BYTES + log.data.data.len(), context);
        self.inner.log(context, log);
    }

    fn log_full(&mut self, interp: &mut Interpreter, context: &mut CTX, log: Log) {
        self.record(LOG_BYTES + log.data.data.len(), context);
        self.inner.log_full(interp, context, log);
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.record(CALL_BYTES + inputs.input.len(), context);
        self.inner.call(context, inputs)
    }

    fn call_end(&mut self, context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.record(outcome.result.output.len(), context);
        self.inner.call_end(context, inputs, outcome);
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.record(CALL_BYTES + inputs.init_code().len(), context);
        self.inner.create(context, inputs)
    }

    fn create_end(&mut self, context: &mut CTX, inputs: &CreateInputs, outcome: &mut CreateOutcome) {
        self.record(outcome.result.output.len(), context);
        self.inner.create_end(context, inputs, outcome);
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.inner.selfdestruct(contract, target, value);
    }

    fn frame_start(&mut self, context: &mut CTX, frame_input: &mut FrameInput) -> Option<FrameResult> {
        self.inner.frame_start(context, frame_input)
    }

    fn frame_end(&mut self, context: &mut CTX, frame_input: &FrameInput, frame_result: &mut FrameResult) {
        self.inner.frame_end(context, frame_input, frame_result);
    }
}
