//! A transaction taken apart into what the columns carry.

use super::limits::MAX_ITEM_BYTES;
use super::numbers::split_amount;
use crate::error::BatchError;
use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Signature, TxKind, U256};
use alloy_rlp::Encodable;

/// Order of secp256k1.
const ORDER: U256 =
    U256::from_be_bytes(alloy_primitives::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
/// Half of it: the largest `s` (EIP-2).
const HALF_ORDER: U256 =
    U256::from_be_bytes(alloy_primitives::hex!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"));

/// Borrowed parts of a signed transaction.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) ty: u8,
    pub(super) chain_id: Option<u64>,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    /// Gas price of types 0 and 1, maximum fee of types 2 and 4.
    pub(super) fee: u128,
    /// Priority fee of types 2 and 4.
    pub(super) tip: u128,
    pub(super) to: TxKind,
    pub(super) value: U256,
    pub(super) input: &'a [u8],
    pub(super) access_list: Option<&'a AccessList>,
    pub(super) authorizations: &'a [SignedAuthorization],
    pub(super) signature: &'a Signature,
}

impl<'a> Fields<'a> {
    /// Takes `tx` apart; refuses types that no batch carries and signatures that no chain accepts.
    pub(super) fn of(tx: &'a TxEnvelope) -> Result<Self, BatchError> {
        let ty = tx.tx_type() as u8;
        if !matches!(ty, 0 | 1 | 2 | 4) {
            return Err(BatchError::UnsupportedType(ty));
        }
        let signature = tx.signature();
        check_signature(signature)?;
        Ok(Self {
            ty,
            chain_id: tx.chain_id(),
            nonce: tx.nonce(),
            gas_limit: tx.gas_limit(),
            fee: tx.max_fee_per_gas(),
            tip: tx.max_priority_fee_per_gas().unwrap_or(0),
            to: tx.kind(),
            value: tx.value(),
            input: tx.input(),
            access_list: tx.access_list().filter(|list| !list.is_empty()),
            authorizations: tx.authorization_list().unwrap_or_default(),
            signature,
        })
    }

    /// Whether the columns can express the transaction; if not, it travels verbatim.
    pub(super) fn is_columnar(&self, chain_id: u64) -> bool {
        let list_bytes = self.access_list.map_or(0, Encodable::length);
        self.chain_id == Some(chain_id)
            && chain_id != 0
            && self.input.len() <= MAX_ITEM_BYTES
            && list_bytes <= MAX_ITEM_BYTES
            && (self.ty != 4 || authorizations_len(self.authorizations) <= MAX_ITEM_BYTES)
            && split_amount(self.value).is_some()
    }
}

/// Refuses `r` or `s` of 0 or past the order, and an `s` in its upper half.
pub(super) fn check_signature(signature: &Signature) -> Result<(), BatchError> {
    let (r, s) = (signature.r(), signature.s());
    if r.is_zero() || r >= ORDER || s.is_zero() || s > HALF_ORDER {
        return Err(BatchError::Signature { r, s });
    }
    Ok(())
}

fn authorizations_len(list: &[SignedAuthorization]) -> usize {
    alloy_rlp::list_length(list)
}
