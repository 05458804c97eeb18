//! Transactions that wait for a block of somebody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_consensus::{Signed, TxEnvelope};
use alloy_eips::eip4844::env_settings::EnvKzgSettings;
use alloy_primitives::{Address, B256, U256};
use mayfly_evm::{ChainReader, RecoveredTx, Refusal, Transaction, TransactionError};

/// Transactions the pool holds.
const MAX_TRANSACTIONS: usize = 4_096;
/// Transactions of one sender.
const MAX_OF_SENDER: usize = 64;
/// Largest transaction, and with its blobs.
const MAX_BYTES: usize = 128 * 1024;
const MAX_BLOB_BYTES: usize = 2 << 20;
/// What a replacement has to pay more, in percent.
const BUMP_PERCENT: u128 = 10;
const BLOB_BUMP_PERCENT: u128 = 100;

/// Why a transaction is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MempoolError {
    /// It is not a transaction.
    #[error("{0}")]
    Transaction(#[from] TransactionError),
    /// No block on the head could hold it.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// It is there.
    #[error("already known")]
    AlreadyKnown,
    /// One with the same nonce pays as much, or nearly.
    #[error("replacement transaction underpriced: at least {0} % more")]
    Underpriced(u128),
    /// No room.
    #[error("txpool is full: {0} transactions wait")]
    Full(usize),
    /// Too long.
    #[error("oversized data: transaction of {size} bytes, limit {max}")]
    TooLarge {
        /// Its length.
        size: usize,
        /// The most.
        max: usize,
    },
    /// Blobs that do not belong to their hashes, or none.
    #[error("invalid blobs: {0}")]
    Blobs(String),
}

/// By sender and nonce.
#[derive(Debug, Default)]
pub(super) struct Mempool {
    by_sender: BTreeMap<Address, BTreeMap<u64, Arc<RecoveredTx>>>,
}

/// A copy of what waits: by sender and nonce.
#[derive(Debug, Default)]
pub(crate) struct MempoolContent {
    /// Those that follow from the state.
    pub(crate) pending: BTreeMap<Address, BTreeMap<u64, Arc<RecoveredTx>>>,
    /// Those that wait for a missing nonce.
    pub(crate) queued: BTreeMap<Address, BTreeMap<u64, Arc<RecoveredTx>>>,
}

impl MempoolContent {
    /// What can be executed, in nonce order, the best payer first.
    pub(super) fn executable(self) -> Vec<Arc<RecoveredTx>> {
        let mut senders: Vec<Vec<Arc<RecoveredTx>>> =
            self.pending.into_values().map(|by_nonce| by_nonce.into_values().rev().collect()).collect();
        let mut ordered = Vec::new();
        // The last of each is its next.
        while let Some(best) = senders.iter_mut().max_by_key(|sender| sender.last().map(|tx| tip(tx))) {
            match best.pop() {
                Some(tx) => ordered.push(tx),
                None => break,
            }
        }
        ordered
    }
}

fn tip(tx: &RecoveredTx) -> u128 {
    tx.tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.tx.max_fee_per_gas())
}

/// Whether a replacement's fee is so much higher.
fn outbids(new: u128, old: u128, percent: u128) -> bool {
    U256::from(new) * U256::from(100) >= U256::from(old) * U256::from(100 + percent)
}

impl Mempool {
    pub(super) fn get(&self, hash: &B256) -> Option<Arc<RecoveredTx>> {
        self.by_sender.values().flat_map(BTreeMap::values).find(|tx| tx.hash() == *hash).map(Arc::clone)
    }

    pub(super) fn insert(&mut self, tx: Arc<RecoveredTx>) -> Result<B256, MempoolError> {
        let hash = tx.hash();
        let all: usize = self.by_sender.values().map(BTreeMap::len).sum();
        let of_sender = self.by_sender.get(&tx.sender).map_or(0, BTreeMap::len);
        let nonce = tx.tx.nonce();
        match self.by_sender.get(&tx.sender).and_then(|waiting| waiting.get(&nonce)) {
            Some(other) if other.hash() == hash => return Err(MempoolError::AlreadyKnown),
            Some(other) => {
                let percent = if tx.tx.blob_hashes().is_empty() { BUMP_PERCENT } else { BLOB_BUMP_PERCENT };
                let blob_fee = |tx: &RecoveredTx| tx.tx.max_fee_per_blob_gas().unwrap_or_default();
                let fees = [
                    (tx.tx.max_fee_per_gas(), other.tx.max_fee_per_gas()),
                    (tip(&tx), tip(other)),
                    (blob_fee(&tx), blob_fee(other)),
                ];
                if !fees.iter().all(|(new, old)| outbids(*new, *old, percent)) {
                    return Err(MempoolError::Underpriced(percent));
                }
            }
            None if all >= MAX_TRANSACTIONS => return Err(MempoolError::Full(all)),
            None if of_sender >= MAX_OF_SENDER => return Err(MempoolError::Full(of_sender)),
            None => {}
        }
        self.by_sender.entry(tx.sender).or_default().insert(nonce, tx);
        Ok(hash)
    }

