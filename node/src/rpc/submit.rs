//! `eth_sendRawTransaction` and `eth_sendRawTransactionSync` (EIP-7966).
//!
//! All submissions of a batch reach the sequencer as one list: recovery and
//! admission work on many at once.

use std::time::Duration;

use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{B256, Bytes, keccak256};
use futures::future::join_all;
use mayfly_sequencer::{Included, Origin, SequencerHandle, SubmitError, WaitError};
use serde_json::value::RawValue;

use super::dispatch::{Caller, Reply, reply};
use super::errors::{self, RpcError};
use super::limits::RpcLimits;
use super::methods::{Run, find};
use super::params::{Number, Params};
use super::request::{Call, Item};
use super::shapes;
use crate::archive::Archive;

/// How long a transaction of `eth_sendRawTransactionSync` may wait for a missing nonce.
const GAP_GRACE: Duration = Duration::from_millis(200);

/// Whether an entry of a batch is a transaction for the sequencer.
pub(crate) fn is_submission(item: &Item<'_>) -> bool {
    item.as_ref().is_ok_and(|call| find(&call.method).is_some_and(|method| matches!(method.run, Run::Submit)))
}

/// The answer of a node that only follows.
pub(crate) fn read_only() -> RpcError {
    RpcError::unsupported("this node follows the rollup and takes no transactions")
}

/// One call, read.
struct Submission {
    raw: Bytes,
    /// How long to wait for the receipt; `None` answers with the hash at once.
    wait: Option<Duration>,
}

impl Submission {
    fn read(call: &Call<'_>, limits: &RpcLimits) -> Result<Self, RpcError> {
        let mut params = Params::read(call.params)?;
        let raw = params.required("raw transaction")?;
        let sync = call.method == "eth_sendRawTransactionSync";
        // EIP-7966: a timeout that is no positive number counts as absent.
        let asked = if sync { params.optional::<Number>("timeout").ok().flatten() } else { None };
        params.end()?;
        let asked_ms = asked.map(|Number(ms)| ms).filter(|ms| *ms > 0).unwrap_or(limits.sync_timeout_ms);
        let wait = Duration::from_millis(asked_ms.min(limits.max_sync_timeout_ms));
        Ok(Self { raw, wait: sync.then_some(wait) })
    }
}

/// Hands all transactions to the sequencer at once; one reply per call, in order.
pub(crate) async fn many(caller: &Caller, limits: &RpcLimits, calls: &[&Call<'_>]) -> Vec<Reply> {
    if let Some(archive) = &caller.rollup.archive {
        return calls.iter().map(|call| into_mempool(archive, call, limits)).collect();
    }
    let Some(sequencer) = &caller.rollup.sequencer else {
        return calls.iter().map(|_| Err(read_only())).collect();
    };
    let read: Vec<Result<Submission, RpcError>> = calls.iter().map(|call| Submission::read(call, limits)).collect();
    let raws = read.iter().filter_map(|read| read.as_ref().ok()).map(|one| one.raw.clone()).collect();
    let mut taken = sequencer.submit(raws, Origin::from(caller.address)).await.into_iter();
    let answers = read.into_iter().map(|read| {
        let taken = if read.is_ok() { taken.next() } else { None };
        async move {
            let Submission { raw, wait } = read?;
            let taken = taken.ok_or_else(|| RpcError::internal("the sequencer left a transaction out"))?;
            match wait {
                None => reply(&taken.map_err(errors::submitting)?),
                Some(timeout) => receipt(sequencer, &raw, taken, timeout).await,
            }
        }
    });
    join_all(answers).await
}

/// On a chain that nobody extends, a transaction can only wait.
fn into_mempool(archive: &Archive, call: &Call<'_>, limits: &RpcLimits) -> Reply {
    let Submission { raw, wait } = Submission::read(call, limits)?;
    if wait.is_some() {
        return Err(RpcError::unsupported("this chain is not extended: no receipt would ever come"));
    }
    reply(&archive.submit(&raw).map_err(errors::waiting)?)
}

/// The receipt of a transaction that was just submitted, or is already there:
/// a client that asks again after a timeout gets what it missed.
async fn receipt(
    sequencer: &SequencerHandle,
    raw: &Bytes,
    taken: Result<B256, SubmitError>,
    timeout: Duration,
) -> Reply {
    let hash = match taken {
        Ok(hash) => hash,
        Err(SubmitError::AlreadyKnown) => keccak256(raw),
        Err(error @ SubmitError::NonceTooLow { .. }) => {
            return match sequencer.find(keccak256(raw)) {
                Some(included) => shape(sequencer, &included),
                None => Err(errors::submitting(error)),
            };
        }
        Err(error) => return Err(errors::submitting(error)),
    };
    // Transactions of one sender that go out together may come in any order: a gap counts once it had time to close.
    let at_first = timeout.min(GAP_GRACE);
    let mut waited = sequencer.wait_receipt(hash, at_first).await;
    if matches!(waited, Err(WaitError::Timeout(_))) && at_first < timeout {
        if let Some((nonce, next)) = nonce_gap(sequencer, raw).await {
            return Err(RpcError::not_ready(hash, nonce, next));
        }
        waited = sequencer.wait_receipt(hash, timeout - at_first).await;
    }
    match waited {
        Ok(included) => shape(sequencer, &included),
        Err(WaitError::Timeout(hash)) => Err(RpcError::sync_timeout(hash, timeout.as_millis())),
        Err(WaitError::Dropped(why)) => Err(errors::submitting(why)),
        Err(error @ WaitError::TooManyWaiters(_)) => Err(RpcError::limit(error.to_string())),
    }
}

/// The transaction's nonce and the one that its sender's next transaction needs, if that is a lower one.
async fn nonce_gap(sequencer: &SequencerHandle, raw: &Bytes) -> Option<(u64, u64)> {
    let tx = TxEnvelope::decode_2718_exact(raw).ok()?;
    let (nonce, sender) = (tx.nonce(), tx.recover_signer().ok()?);
    let next = sequencer.pending_nonce(sender).await.ok()?;
    (nonce > next).then_some((nonce, next))
}

fn shape(sequencer: &SequencerHandle, included: &Included) -> Result<Box<RawValue>, RpcError> {
    match shapes::receipt(sequencer.reader().spec(), &included.block, included.index) {
        Some(receipt) => reply(&receipt),
        None => Err(RpcError::internal("a block lacks the receipt it announced")),
    }
}
