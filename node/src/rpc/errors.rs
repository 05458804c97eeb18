//! Every error a JSON-RPC client can see, and the one place where causes inside
//! the node become codes and messages.
//!
//! Codes follow EIP-1474 and JSON-RPC 2.0, except where wallets match on what
//! the widest-used node says: those texts are kept, with the offending value
//! appended. An internal cause never leaves the node; the log has it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{B256, Bytes};
use mayfly_evm::{CallResult, CallStatus, EvmError, Refusal, SimulationError};
use mayfly_sequencer::SubmitError;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::archive::MempoolError;

/// Invalid JSON was received.
pub const PARSE_ERROR: i32 = -32700;
/// The JSON is not a request object.
pub const INVALID_REQUEST: i32 = -32600;
/// No such method.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// Invalid method parameters.
pub const INVALID_PARAMS: i32 = -32602;
/// Internal error; the cause is in the node's log.
pub const INTERNAL: i32 = -32603;
/// Missing or invalid input; also what wallets expect for refused transactions.
pub const SERVER: i32 = -32000;
/// The resource asked for does not exist.
pub const NOT_FOUND: i32 = -32001;
/// The resource is not available now: timeouts, a node that is not ready.
pub const UNAVAILABLE: i32 = -32002;
/// The transaction was refused before it reached the pool.
pub const REJECTED: i32 = -32003;
/// The method exists but is off here.
pub const UNSUPPORTED: i32 = -32004;
/// A limit on rate, range or size was exceeded.
pub const LIMIT: i32 = -32005;
/// The gasless admission refused: no sponsor or free budget takes the transaction.
pub const SPONSOR: i32 = -32010;
/// Execution reverted; `data` holds the revert output (EIP-3 convention of wallets).
pub const REVERTED: i32 = 3;
/// EIP-7966: accepted, but no receipt within the timeout; `data` is the hash.
pub const SYNC_TIMEOUT: i32 = 4;
/// EIP-7966: accepted or known, but not ready to execute; `data` is the hash.
pub const SYNC_NOT_READY: i32 = 5;

/// A simulated call ran out of gas or did what no code may.
pub const EXECUTION: i32 = -32015;
/// A simulated call's nonce was used already.
pub const NONCE_TOO_LOW: i32 = -38010;
/// A simulated call's nonce comes too early.
pub const NONCE_TOO_HIGH: i32 = -38011;
/// A simulated call offers less than the base fee.
pub const FEE_TOO_LOW: i32 = -38012;
/// A simulated call's gas limit does not cover what every such transaction costs.
pub const INTRINSIC_GAS: i32 = -38013;
/// A simulated call's sender cannot pay.
pub const INSUFFICIENT_FUNDS: i32 = -38014;
/// A simulated block has no room for a call.
pub const BLOCK_GAS: i32 = -38015;
/// Numbers of simulated blocks do not rise.
pub const BLOCK_ORDER: i32 = -38020;
/// Timestamps of simulated blocks do not rise.
pub const TIME_ORDER: i32 = -38021;
/// A simulated call's sender is no account of a key.
pub const SENDER_HAS_CODE: i32 = -38024;
/// A simulated call's init code is too long.
pub const INIT_CODE: i32 = -38025;
/// A request asks for more blocks, calls or slots than one may.
pub const TOO_MANY: i32 = -38026;

/// Longest piece of client input that is repeated in a message.
const MAX_ECHO_CHARS: usize = 96;

/// A JSON-RPC error object.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct RpcError {
    /// One of this module's codes.
    pub code: i32,
    /// Lower-case text, carrying the value that was wrong.
    pub message: Cow<'static, str>,
    /// Revert data, a transaction hash, or nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

impl RpcError {
    /// An error without data.
    pub fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same error with `data`, which must serialise (hex strings do).
    #[must_use]
    pub fn with_data(mut self, data: &impl Serialize) -> Self {
        self.data = serde_json::value::to_raw_value(data).ok();
        self
    }

    /// The body is not JSON.
    pub fn parse(cause: impl std::fmt::Display) -> Self {
        Self::new(PARSE_ERROR, format!("parse error: {cause}"))
    }

    /// JSON, but not a request.
    pub fn invalid_request(cause: impl std::fmt::Display) -> Self {
        Self::new(INVALID_REQUEST, format!("invalid request: {cause}"))
    }

    /// Parameter number `index` is wrong.
    pub fn argument(index: usize, cause: impl std::fmt::Display) -> Self {
        Self::new(INVALID_PARAMS, format!("invalid argument {index}: {cause}"))
    }

    /// Wrong parameters, not one in particular.
    pub fn params(cause: impl Into<Cow<'static, str>>) -> Self {
        Self::new(INVALID_PARAMS, cause)
    }

    /// A required parameter is absent.
    pub fn missing(index: usize, name: &str) -> Self {
        Self::new(INVALID_PARAMS, format!("missing value for required argument {index}: {name}"))
    }

