//! Transactions to L1: what is wanted, and the signed bytes.

use std::sync::Arc;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844, TxEip4844WithSidecar, TxEnvelope};
use alloy_eips::{
    eip2718::Encodable2718,
    eip4844::Blob,
    eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant},
};
use alloy_primitives::{Address, B256, Bytes, TxKind as Target, U256};

use tokio::sync::OnceCell;

use crate::{Fees, Key, L1Error, offload::background};

/// Most blobs in one transaction (EIP-7594).
pub(crate) const MAX_BLOBS: usize = 6;

/// Which of an account's two pool slots a transaction takes; replacements stay in their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TxKind {
    /// EIP-1559.
    Plain,
    /// EIP-4844.
    Blob,
}

/// What a transaction shall do.
#[derive(Debug, Clone, Default)]
pub struct TxIntent {
    /// The called account; none deploys `data`.
    pub to: Option<Address>,
    /// Wei sent along.
    pub value: U256,
    /// Calldata or init code.
    pub data: Bytes,
    /// Blobs, 0 to 6.
    pub blobs: Blobs,
}

/// The blobs of one transaction. Commitment and proofs of each take a good part of a second: they are computed once, off the
/// async threads, and clones share them.
#[derive(Debug, Clone, Default)]
pub struct Blobs(Arc<BlobsInner>);

#[derive(Debug, Default)]
struct BlobsInner {
    blobs: Vec<Blob>,
    sidecar: OnceCell<BlobTransactionSidecarEip7594>,
}

impl From<Vec<Blob>> for Blobs {
    fn from(blobs: Vec<Blob>) -> Self {
        Self(Arc::new(BlobsInner { blobs, sidecar: OnceCell::new() }))
    }
}

impl Blobs {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.blobs.is_empty()
    }

    /// Computes what signing needs, so that it does not take long later.
    ///
    /// # Errors
    /// [`L1Error::Kzg`], if there are too many, say.
    pub async fn prepare(&self) -> Result<(), L1Error> {
        self.sidecar().await.map(drop)
    }

    /// Commitments and cell proofs (EIP-7594).
    pub(crate) async fn sidecar(&self) -> Result<&BlobTransactionSidecarEip7594, L1Error> {
        self.0.sidecar.get_or_try_init(|| self.prove()).await
    }

    /// Each blob by itself: on a busy machine, work in the background that waits for too long is begun once more.
    async fn prove(&self) -> Result<BlobTransactionSidecarEip7594, L1Error> {
        let count = self.0.blobs.len();
        if count > MAX_BLOBS {
            return Err(L1Error::Kzg(format!("{count} blobs, at most {MAX_BLOBS} fit")));
        }
        let mut all = BlobTransactionSidecarEip7594::default();
        all.blobs.reserve_exact(count);
        for index in 0..count {
            let inner = Arc::clone(&self.0);
            let prove = move || BlobTransactionSidecarEip7594::try_from_blobs(inner.blobs[index..=index].to_vec());
            let made = background(prove).await.map_err(|error| L1Error::Kzg(error.to_string()))?;
            let one = made.map_err(|error| L1Error::Kzg(format!("{error:?}")))?;
            all.blobs.extend(one.blobs);
            all.commitments.extend(one.commitments);
            all.cell_proofs.extend(one.cell_proofs);
        }
        Ok(all)
    }
}

impl TxIntent {
    /// A call without value.
    pub fn call(to: Address, data: impl Into<Bytes>) -> Self {
        Self { to: Some(to), data: data.into(), ..Self::default() }
    }

    /// A deployment.
    pub fn deploy(init_code: impl Into<Bytes>) -> Self {
        Self { data: init_code.into(), ..Self::default() }
    }

    /// Sends wei along.
    #[must_use]
    pub fn with_value(mut self, value: U256) -> Self {
        self.value = value;
        self
    }

    /// Carries blobs.
    #[must_use]
    pub fn with_blobs(mut self, blobs: Vec<Blob>) -> Self {
        self.blobs = blobs.into();
        self
    }

    /// Its kind.
    pub fn kind(&self) -> TxKind {
        if self.blobs.is_empty() { TxKind::Plain } else { TxKind::Blob }
    }
}

