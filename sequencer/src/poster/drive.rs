//! Taking the steps that [`decide`](super::decide) names: sign, store, send; each can be repeated after a crash.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{B256, Bytes};
use mayfly_fail::fail_point;
use mayfly_l1::{Blob, BlockRef, BlockTag, Fees, L1Error, Sender, TransactionReceipt, TxIntent, TxKind};
use mayfly_ledger::{Attempt, Inclusion, MAX_ATTEMPTS, Outbox, Post, PostId, PostState};
use parking_lot::Mutex;

use super::decide::{AttemptState, Situation, Step, decide};
use super::trouble::Trouble;
use crate::clock::Clock;
use crate::error::SequencerError;
use crate::shared::Shared;

/// Attempts of a post that are kept for taking its nonce back.
const MAX_CANCELS: usize = 8;
/// So many times the usual wait, an offer that covers what L1 asks is left as it is.
const PATIENCE: u32 = 4;

/// What a step led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Waiting for L1.
    Pending,
    /// On L1, at this cost in wei.
    Mined { succeeded: bool, cancelled: bool, wei: u128 },
    /// Nothing can happen to it any more.
    Ended,
    /// Another transaction used its nonce, not finally yet.
    Taken,
    /// It cannot be sent as it is: L1 would revert it.
    Hopeless { why: String, revert: Bytes },
    /// Something keeps it from going on; worth showing.
    Trouble(Trouble),
}

/// Drives posts of one key.
pub(super) struct Driver {
    pub(super) ledger: Outbox,
    pub(super) sender: Sender,
    pub(super) shared: Arc<Shared>,
    pub(super) bump_after: Duration,
    pub(super) clock: Clock,
    /// Posts whose nonce another transaction used, and the L1 block that has it.
    pub(super) taken: Mutex<HashMap<PostId, BlockRef>>,
}

struct Known {
    attempts: Vec<Attempt>,
    receipts: Vec<Option<TransactionReceipt>>,
    situation: Situation,
}

impl Driver {
    /// L1's newest final block.
    pub(super) async fn final_block(&self) -> Result<u64, SequencerError> {
        Ok(self.sender.client().head(BlockTag::Finalized).await.map_err(l1_error)?.number)
    }

    /// Looks at everything and takes one step.
    pub(super) async fn step(&self, post: &Post, wanted: bool, final_block: u64) -> Result<Outcome, SequencerError> {
        if let Some(inclusion) = post.inclusion.filter(|_| post.state == PostState::Mined) {
            let followed = self.shared.origin(inclusion.block_number);
            if followed.is_some_and(|hash| hash != inclusion.block_hash) {
                return self.reopen(post).await;
            }
            // Mined and not final: as long as the block is the one that is followed, L1 need not be asked each time.
            if inclusion.block_number > final_block {
                let cancelled = self.is_cancelled(post, &inclusion).await?;
                return Ok(Outcome::Mined { succeeded: inclusion.succeeded, cancelled, wei: cost(&inclusion) });
            }
        }
        let known = self.look(post, wanted, final_block).await?;
        let step = decide(&known.situation);
        tracing::debug!(post = %post.key, ?step, "poster");
        if step != Step::NonceTaken {
            self.taken.lock().remove(&post.id);
        }
        match step {
            Step::Wait => Ok(Outcome::Pending),
            Step::NonceTaken => Ok(Outcome::Taken),
            Step::Sign => self.sign_first(post).await,
            Step::Withdraw => {
                self.ledger.cancel_post(post.id).await.map_err(ledger_error)?;
                Ok(Outcome::Ended)
            }
            Step::Broadcast => self.broadcast_last(post, &known).await,
            Step::Bump => self.replace(post, &known, false).await,
            Step::Cancel => self.replace(post, &known, true).await,
            Step::Mined(at) => self.mined(&known, at, None).await,
            Step::Final(at) => self.mined(&known, at, Some(post)).await,
            Step::Reopen => self.reopen(post).await,
            Step::NonceGone => {
                let reason = "another transaction used its nonce";
                tracing::error!(post = %post.key, reason, "a post failed");
                self.ledger.fail_post(post.id, reason, known.situation.final_nonce).await.map_err(ledger_error)?;
                Ok(Outcome::Ended)
            }
        }
    }

