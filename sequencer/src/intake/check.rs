//! What can be said about a transaction without state.

use std::time::Instant;

use mayfly_evm::{RecoveredTx, Transaction};

use super::intrinsic::intrinsic_gas;
use crate::error::SubmitError;
use crate::origin::Origin;
use crate::pool::Pooled;

/// The longest transaction taken, as long as what can be forced through L1.
pub const MAX_TRANSACTION_BYTES: usize = 131_072;
/// EIP-7825: no transaction may have more gas.
const MAX_TRANSACTION_GAS: u64 = 1 << 24;
/// EIP-3860.
const MAX_INIT_CODE_BYTES: usize = 49_152;

/// What the rules depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) chain_id: u64,
    pub(crate) block_gas_limit: u64,
}

impl Rules {
    /// Decodes `raw`, checks what needs no state and recovers the sender.
    pub(crate) fn check(&self, raw: &[u8], origin: Origin, at: Instant) -> Result<Pooled, SubmitError> {
        if raw.len() > MAX_TRANSACTION_BYTES {
            return Err(SubmitError::Oversized { size: raw.len(), max: MAX_TRANSACTION_BYTES });
        }
        let tx = Transaction::decode_exact(raw)?;
        self.check_fields(&tx)?;
        let recovered = tx.recover()?;
        Ok(describe(recovered, raw.len(), origin, at))
    }

    fn check_fields(&self, tx: &Transaction) -> Result<(), SubmitError> {
        if tx.is_deposit() {
            return Err(SubmitError::UnsupportedType(tx.ty()));
        }
        if tx.chain_id() != Some(self.chain_id) {
            return Err(SubmitError::WrongChainId { tx: tx.chain_id().unwrap_or_default(), chain: self.chain_id });
        }
        let max = MAX_TRANSACTION_GAS.min(self.block_gas_limit);
        if tx.gas_limit() > max {
            return Err(SubmitError::GasLimit { limit: tx.gas_limit(), max });
        }
        let want = intrinsic_gas(tx);
        if tx.gas_limit() < want {
            return Err(SubmitError::IntrinsicGas { have: tx.gas_limit(), want });
        }
        if tx.to().is_none() && tx.input().len() > MAX_INIT_CODE_BYTES {
            return Err(SubmitError::Invalid(format!(
                "max initcode size exceeded: code size {}, limit {MAX_INIT_CODE_BYTES}",
                tx.input().len()
            )));
        }
        if let Some(tip) = tx.max_priority_fee_per_gas().filter(|tip| *tip > tx.max_fee_per_gas()) {
            let cap = tx.max_fee_per_gas();
            return Err(SubmitError::Invalid(format!(
                "max priority fee per gas higher than max fee per gas: tip {tip}, fee cap {cap}"
            )));
        }
        if tx.nonce() == u64::MAX {
            return Err(SubmitError::Invalid(format!("nonce has max value: {}", u64::MAX)));
        }
        if tx.authorization_list().is_some_and(|list| list.is_empty()) {
            return Err(SubmitError::Invalid("set code transaction with 0 authorizations".to_owned()));
        }
        Ok(())
    }
}

/// What the pool asks about a recovered transaction.
pub(crate) fn describe(recovered: RecoveredTx, size_bytes: usize, origin: Origin, at: Instant) -> Pooled {
    let tx = &recovered.tx;
    let max_fee = tx.max_fee_per_gas();
    Pooled {
        hash: tx.tx_hash(),
        sender: recovered.sender,
        origin,
        nonce: tx.nonce(),
        gas_limit: tx.gas_limit(),
        size_bytes,
        max_fee,
        tip: tx.max_priority_fee_per_gas().unwrap_or(max_fee),
        // Gas is free, whatever is offered for it.
        cost: tx.value(),
        at,
        grant: None,
        tx: recovered.into(),
    }
}