/// A signed transaction that was not sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTx {
    /// What goes to the pool; with blobs, commitments and cell proofs if there are blobs.
    pub raw: Bytes,
    /// Transaction hash.
    pub hash: B256,
    /// Its nonce.
    pub nonce: u64,
    /// Its gas limit.
    pub gas_limit: u64,
    /// Its fees.
    pub fees: Fees,
    /// Its kind.
    pub kind: TxKind,
    /// Versioned hashes of its blobs.
    pub blob_hashes: Vec<B256>,
}

impl SignedTx {
    /// Most wei it can cost, value apart.
    pub fn max_cost(&self) -> u128 {
        let gas = u128::from(self.gas_limit).saturating_mul(self.fees.max_fee_per_gas);
        let blob_gas = u128::from(alloy_eips::eip4844::DATA_GAS_PER_BLOB) * self.blob_hashes.len() as u128;
        gas.saturating_add(blob_gas.saturating_mul(self.fees.max_fee_per_blob_gas))
    }
}

/// Everything a signature covers besides the intent.
pub(crate) struct Terms {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    pub(crate) fees: Fees,
}

pub(crate) fn sign_plain(key: &Key, intent: &TxIntent, terms: Terms) -> Result<SignedTx, L1Error> {
    let Terms { chain_id, nonce, gas_limit, fees } = terms;
    let tx = TxEip1559 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: fees.max_fee_per_gas,
        max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
        to: intent.to.map_or(Target::Create, Target::Call),
        value: intent.value,
        access_list: Default::default(),
        input: intent.data.clone(),
    };
    let signature = key.sign_hash(&tx.signature_hash())?;
    let signed = TxEnvelope::from(tx.into_signed(signature));
    Ok(SignedTx {
        raw: signed.encoded_2718().into(),
        hash: *signed.tx_hash(),
        nonce,
        gas_limit,
        fees,
        kind: TxKind::Plain,
        blob_hashes: Vec::new(),
    })
}

pub(crate) fn sign_blobs(
    key: &Key,
    intent: &TxIntent,
    sidecar: BlobTransactionSidecarEip7594,
    terms: Terms,
) -> Result<SignedTx, L1Error> {
    let Terms { chain_id, nonce, gas_limit, fees } = terms;
    let to = intent.to.ok_or_else(|| L1Error::Config("a blob transaction cannot deploy".into()))?;
    let blob_hashes: Vec<B256> = sidecar.versioned_hashes().collect();
    let tx = TxEip4844 {
        chain_id,
        nonce,
        gas_limit,
        max_fee_per_gas: fees.max_fee_per_gas,
        max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
        to,
        value: intent.value,
        access_list: Default::default(),
        blob_versioned_hashes: blob_hashes.clone(),
        max_fee_per_blob_gas: fees.max_fee_per_blob_gas,
        input: intent.data.clone(),
    };
    let signature = key.sign_hash(&tx.signature_hash())?;
    let sidecar = BlobTransactionSidecarVariant::Eip7594(sidecar);
    let with_blobs = TxEip4844WithSidecar::from_tx_and_sidecar(tx, sidecar);
    let signed = TxEnvelope::from(with_blobs.into_signed(signature));
    Ok(SignedTx {
        raw: signed.encoded_2718().into(),
        hash: *signed.tx_hash(),
        nonce,
        gas_limit,
        fees,
        kind: TxKind::Blob,
        blob_hashes,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn proofs_of_blobs_are_computed_once() {
        let intent = TxIntent::call(Address::ZERO, vec![]).with_blobs(vec![Blob::ZERO]);
        assert!(intent.blobs.0.sidecar.get().is_none());
        intent.blobs.prepare().await.unwrap();
        let again = intent.clone();
        assert!(std::ptr::eq(intent.blobs.sidecar().await.unwrap(), again.blobs.sidecar().await.unwrap()));
        // Of a constant, all proofs are the same.
        let two: Vec<Blob> = [63, 95].map(|at| Blob::new(std::array::from_fn(|index| u8::from(index == at)))).into();
        let together = BlobTransactionSidecarEip7594::try_from_blobs(two.clone()).unwrap();
        assert_eq!(Blobs::from(two).sidecar().await.unwrap(), &together, "in their order");
        let seven = Blobs::from(vec![Blob::ZERO; 7]);
        assert!(matches!(seven.prepare().await, Err(L1Error::Kzg(_))));
    }
}