    /// Whether an L1 block has a transaction with this nonce that is none of ours.
    async fn is_taken(&self, post: &Post, nonce: u64, ours: &[B256]) -> Result<bool, SequencerError> {
        let client = self.sender.client();
        let seen = self.taken.lock().get(&post.id).copied();
        if let Some(at) = seen {
            let header = client.try_header(BlockTag::Number(at.number)).await.map_err(l1_error)?;
            if header.is_some_and(|header| header.hash() == at.hash) {
                return Ok(true);
            }
        }
        let user = self.sender.nonce_user(nonce).await.map_err(l1_error)?;
        let Some((at, hash)) = user.filter(|(_, hash)| !ours.contains(hash)) else { return Ok(false) };
        tracing::error!(post = %post.key, nonce, %hash, "another transaction of the posting key used the nonce");
        self.taken.lock().insert(post.id, at);
        Ok(true)
    }

    /// Whether nothing can come of the post any more, or only if L1 takes back the block that it was mined in, or that
    /// its nonce was used in.
    pub(super) async fn is_spent(&self, post: &Post) -> Result<bool, SequencerError> {
        Ok(match &post.inclusion {
            _ if post.state.has_ended() || self.taken.lock().contains_key(&post.id) => true,
            Some(inclusion) => !inclusion.succeeded || self.is_cancelled(post, inclusion).await?,
            None => false,
        })
    }

    async fn is_cancelled(&self, post: &Post, inclusion: &Inclusion) -> Result<bool, SequencerError> {
        let attempts = self.ledger.attempts(post.id).await.map_err(ledger_error)?;
        Ok(attempts.iter().any(|a| a.tx_hash == inclusion.tx_hash && a.cancels))
    }

    /// L1 took back the block that it was mined in: the next look decides anew.
    async fn reopen(&self, post: &Post) -> Result<Outcome, SequencerError> {
        let Some(inclusion) = &post.inclusion else { return Ok(Outcome::Pending) };
        tracing::warn!(post = %post.key, l1_block = inclusion.block_number, "l1 took a post back");
        self.ledger.reopen_post(post.id, inclusion.block_hash).await.map_err(ledger_error)?;
        fail_point("post-reopened");
        Ok(Outcome::Pending)
    }

    async fn look(&self, post: &Post, wanted: bool, final_block: u64) -> Result<Known, SequencerError> {
        let attempts = self.ledger.attempts(post.id).await.map_err(ledger_error)?;
        let hashes: Vec<B256> = attempts.iter().map(|a| a.tx_hash).collect();
        let client = self.sender.client();
        let receipts =
            if hashes.is_empty() { Vec::new() } else { self.sender.receipts(&hashes).await.map_err(l1_error)? };
        let mined_nonce = self.sender.mined_nonce().await.map_err(l1_error)?;
        let address = self.sender.address();
        let final_nonce = match post.nonce {
            Some(nonce) if mined_nonce > nonce => client.nonce(address, BlockTag::Finalized).await.map_err(l1_error)?,
            _ => 0,
        };
        let is_mined = receipts.iter().any(Option::is_some);
        let taken = match post.nonce {
            Some(nonce) if !is_mined && mined_nonce > nonce && final_nonce <= nonce => {
                self.is_taken(post, nonce, &hashes).await?
            }
            _ => false,
        };
        let known = match hashes.last() {
            Some(last) if !is_mined => self.sender.knows(*last).await.map_err(l1_error)?,
            _ => true,
        };
        let now = std::time::UNIX_EPOCH + self.clock.unix();
        let states = attempts.iter().zip(&receipts).map(|(attempt, receipt)| AttemptState {
            cancels: attempt.cancels,
            was_broadcast: attempt.broadcast_at.is_some(),
            age: now.duration_since(attempt.signed_at.into()).unwrap_or_default(),
            mined_in: receipt.as_ref().and_then(|r| r.block_number),
        });
        let situation = Situation {
            attempts: states.collect(),
            nonce: post.nonce,
            mined_nonce,
            final_nonce,
            taken,
            final_block,
            noted: post.state == PostState::Mined,
            wanted,
            known,
            bump_after: self.bump_after,
        };
        Ok(Known { attempts, receipts, situation })
    }

