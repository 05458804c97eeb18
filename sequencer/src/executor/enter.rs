//! Submissions on their way into the pool, and what leaves it without being included.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use mayfly_evm::Refusal;

use super::run::Executor;
use crate::error::SubmitError;
use crate::intake::Checked;
use crate::pool::{Account, Pooled};

impl Executor {
    /// Puts a call's transactions into the pool and answers it.
    pub(super) fn enter(&mut self, checked: Checked) {
        let Checked { transactions, answer, .. } = checked;
        let results = transactions.into_iter().map(|item| item.and_then(|pooled| self.enter_one(pooled))).collect();
        let _ = answer.send(results);
    }

    pub(crate) fn enter_one(&mut self, pooled: Pooled) -> Result<B256, SubmitError> {
        self.shared.gate.check()?;
        self.held.check(&pooled)?;
        let (hash, tx) = (pooled.hash, Arc::clone(&pooled.tx));
        let account = self.account(pooled.sender);
        let left = self.pool.insert(pooled, account)?;
        self.shared.waiters.entered(&hash);
        self.shared.arrived(hash, &tx);
        for left in left {
            let why = SubmitError::PoolFull(self.settings.pool.max_transactions);
            self.drop_pooled(left, &why);
        }
        Ok(hash)
    }

    /// Nonce and balance at the executed head.
    pub(super) fn account(&self, address: Address) -> Account {
        self.chain.account(&address).map_or(Account::default(), |a| Account { nonce: a.nonce, balance: a.balance })
    }

    /// A transaction leaves the pool unincluded: whoever waits for it is told.
    pub(super) fn drop_pooled(&self, pooled: Pooled, why: &SubmitError) {
        tracing::debug!(hash = %pooled.hash, %why, "dropped from the pool");
        self.shared.metrics.dropped.inc();
        self.shared.waiters.dropped(pooled.hash, why);
    }

    /// Brings every sender's queue in line with the chain, after blocks were taken back.
    pub(super) fn realign_pool(&mut self) {
        for sender in self.pool.senders() {
            let nonce = self.account(sender).nonce;
            for stale in self.pool.move_to(sender, nonce) {
                let why = SubmitError::NonceTooLow { tx: stale.nonce, state: nonce };
                self.drop_pooled(stale, &why);
            }
        }
    }
}

/// What a wallet is told when the executor refuses its transaction.
pub(super) fn submit_error(refusal: &Refusal) -> SubmitError {
    match refusal {
        Refusal::NonceTooLow { tx, state } => SubmitError::NonceTooLow { tx: *tx, state: *state },
        Refusal::NonceTooHigh { tx, state } => SubmitError::NonceTooHigh { tx: *tx, state: *state },
        Refusal::InsufficientFunds { have, want } => SubmitError::InsufficientFunds { have: *have, want: *want },
        Refusal::IntrinsicGas { have, want } => SubmitError::IntrinsicGas { have: *have, want: *want },
        Refusal::GasLimitTooHigh { limit, max } => SubmitError::GasLimit { limit: *limit, max: *max },
        Refusal::WrongChainId { have, want } => {
            SubmitError::WrongChainId { tx: have.unwrap_or_default(), chain: *want }
        }
        Refusal::Unsupported(ty) => SubmitError::UnsupportedType(*ty),
        Refusal::Fatal(_) => SubmitError::Internal,
        other => SubmitError::Invalid(other.to_string()),
    }
}