    /// No such method.
    pub fn method(name: &str) -> Self {
        let name = echo(name);
        Self::new(METHOD_NOT_FOUND, format!("the method {name} does not exist/is not available"))
    }

    /// The method needs something this rollup or transport does not have.
    pub fn unsupported(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(UNSUPPORTED, what)
    }

    /// A named limit was exceeded.
    pub fn limit(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(LIMIT, what)
    }

    /// The block named by the client is unknown.
    pub fn unknown_block(which: impl std::fmt::Display) -> Self {
        Self::new(NOT_FOUND, format!("header not found: {which}"))
    }

    /// Something in the node failed. Logs `cause` (at most once a second) and hides it.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        log_internal(&cause);
        Self::new(INTERNAL, "internal error")
    }

    /// The request took longer than the node allows.
    pub fn timed_out(timeout_ms: u128) -> Self {
        Self::new(UNAVAILABLE, format!("request timed out after {timeout_ms} ms"))
    }

    /// The call or estimate reverted with `output`.
    pub fn reverted(output: &Bytes) -> Self {
        let message = match mayfly_evm::revert_reason(output) {
            Some(reason) => format!("execution reverted: {}", echo(&reason)).into(),
            None => Cow::Borrowed("execution reverted"),
        };
        Self::new(REVERTED, message).with_data(output)
    }

    /// EIP-7966: it waits behind a nonce that is missing.
    pub fn not_ready(hash: B256, nonce: u64, next: u64) -> Self {
        let message = format!("the transaction waits for a missing nonce: next nonce {next}, tx nonce {nonce}");
        Self::new(SYNC_NOT_READY, message).with_data(&hash)
    }

    /// EIP-7966: no receipt in time.
    pub fn sync_timeout(hash: B256, timeout_ms: u128) -> Self {
        let message = format!("the transaction was added to the pool but was not processed in {timeout_ms} ms");
        Self::new(SYNC_TIMEOUT, message).with_data(&hash)
    }
}

/// The chain could not answer a read.
pub(crate) fn reading(cause: EvmError) -> RpcError {
    match cause {
        EvmError::NoSuchBlock(number) => RpcError::unknown_block(number),
        EvmError::StateUnavailable(number) => RpcError::new(
            SERVER,
            format!("missing trie node: the state of block {number} is not kept, only that of recent blocks"),
        ),
        cause @ EvmError::TooManyReads => RpcError::limit(cause.to_string()),
        EvmError::TooManyResults(most) => RpcError::limit(format!("query returned more than {most} results")),
        EvmError::RangeTooWide(have, most) => {
            RpcError::limit(format!("query spans {have} blocks, at most {most}: narrow fromBlock and toBlock"))
        }
        EvmError::TraceTooLarge(most) => RpcError::new(
            REJECTED,
            format!(
                "response too large: the trace takes more than {most} bytes, leave out memory or stack or set limit"
            ),
        ),
        EvmError::Tracer(why) => RpcError::params(format!("tracer: {why}")),
        EvmError::Refused(refusal) => refused(*refusal),
        EvmError::Failed(result) => failed(&result),
        other => RpcError::internal(other),
    }
}

impl From<EvmError> for RpcError {
    fn from(cause: EvmError) -> Self {
        reading(cause)
    }
}

/// A message that did not succeed.
pub(crate) fn failed(result: &CallResult) -> RpcError {
    match &result.status {
        CallStatus::Reverted => RpcError::reverted(&result.output),
        CallStatus::Halted(reason) => RpcError::new(SERVER, format!("execution failed: {reason}")),
        CallStatus::Success => RpcError::internal("a message that succeeded is no error"),
    }
}

/// A transaction or message that no block could hold, in the words wallets know.
pub(crate) fn refused(refusal: Refusal) -> RpcError {
    let message = match refusal {
        Refusal::NonceTooLow { tx, state } => format!("nonce too low: next nonce {state}, tx nonce {tx}"),
        Refusal::NonceTooHigh { tx, state } => format!("nonce too high: next nonce {state}, tx nonce {tx}"),
        Refusal::InsufficientFunds { have, want } => {
            format!("insufficient funds for gas * price + value: have {have}, want {want}")
        }
        Refusal::IntrinsicGas { have, want } => format!("intrinsic gas too low: have {have}, want {want}"),
        Refusal::GasLimitTooHigh { limit, max } => format!("exceeds block gas limit: tx gas limit {limit}, max {max}"),
        Refusal::BlockGas { limit, left } => format!("gas limit reached: tx gas limit {limit}, left {left}"),
        Refusal::BlobGas { want, left } => format!("blob gas limit reached: tx blob gas {want}, left {left}"),
        Refusal::FeeTooLow { max_fee, base_fee } => {
            format!("max fee per gas less than block base fee: maxFeePerGas: {max_fee}, baseFee: {base_fee}")
        }
        Refusal::TipAboveFee { tip, max_fee } => format!(
            "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {max_fee}"
        ),
        Refusal::InitCodeTooLarge { size, max } => format!("max initcode size exceeded: code size {size}, limit {max}"),
        Refusal::Unsupported(ty) => format!("transaction type not supported: {ty:#04x}"),
        Refusal::WrongChainId { have, want } => {
            format!("invalid chain id for signer: have {}, want {want}", have.unwrap_or(0))
        }
        Refusal::SenderHasCode(_) | Refusal::Invalid(_) => refusal.to_string(),
        Refusal::Fatal(cause @ (EvmError::TooManyReads | EvmError::StateUnavailable(_))) => return reading(cause),
        Refusal::Fatal(cause) => return RpcError::internal(cause),
    };
    RpcError::new(SERVER, message)
}

