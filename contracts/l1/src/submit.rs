//! Send and wait, for transactions no ledger keeps: claims, attestations, deployments.

use std::time::Duration;

use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::TransactionReceipt;
use serde_json::json;
use tokio::time::Instant;

use crate::{Fees, L1Error, Sender, SignedTx, TxIntent};

/// Most replacements of one submission.
const MAX_ATTEMPTS: usize = 16;

/// How to wait for a transaction.
#[derive(Debug, Clone)]
pub struct SubmitOptions {
    /// Pause between two looks for the receipt.
    pub poll: Duration,
    /// Offer more after waiting so long.
    pub bump_after: Duration,
    /// Give up after so long; the transaction may still be mined later.
    pub timeout: Duration,
    /// Gas limit; none asks L1 for an estimate, which also refuses what would revert.
    pub gas_limit: Option<u64>,
}

impl Default for SubmitOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            bump_after: Duration::from_secs(36),
            timeout: Duration::from_secs(300),
            gas_limit: None,
        }
    }
}

/// Looks at a used nonce whose user cannot be found before we say that the nonce is lost: endpoints lag.
const MAX_LOST_LOOKS: u32 = 20;

/// A transaction that was sent. It is watched over by [`Submission::confirm`] and by nothing else.
#[derive(Debug)]
pub struct Submission {
    sender: Sender,
    intent: TxIntent,
    options: SubmitOptions,
    gas_limit: u64,
    nonce: u64,
    /// Offered so far, the dearest last. There is always one.
    attempts: Vec<SignedTx>,
    /// Whether the last of them surely waits in the pool.
    in_pool: bool,
    /// Looks in a row at which the nonce was used and none of the attempts mined.
    lost: u32,
}

impl Sender {
    /// Signs, sends, offers more where it takes long, and returns the receipt. A transaction
    /// that reverts is an error. One nonce is used for all attempts.
    pub async fn send_and_confirm(
        &self,
        intent: &TxIntent,
        options: &SubmitOptions,
    ) -> Result<TransactionReceipt, L1Error> {
        self.send(intent, options).await?.confirm().await
    }

    /// The first half of [`Sender::send_and_confirm`]: signs and sends. What is sent by one task after another gets
    /// nonces in that order.
    pub async fn send(&self, intent: &TxIntent, options: &SubmitOptions) -> Result<Submission, L1Error> {
        let gas_limit = match options.gas_limit {
            Some(gas_limit) => gas_limit,
            None => self.estimate_gas(intent).await?,
        };
        let (first, in_pool) = self.send_first(intent, gas_limit).await?;
        Ok(Submission {
            sender: self.clone(),
            intent: intent.clone(),
            options: options.clone(),
            gas_limit,
            nonce: first.nonce,
            attempts: vec![first],
            in_pool,
            lost: 0,
        })
    }

    /// The first attempt, and whether it surely reached the pool: after a broken connection it may
    /// have, so it is offered again, and never replaced by a second submission. Clones of this
    /// sender that submit at the same time take turns.
    async fn send_first(&self, intent: &TxIntent, gas_limit: u64) -> Result<(SignedTx, bool), L1Error> {
        let _turn = self.nonce_turn.acquire().await.map_err(|error| L1Error::Config(error.to_string()))?;
        let nonce = self.pending_nonce().await?;
        let signed = self.sign(intent, nonce, gas_limit, self.suggest_fees().await?).await?;
        match self.broadcast(&signed.raw).await {
            Ok(_) => Ok((signed, true)),
            Err(error) if error.is_temporary() => Ok((signed, false)),
            Err(error) => Err(error),
        }
    }
}

impl Submission {
    /// The nonce of all its attempts.
    pub fn nonce(&self) -> u64 {
        self.nonce
    }

