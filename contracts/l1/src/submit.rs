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

impl Sender {
    /// Signs, sends, offers more where it takes long, and returns the receipt. A transaction
    /// that reverts is an error. One nonce is used for all attempts.
    pub async fn send_and_confirm(
        &self,
        intent: &TxIntent,
        options: &SubmitOptions,
    ) -> Result<TransactionReceipt, L1Error> {
        let gas_limit = match options.gas_limit {
            Some(gas_limit) => gas_limit,
            None => self.estimate_gas(intent).await?,
        };
        let (first, mut in_pool) = self.send_first(intent, gas_limit).await?;
        let (nonce, started) = (first.nonce, Instant::now());
        let mut attempts = vec![first];
        let mut sent = started;
        loop {
            tokio::time::sleep(options.poll).await;
            match self.mined(&attempts).await {
                Ok(Some(receipt)) if receipt.status() => return Ok(receipt),
                Ok(Some(receipt)) => return Err(self.why_reverted(intent, receipt).await),
                Ok(None) => {}
                Err(error) if error.is_temporary() => tracing::debug!(%error, "looking for a receipt failed"),
                Err(error) => return Err(error),
            }
            let last = attempts.last().map_or(B256::ZERO, |attempt| attempt.hash);
            if started.elapsed() > options.timeout {
                return Err(L1Error::NotMined { hash: last, after: options.timeout });
            }
            // Pools forget: a restart, a full pool, a reorganisation.
            if in_pool {
                in_pool = !matches!(self.knows(last).await, Ok(false));
            }
            if !in_pool {
                in_pool = self.offer(&attempts).await;
            }
            if sent.elapsed() > options.bump_after && attempts.len() < MAX_ATTEMPTS {
                sent = Instant::now();
                if let Some(attempt) = self.try_bump(intent, &attempts, nonce, gas_limit).await? {
                    attempts.push(attempt);
                }
            }
        }
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

    /// Broadcasts the last attempt again; true once there is no need to.
    async fn offer(&self, attempts: &[SignedTx]) -> bool {
        let Some(last) = attempts.last() else { return true };
        match self.broadcast(&last.raw).await {
            Ok(_) | Err(L1Error::NonceTooLow(_)) => true,
            Err(error) => {
                tracing::debug!(%error, nonce = last.nonce, "broadcast failed, trying again");
                false
            }
        }
    }

    async fn mined(&self, attempts: &[SignedTx]) -> Result<Option<TransactionReceipt>, L1Error> {
        let hashes: Vec<B256> = attempts.iter().map(|attempt| attempt.hash).collect();
        Ok(self.receipts(&hashes).await?.into_iter().flatten().next())
    }

    /// A replacement in the pool, or none if the cap or the pool forbids it, or the nonce is used.
    async fn try_bump(
        &self,
        intent: &TxIntent,
        attempts: &[SignedTx],
        nonce: u64,
        gas_limit: u64,
    ) -> Result<Option<SignedTx>, L1Error> {
        let offered = attempts.last().map_or_else(Fees::default, |attempt| attempt.fees);
        let bumped = match self.suggest_fees().await {
            Ok(suggested) => offered.bump(suggested, intent.kind(), self.caps()),
            Err(error) => Err(error),
        };
        let fees = match bumped {
            Ok(fees) => fees,
            Err(error) => {
                tracing::warn!(%error, nonce, "cannot offer more");
                return Ok(None);
            }
        };
        let attempt = self.sign(intent, nonce, gas_limit, fees).await?;
        match self.broadcast(&attempt.raw).await {
            Ok(_) => Ok(Some(attempt)),
            Err(error) => {
                tracing::warn!(%error, nonce, "replacement refused");
                Ok(None)
            }
        }
    }

    /// Replays a reverted transaction as a call on the block before, for its reason.
    async fn why_reverted(&self, intent: &TxIntent, receipt: TransactionReceipt) -> L1Error {
        let block = receipt.block_number.unwrap_or_default().saturating_sub(1);
        let call = json!({"from": self.address(), "to": intent.to, "value": intent.value, "input": intent.data});
        let params = json!([call, alloy_primitives::U64::from(block)]);
        match self.client().request::<Bytes>("eth_call", params).await {
            Err(reverted @ L1Error::Reverted { .. }) => reverted,
            _ => L1Error::Reverted {
                what: format!("transaction {}", receipt.transaction_hash),
                reason: "unknown".into(),
                data: Bytes::new(),
            },
        }
    }
}