/// A simulation that was not carried out, with the codes of execution-apis.
pub(crate) fn simulating(error: SimulationError) -> RpcError {
    let code = match &error {
        SimulationError::TooManyBlocks(_)
        | SimulationError::TooManyCalls(_)
        | SimulationError::TooManyChanges { .. } => TOO_MANY,
        SimulationError::BlockNumber { .. } => BLOCK_ORDER,
        SimulationError::Timestamp { .. } => TIME_ORDER,
        SimulationError::NotPrecompile(_) | SimulationError::Overridden(_) | SimulationError::Call(_) => SERVER,
        SimulationError::Refused(refusal) => match refusal {
            Refusal::NonceTooLow { .. } => NONCE_TOO_LOW,
            Refusal::NonceTooHigh { .. } => NONCE_TOO_HIGH,
            Refusal::FeeTooLow { .. } => FEE_TOO_LOW,
            Refusal::IntrinsicGas { .. } => INTRINSIC_GAS,
            Refusal::InsufficientFunds { .. } => INSUFFICIENT_FUNDS,
            Refusal::BlockGas { .. } => BLOCK_GAS,
            Refusal::SenderHasCode(_) => SENDER_HAS_CODE,
            Refusal::InitCodeTooLarge { .. } => INIT_CODE,
            Refusal::TipAboveFee { .. } => INVALID_PARAMS,
            _ => INTERNAL,
        },
        SimulationError::Evm(_) => INTERNAL,
    };
    match error {
        SimulationError::Evm(cause) => reading(cause),
        SimulationError::Refused(refusal) => RpcError { code, ..refused(refusal) },
        other => RpcError::new(code, other.to_string()),
    }
}

/// A transaction the sequencer did not take.
pub(crate) fn submitting(error: SubmitError) -> RpcError {
    let code = match &error {
        SubmitError::Refused { .. } => SPONSOR,
        SubmitError::PoolFull(_) => LIMIT,
        SubmitError::Paused { .. } => UNAVAILABLE,
        SubmitError::Draining { .. } | SubmitError::Closed => REJECTED,
        SubmitError::Internal => return RpcError::internal("the sequencer failed to take a transaction"),
        _ => SERVER,
    };
    RpcError::new(code, error.to_string())
}

/// A transaction that the pool of an imported chain did not take.
pub(crate) fn waiting(error: MempoolError) -> RpcError {
    match error {
        MempoolError::Refused(refusal) => refused(*refusal),
        MempoolError::Transaction(error) => submitting(error.into()),
        MempoolError::Full(_) => RpcError::limit(error.to_string()),
        error => RpcError::new(SERVER, error.to_string()),
    }
}

/// `text`, cut to a length that is safe to repeat to a client.
pub(crate) fn echo(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_ECHO_CHARS) {
        None => Cow::Borrowed(text),
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
    }
}

/// At most one line a second, with a count of what was left out: a client that
/// finds a failing path cannot flood the log.
fn log_internal(cause: &dyn std::fmt::Display) {
    static LAST_S: AtomicU64 = AtomicU64::new(0);
    static HELD: AtomicU64 = AtomicU64::new(0);
    let now_s =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    if LAST_S.swap(now_s, Ordering::Relaxed) == now_s {
        HELD.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let unlogged = HELD.swap(0, Ordering::Relaxed);
    tracing::error!(%cause, unlogged, "rpc call failed inside the node");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use alloy_primitives::hex;

    #[test]
    fn revert_carries_reason_and_data() {
        let output = Bytes::from(hex!(
            "08c379a0"
            "0000000000000000000000000000000000000000000000000000000000000020"
            "0000000000000000000000000000000000000000000000000000000000000004"
            "6e6f7065 00000000000000000000000000000000000000000000000000000000"
        ));
        let error = RpcError::reverted(&output);
        assert_eq!(error.code, 3);
        assert_eq!(error.message, "execution reverted: nope");
        assert_eq!(error.data.unwrap().get(), format!("\"{output}\""));
    }

    #[test]
    fn long_input_is_not_repeated_whole() {
        let error = RpcError::method(&"x".repeat(10_000));
        assert!(error.message.len() < 300);
    }
}