    async fn sign_first(&self, post: &Post) -> Result<Outcome, SequencerError> {
        let intent = self.intent(post).await?;
        let gas_limit = match self.sender.estimate_gas(&intent).await {
            Ok(gas) => gas,
            Err(L1Error::Reverted { reason, data, .. }) => {
                return Ok(Outcome::Hopeless { why: reason, revert: data });
            }
            Err(error) => return self.trouble(error),
        };
        // Nothing is signed that could not be included: it would hold the account's place in the pool meanwhile.
        let fees = match self.sender.quote(intent.kind()).await.map_err(l1_error)?.within_caps() {
            Ok(fees) => fees,
            Err(error) => return self.trouble(error),
        };
        let mined = self.sender.mined_nonce().await.map_err(l1_error)?;
        let lease = self.ledger.lease(post.id, mined).await.map_err(ledger_error)?;
        fail_point("post-leased");
        let signed = self.sender.sign(&intent, lease.nonce(), gas_limit, fees).await.map_err(l1_error)?;
        fail_point("post-signed");
        lease.record(&signed.raw).await.map_err(ledger_error)?;
        fail_point("post-recorded");
        self.shared.metrics.post_attempts.inc();
        self.broadcast(&signed.raw, signed.hash).await
    }

    /// Signs under the same nonce with higher fees: the same again, or nothing at all.
    async fn replace(&self, post: &Post, known: &Known, cancel: bool) -> Result<Outcome, SequencerError> {
        let Some((last, raw)) = known.attempts.last().and_then(|a| Some((a, a.raw.as_ref()?))) else {
            return Ok(Outcome::Pending);
        };
        let (kind, gas_limit) = kind_and_gas(raw)?;
        let offered = offer_of(last);
        let cancels = cancel || last.cancels;
        let quote = self.sender.quote(kind).await.map_err(l1_error)?;
        let patient = known.situation.attempts.last().is_none_or(|a| a.age < self.bump_after * PATIENCE);
        let enough = !cancel && patient && known.situation.known && offered.covers(quote.fees, kind);
        let spent = known.attempts.len() + if cancels { 0 } else { MAX_CANCELS } >= MAX_ATTEMPTS;
        let bumped = offered.bump(quote.fees, kind, self.sender.caps());
        let fees = match (quote.within_caps(), bumped) {
            // More would not be included either, or the place in the pool is all that is missing.
            (Err(error), _) | (Ok(_), Err(error)) => {
                let _ = self.sender.broadcast(raw).await;
                return self.trouble(error);
            }
            (Ok(_), Ok(_)) if enough => return Ok(Outcome::Pending),
            (Ok(_), Ok(_)) if spent => {
                let _ = self.sender.broadcast(raw).await;
                return Ok(Outcome::Trouble(in_vain(known.attempts.len())));
            }
            (Ok(_), Ok(fees)) => fees,
        };
        let new = Replacement { cancels, kind, gas_limit, fees };
        self.sign_again(post, known, new).await
    }