    pub(super) fn next_nonce(&self, address: &Address, state: u64) -> u64 {
        let Some(waiting) = self.by_sender.get(address) else { return state };
        let mut next = state;
        while waiting.contains_key(&next) {
            next += 1;
        }
        next
    }

    pub(super) fn content(&self, nonce_of: impl Fn(&Address) -> u64) -> MempoolContent {
        let mut content = MempoolContent::default();
        for (sender, waiting) in self.by_sender.iter().filter(|(_, waiting)| !waiting.is_empty()) {
            let next = self.next_nonce(sender, nonce_of(sender));
            for (nonce, tx) in waiting {
                let part = if *nonce < next { &mut content.pending } else { &mut content.queued };
                part.entry(*sender).or_default().insert(*nonce, tx.clone());
            }
        }
        content
    }
}

/// Reads a transaction and checks what can be told from the head's state.
pub(super) fn check(reader: &ChainReader, raw: &[u8]) -> Result<RecoveredTx, MempoolError> {
    let max = if raw.first() == Some(&mayfly_evm::BLOB_TX_TYPE) { MAX_BLOB_BYTES } else { MAX_BYTES };
    if raw.len() > max {
        return Err(MempoolError::TooLarge { size: raw.len(), max });
    }
    let tx = without_blobs(Transaction::decode_ethereum(raw)?)?.recover()?;
    let refuse = |refusal| Err(MempoolError::Refused(Box::new(refusal)));
    let (head, spec) = (reader.head(), reader.spec());
    let have = tx.tx.chain_id();
    if have.is_some_and(|id| id != spec.chain_id) {
        return refuse(Refusal::WrongChainId { have, want: spec.chain_id });
    }
    if !spec.transaction_types.contains(&tx.tx.ty()) {
        return refuse(Refusal::Unsupported(tx.tx.ty()));
    }
    let (limit, most) = (tx.tx.gas_limit(), head.header.gas_limit.min(mayfly_evm::TX_GAS_LIMIT_CAP));
    if tx.tx.max_fee_per_gas() == 0 && head.header.base_fee_per_gas.is_some() {
        return refuse(Refusal::FeeTooLow { max_fee: 0, base_fee: head.header.base_fee_per_gas.unwrap_or_default() });
    }
    if tx.tx.nonce() == u64::MAX {
        return refuse(Refusal::Invalid("nonce has max value".into()));
    }
    if limit > most {
        return refuse(Refusal::GasLimitTooHigh { limit, max: most });
    }
    if let Some(priority) = tx.tx.max_priority_fee_per_gas().filter(|tip| *tip > tx.tx.max_fee_per_gas()) {
        return refuse(Refusal::TipAboveFee { tip: priority, max_fee: tx.tx.max_fee_per_gas() });
    }
    let account = reader.account(&tx.sender).unwrap_or_default();
    if tx.tx.nonce() < account.nonce {
        return refuse(Refusal::NonceTooLow { tx: tx.tx.nonce(), state: account.nonce });
    }
    let fees = U256::from(limit).saturating_mul(U256::from(tx.tx.max_fee_per_gas()));
    let blobs =
        U256::from(tx.tx.blob_gas()).saturating_mul(U256::from(tx.tx.max_fee_per_blob_gas().unwrap_or_default()));
    let want = fees.saturating_add(blobs).saturating_add(tx.tx.value());
    if account.balance < want {
        return refuse(Refusal::InsufficientFunds { have: account.balance, want });
    }
    match reader.intrinsic_gas(&tx) {
        want if limit < want => refuse(Refusal::IntrinsicGas { have: limit, want }),
        _ => Ok(tx),
    }
}

/// Checks the blobs that travel with a transaction, and leaves them behind.
pub(crate) fn without_blobs(tx: Transaction) -> Result<Transaction, MempoolError> {
    let Transaction::Signed(TxEnvelope::Eip4844(signed)) = tx else { return Ok(tx) };
    signed.tx().validate(EnvKzgSettings::Default.get()).map_err(|error| MempoolError::Blobs(error.to_string()))?;
    let (tx, signature, hash) = signed.into_parts();
    Ok(Transaction::Signed(TxEnvelope::Eip4844(Signed::new_unchecked(tx.drop_sidecar(), signature, hash))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_pays_ten_percent_more_or_stays_outside() {
        assert!(outbids(110, 100, BUMP_PERCENT) && outbids(0, 0, BUMP_PERCENT));
        assert!(!outbids(109, 100, BUMP_PERCENT) && !outbids(50, 50, BUMP_PERCENT) && !outbids(1, 1, BUMP_PERCENT));
        assert!(outbids(200, 100, BLOB_BUMP_PERCENT) && !outbids(199, 100, BLOB_BUMP_PERCENT));
        assert!(!outbids(u128::MAX, u128::MAX, BUMP_PERCENT));
    }
}
