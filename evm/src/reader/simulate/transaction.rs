//! A call as a transaction, and as the EVM sees it.

use super::{SimulatedTx, SimulationCall, SimulationError};
use crate::Refusal;
use alloy_consensus::{
    SignableTransaction, Signed, TxEip1559, TxEip4844, TxEip4844Variant, TxEip7702, TxEnvelope, TxLegacy,
};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use alloy_rlp::{Encodable, Header as RlpHeader};
use revm::{context::TxEnv, context_interface::either::Either};

/// What a call does not say itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) chain_id: u64,
    pub(super) nonce: u64,
    pub(super) gas: u64,
    /// Whether there are base fees.
    pub(super) london: bool,
    /// Whether what is offered is not paid.
    pub(super) free_gas: bool,
}

/// Prices per gas that a call offers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) max_fee: u128,
    pub(super) tip: u128,
    pub(super) blob_fee: u128,
}

impl Offer {
    pub(super) fn of(call: &SimulationCall) -> Self {
        let price = call.gas_price;
        Self {
            max_fee: price.or(call.max_fee_per_gas).unwrap_or_default(),
            tip: price.or(call.max_priority_fee_per_gas).unwrap_or_default(),
            blob_fee: call.max_fee_per_blob_gas.unwrap_or_default(),
        }
    }

    /// What of it is paid.
    pub(super) const fn paid(self, defaults: Defaults) -> Self {
        if defaults.free_gas { Self { max_fee: 0, tip: 0, ..self } } else { self }
    }

    /// Whether nothing is offered.
    pub(super) const fn is_free(&self) -> bool {
        self.max_fee == 0 && self.tip == 0
    }
}

/// Whether a call's fields fit together and are for this chain.
pub(super) fn check(call: &SimulationCall, chain_id: u64) -> Result<(), SimulationError> {
    if call.gas_price.is_some() && (call.max_fee_per_gas.is_some() || call.max_priority_fee_per_gas.is_some()) {
        let why = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        return Err(SimulationError::Call(why.into()));
    }
    match call.chain_id {
        Some(have) if have != chain_id => {
            Err(SimulationError::Call(format!("chainId does not match node's (have={have}, want={chain_id})")))
        }
        _ => Ok(()),
    }
}

/// The transaction a call stands for.
pub(super) fn transaction(call: &SimulationCall, defaults: Defaults) -> Result<SimulatedTx, SimulationError> {
    let unsigned = Signature::new(U256::ZERO, U256::ZERO, false);
    let Defaults { chain_id, nonce, gas: gas_limit, london, .. } = defaults;
    let Offer { max_fee: max_fee_per_gas, tip: max_priority_fee_per_gas, blob_fee: max_fee_per_blob_gas } =
        Offer::of(call);
    let SimulationCall { value, .. } = *call;
    let kind = call.to.map_or(TxKind::Create, TxKind::Call);
    let (input, access_list) = (call.data.clone(), call.access_list.clone());
    let sender = call.from;
    let callee = |what: &str| -> Result<Address, SimulationError> {
        call.to.ok_or_else(|| Refusal::Invalid(format!("a {what} transaction creates no contract")).into())
    };
    if call.gas_price.is_some() || !london {
        let tx = TxLegacy { chain_id: None, nonce, gas_price: max_fee_per_gas, gas_limit, to: kind, value, input };
        return Ok(legacy(tx, unsigned, sender));
    }
    let envelope: TxEnvelope = if let Some(authorization_list) = call.authorization_list.clone() {
        let to = callee("set-code")?;
        TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            authorization_list,
            input,
        }
        .into_signed(unsigned)
        .into()
    } else if let Some(blob_versioned_hashes) = call.blob_hashes.clone() {
        let to = callee("blob")?;
        let tx = TxEip4844 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value,
            access_list,
            blob_versioned_hashes,
            max_fee_per_blob_gas,
            input,
        };
        let tx: TxEip4844Variant = tx.into();
        tx.into_signed(unsigned).into()
    } else {
        TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: kind,
            value,
            access_list,
            input,
        }
        .into_signed(unsigned)
        .into()
    };
    let encoded = envelope.encoded_2718().into();
    Ok(SimulatedTx { envelope, sender, encoded })
}

/// A legacy transaction whose signature is three zeros. A signed one would have at least 27 for `v`.
fn legacy(tx: TxLegacy, unsigned: Signature, sender: Address) -> SimulatedTx {
    let zeros: [u8; 3] = [0; 3];
    let mut payload = Vec::new();
    tx.nonce.encode(&mut payload);
    tx.gas_price.encode(&mut payload);
    tx.gas_limit.encode(&mut payload);
    tx.to.encode(&mut payload);
    tx.value.encode(&mut payload);
    tx.input.encode(&mut payload);
    zeros.iter().for_each(|zero| zero.encode(&mut payload));
    let mut encoded = Vec::new();
    RlpHeader { list: true, payload_length: payload.len() }.encode(&mut encoded);
    encoded.extend(payload);
    let encoded = Bytes::from(encoded);
    let hash = keccak256(&encoded);
    SimulatedTx { envelope: TxEnvelope::Legacy(Signed::new_unchecked(tx, unsigned, hash)), sender, encoded }
}

/// The call as the EVM sees it. What it is made of counts whatever its type is.
pub(super) fn tx_env(call: &SimulationCall, defaults: Defaults) -> TxEnv {
    let offer = Offer::of(call).paid(defaults);
    let authorizations = call.authorization_list.iter().flatten().cloned().map(Either::Left).collect();
    let tx_type = match call {
        SimulationCall { authorization_list: Some(_), .. } => 4,
        SimulationCall { blob_hashes: Some(_), .. } => 3,
        SimulationCall { gas_price: None, .. } if defaults.london => 2,
        _ if !call.access_list.is_empty() => 1,
        _ => 0,
    };
    TxEnv {
        tx_type,
        caller: call.from,
        gas_limit: defaults.gas,
        gas_price: offer.max_fee,
        kind: call.to.map_or(TxKind::Create, TxKind::Call),
        value: call.value,
        data: call.data.clone(),
        nonce: defaults.nonce,
        chain_id: Some(defaults.chain_id),
        access_list: call.access_list.clone(),
        gas_priority_fee: (tx_type > 1).then_some(offer.tip),
        blob_hashes: call.blob_hashes.clone().unwrap_or_default(),
        max_fee_per_blob_gas: offer.blob_fee,
        authorization_list: authorizations,
    }
}
