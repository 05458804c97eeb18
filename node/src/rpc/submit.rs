//! `eth_sendRawTransaction` and `eth_sendRawTransactionSync` (EIP-7966).

use super::dispatch::{Caller, Reply};
use super::errors::RpcError;
use super::limits::RpcLimits;
use super::methods::{Run, find};
use super::request::{Call, Item};

/// Whether an entry of a batch is a transaction for the sequencer.
pub(crate) fn is_submission(item: &Item<'_>) -> bool {
    item.as_ref().is_ok_and(|call| find(&call.method).is_some_and(|method| matches!(method.run, Run::Submit)))
}

/// Hands all transactions to the sequencer at once; one reply per call, in order.
pub(crate) async fn many(_: &Caller, _: &RpcLimits, calls: &[&Call<'_>]) -> Vec<Reply> {
    let read_only = || RpcError::unsupported("this node follows the rollup and takes no transactions");
    calls.iter().map(|_| Err(read_only())).collect()
}