    async fn sign_again(&self, post: &Post, known: &Known, new: Replacement) -> Result<Outcome, SequencerError> {
        let Replacement { cancels, kind, gas_limit, fees } = new;
        let intent = self.intent(post).await?;
        if !cancels {
            // The lease holds a lock in the ledger: proofs are computed before it is taken.
            intent.blobs.prepare().await.map_err(l1_error)?;
        }
        let lease = self.ledger.lease(post.id, known.situation.mined_nonce).await.map_err(ledger_error)?;
        fail_point("replace-leased");
        let signed = if cancels {
            self.sender.sign_cancel(lease.nonce(), fees, kind).await.map_err(l1_error)?
        } else {
            self.sender.sign(&intent, lease.nonce(), gas_limit, fees).await.map_err(l1_error)?
        };
        let stored = if cancels { lease.record_cancel(&signed.raw).await } else { lease.record(&signed.raw).await };
        stored.map_err(ledger_error)?;
        fail_point("replace-recorded");
        self.shared.metrics.post_attempts.inc();
        tracing::info!(post = %post.key, cancels, attempts = known.attempts.len() + 1, "offered more to l1");
        self.broadcast(&signed.raw, signed.hash).await
    }

    async fn broadcast_last(&self, post: &Post, known: &Known) -> Result<Outcome, SequencerError> {
        let Some((last, raw)) = known.attempts.last().and_then(|a| Some((a, a.raw.as_ref()?))) else {
            return Ok(Outcome::Pending);
        };
        let age = known.situation.attempts.last().map_or(Duration::ZERO, |a| a.age);
        match self.sender.broadcast(raw).await {
            Err(L1Error::Underpriced(_)) => self.replace(post, known, false).await,
            // Another transaction stands at the nonce, and pays more. It may well be mined: no race for each second.
            Err(error @ L1Error::ReplacementUnderpriced(_)) if age < self.bump_after / PATIENCE => self.trouble(error),
            Err(L1Error::ReplacementUnderpriced(_)) => self.replace(post, known, false).await,
            Err(error @ L1Error::KindBlocked(_)) if age < self.bump_after => self.trouble(error),
            Err(L1Error::KindBlocked(_)) => self.unblock(post, known, last, raw).await,
            Err(error) => self.trouble(error),
            Ok(_) => {
                self.ledger.mark_broadcast(last.tx_hash).await.map_err(ledger_error)?;
                Ok(Outcome::Pending)
            }
        }
    }

    /// A transaction of the other kind, which the ledger does not know, holds the account's place in the pool and is not
    /// mined: only one of its own kind replaces it. That one uses the nonce up, and the post is made anew.
    async fn unblock(&self, post: &Post, known: &Known, last: &Attempt, raw: &[u8]) -> Result<Outcome, SequencerError> {
        let kind = match kind_and_gas(raw)?.0 {
            TxKind::Plain => TxKind::Blob,
            TxKind::Blob => TxKind::Plain,
        };
        if known.attempts.len() >= MAX_ATTEMPTS {
            return Ok(Outcome::Trouble(in_vain(known.attempts.len())));
        }
        let quote = self.sender.quote(kind).await.map_err(l1_error)?;
        let fees = match quote.within_caps().and_then(|fees| offer_of(last).bump(fees, kind, self.sender.caps())) {
            Ok(fees) => fees,
            Err(error) => return self.trouble(error),
        };
        tracing::warn!(post = %post.key, ?kind, "the pool holds a transaction of the other kind: using the nonce up");
        self.sign_again(post, known, Replacement { cancels: true, kind, gas_limit: 0, fees }).await
    }

    async fn broadcast(&self, raw: &Bytes, hash: B256) -> Result<Outcome, SequencerError> {
        if let Err(error) = self.sender.broadcast(raw).await {
            return self.trouble(error);
        }
        fail_point("post-broadcast");
        self.ledger.mark_broadcast(hash).await.map_err(ledger_error)?;
        fail_point("post-marked");
        Ok(Outcome::Pending)
    }