    /// The second half of [`Sender::send_and_confirm`]: offers it again where pools forget it, offers more where it takes
    /// long, and returns the receipt. Fails with [`L1Error::NonceTooLow`] once another transaction has used the nonce.
    pub async fn confirm(mut self) -> Result<TransactionReceipt, L1Error> {
        let started = Instant::now();
        let mut sent = started;
        loop {
            tokio::time::sleep(self.options.poll).await;
            match self.mined().await {
                Ok(Some(receipt)) if receipt.status() => return Ok(receipt),
                Ok(Some(receipt)) => return Err(self.why_reverted(receipt).await),
                Ok(None) => {}
                Err(error) if error.is_temporary() => tracing::debug!(%error, "looking for a receipt failed"),
                Err(error) => return Err(error),
            }
            if started.elapsed() > self.options.timeout {
                return Err(L1Error::NotMined { hash: self.last_hash(), after: self.options.timeout });
            }
            // Pools forget: a restart, a full pool, a reorganisation.
            if self.in_pool {
                self.in_pool = !matches!(self.sender.knows(self.last_hash()).await, Ok(false));
            }
            if !self.in_pool {
                self.offer().await?;
            }
            if sent.elapsed() > self.options.bump_after && self.attempts.len() < MAX_ATTEMPTS {
                sent = Instant::now();
                self.bump().await?;
            }
        }
    }

    fn last_hash(&self) -> B256 {
        self.attempts.last().map_or(B256::ZERO, |attempt| attempt.hash)
    }

    /// Broadcasts the last attempt again. A used nonce is an error once it is sure that none of the attempts used it.
    async fn offer(&mut self) -> Result<(), L1Error> {
        let Some(last) = self.attempts.last() else { return Ok(()) };
        match self.sender.broadcast(&last.raw).await {
            Ok(_) => {
                self.in_pool = true;
                self.lost = 0;
            }
            Err(error @ L1Error::NonceTooLow(_)) => {
                self.lost += 1;
                if self.lost > MAX_LOST_LOOKS {
                    return Err(error);
                }
            }
            Err(error) => tracing::debug!(%error, nonce = self.nonce, "broadcast failed, trying again"),
        }
        Ok(())
    }

    async fn mined(&self) -> Result<Option<TransactionReceipt>, L1Error> {
        let hashes: Vec<B256> = self.attempts.iter().map(|attempt| attempt.hash).collect();
        Ok(self.sender.receipts(&hashes).await?.into_iter().flatten().next())
    }

    /// Puts a replacement into the pool, unless the cap or the pool forbids it, or the nonce is used.
    async fn bump(&mut self) -> Result<(), L1Error> {
        let offered = self.attempts.last().map_or_else(Fees::default, |attempt| attempt.fees);
        let bumped = match self.sender.suggest_fees().await {
            Ok(suggested) => offered.bump(suggested, self.intent.kind(), self.sender.caps()),
            Err(error) => Err(error),
        };
        let nonce = self.nonce;
        let fees = match bumped {
            Ok(fees) => fees,
            Err(error) => {
                tracing::warn!(%error, nonce, "cannot offer more");
                return Ok(());
            }
        };
        let attempt = self.sender.sign(&self.intent, nonce, self.gas_limit, fees).await?;
        match self.sender.broadcast(&attempt.raw).await {
            Ok(_) => self.attempts.push(attempt),
            // It may have reached the pool before the answer broke.
            Err(error) if error.is_temporary() => {
                tracing::debug!(%error, nonce, "broadcast failed, trying again");
                self.attempts.push(attempt);
                self.in_pool = false;
            }
            Err(error) => tracing::warn!(%error, nonce, "replacement refused"),
        }
        Ok(())
    }

    /// Replays a reverted transaction as a call on the block before, for its reason.
    async fn why_reverted(&self, receipt: TransactionReceipt) -> L1Error {
        let block = receipt.block_number.unwrap_or_default().saturating_sub(1);
        let (intent, from) = (&self.intent, self.sender.address());
        let call = json!({"from": from, "to": intent.to, "value": intent.value, "input": intent.data});
        let params = json!([call, alloy_primitives::U64::from(block)]);
        match self.sender.client().request::<Bytes>("eth_call", params).await {
            Err(reverted @ L1Error::Reverted { .. }) => reverted,
            _ => L1Error::Reverted {
                what: format!("transaction {}", receipt.transaction_hash),
                reason: "unknown".into(),
                data: Bytes::new(),
            },
        }
    }
}
