//! Taking the steps that [`decide`](super::decide) names: sign, store, send; each can be repeated after a crash.

use std::sync::Arc;
use std::time::Duration;

use alloy_consensus::{Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{B256, Bytes};
use mayfly_fail::fail_point;
use mayfly_l1::{Blob, BlockTag, Fees, L1Error, Sender, TransactionReceipt, TxIntent, TxKind};
use mayfly_ledger::{Attempt, Inclusion, Outbox, Post, PostState};

use super::decide::{AttemptState, Situation, Step, decide};
use crate::clock::Clock;
use crate::error::SequencerError;
use crate::shared::Shared;

/// What a step led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Waiting for L1.
    Pending,
    /// On L1, at this cost in wei.
    Mined { succeeded: bool, cancelled: bool, wei: u128 },
    /// Nothing can happen to it any more.
    Ended,
    /// It cannot be sent as it is: L1 would revert it.
    Hopeless(String),
    /// Something keeps it from going on; worth showing.
    Trouble(String),
}

/// Drives posts of one key.
pub(super) struct Driver {
    pub(super) ledger: Outbox,
    pub(super) sender: Sender,
    pub(super) shared: Arc<Shared>,
    pub(super) bump_after: Duration,
    pub(super) clock: Clock,
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
        match step {
            Step::Wait => Ok(Outcome::Pending),
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

    /// Whether nothing can come of the post any more, or only if L1 takes back the block that it was mined in.
    pub(super) async fn is_spent(&self, post: &Post) -> Result<bool, SequencerError> {
        Ok(match &post.inclusion {
            _ if post.state.has_ended() => true,
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
            Err(L1Error::Reverted { reason, .. }) => return Ok(Outcome::Hopeless(reason)),
            Err(error) => return self.trouble(error),
        };
        let fees = self.sender.suggest_fees().await.map_err(l1_error)?;
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
        let offered = Fees {
            max_fee_per_gas: last.max_fee_per_gas,
            max_priority_fee_per_gas: last.max_priority_fee_per_gas,
            max_fee_per_blob_gas: last.max_fee_per_blob_gas.unwrap_or_default(),
        };
        let suggested = self.sender.suggest_fees().await.map_err(l1_error)?;
        let fees = match offered.bump(suggested, kind, self.sender.caps()) {
            Ok(fees) => fees,
            Err(error) => {
                let _ = self.sender.broadcast(raw).await;
                return self.trouble(error);
            }
        };
        let cancels = cancel || last.cancels;
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
        match self.sender.broadcast(raw).await {
            Err(L1Error::ReplacementUnderpriced(_) | L1Error::Underpriced(_)) => self.replace(post, known, false).await,
            Err(error) => self.trouble(error),
            Ok(_) => {
                self.ledger.mark_broadcast(last.tx_hash).await.map_err(ledger_error)?;
                Ok(Outcome::Pending)
            }
        }
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
            error => Ok(Outcome::Trouble(error.to_string())),
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