    /// A nonce that is used already is no trouble: the next look finds the receipt.
    fn trouble(&self, error: L1Error) -> Result<Outcome, SequencerError> {
        match error {
            L1Error::NonceTooLow(_) => Ok(Outcome::Pending),
            error => Ok(Outcome::Trouble(Trouble::of_l1(&error, self.sender.address()))),
        }
    }

    async fn mined(&self, known: &Known, at: usize, finally: Option<&Post>) -> Result<Outcome, SequencerError> {
        let Some(receipt) = known.receipts.get(at).and_then(Option::as_ref) else { return Ok(Outcome::Pending) };
        let Some(inclusion) = inclusion(receipt) else { return Ok(Outcome::Pending) };
        fail_point("post-mined");
        self.ledger.mark_mined(&inclusion).await.map_err(ledger_error)?;
        fail_point("post-noted");
        if let Some(post) = finally {
            self.ledger.finalize_post(post.id, inclusion.block_hash).await.map_err(ledger_error)?;
            fail_point("post-final");
        }
        let wei = cost(&inclusion);
        let cancelled = known.attempts.get(at).is_some_and(|a| a.cancels);
        Ok(Outcome::Mined { succeeded: inclusion.succeeded, cancelled, wei })
    }

    async fn intent(&self, post: &Post) -> Result<TxIntent, SequencerError> {
        let blobs = self.ledger.post_blobs(post.id).await.map_err(ledger_error)?;
        let blobs = blobs.iter().map(|blob| Blob::try_from(blob.data.as_ref()));
        let blobs = blobs.collect::<Result<Vec<_>, _>>().map_err(|e| SequencerError::Ledger(format!("blob: {e}")))?;
        Ok(TxIntent { to: post.to, value: post.value, data: post.input.clone(), blobs: blobs.into() })
    }
}

/// What is signed in place of an earlier attempt.
struct Replacement {
    cancels: bool,
    kind: TxKind,
    /// Of no concern to one that cancels.
    gas_limit: u64,
    fees: Fees,
}

fn in_vain(times: usize) -> Trouble {
    Trouble::new(format!("offered {times} times in vain"), "by itself, once l1 includes one of them")
}

fn offer_of(attempt: &Attempt) -> Fees {
    Fees {
        max_fee_per_gas: attempt.max_fee_per_gas,
        max_priority_fee_per_gas: attempt.max_priority_fee_per_gas,
        max_fee_per_blob_gas: attempt.max_fee_per_blob_gas.unwrap_or_default(),
    }
}

/// What an included attempt cost, in wei.
fn cost(inclusion: &Inclusion) -> u128 {
    let gas = u128::from(inclusion.gas_used).saturating_mul(inclusion.gas_price);
    gas.saturating_add(u128::from(inclusion.blob_gas_used).saturating_mul(inclusion.blob_gas_price))
}

fn inclusion(receipt: &TransactionReceipt) -> Option<Inclusion> {
    Some(Inclusion {
        tx_hash: receipt.transaction_hash,
        block_number: receipt.block_number?,
        block_hash: receipt.block_hash?,
        succeeded: receipt.status(),
        gas_used: receipt.gas_used,
        gas_price: receipt.effective_gas_price,
        blob_gas_used: receipt.blob_gas_used.unwrap_or_default(),
        blob_gas_price: receipt.blob_gas_price.unwrap_or_default(),
    })
}

fn kind_and_gas(raw: &[u8]) -> Result<(TxKind, u64), SequencerError> {
    let mut rest = raw;
    let envelope =
        TxEnvelope::decode_2718(&mut rest).map_err(|e| SequencerError::Ledger(format!("stored transaction: {e}")))?;
    Ok((if envelope.is_eip4844() { TxKind::Blob } else { TxKind::Plain }, envelope.gas_limit()))
}

pub(super) fn ledger_error(error: mayfly_ledger::LedgerError) -> SequencerError {
    SequencerError::Ledger(error.to_string())
}

pub(super) fn l1_error(error: L1Error) -> SequencerError {
    SequencerError::L1(error.to_string())
}
