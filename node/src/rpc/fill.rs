//! `eth_fillTransaction`: everything a wallet has to know before it signs, in one call.
//!
//! viem asks this first; the answer is `{ raw, tx }` with the transaction still unsigned.

use std::sync::Arc;

use alloy_consensus::transaction::Recovered;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Bytes, Signature, TxKind, U256};
use alloy_rpc_types_eth::{Transaction, TransactionRequest};
use mayfly_evm::{BlockContext, CallMessage};
use serde::Serialize;

use super::backend::Rollup;
use super::dispatch::{Call, Caller, Pending, Reply, Service, reply};
use super::errors::RpcError;
use super::params::{Json, Params};
use super::{accounts, call};

#[derive(Serialize)]
struct Filled {
    raw: Bytes,
    tx: Transaction,
}

/// `eth_fillTransaction`.
pub(crate) fn fill<'a>(service: &'a Service, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let mut params = Params::read(call.params)?;
        let Json(mut request) = params.required::<Json<TransactionRequest>>("transaction")?;
        params.end()?;
        if request.nonce.is_none() {
            let from = request.from.unwrap_or_default();
            request.nonce = Some(accounts::pending_nonce(&caller.rollup, from).await?);
        }
        let rollup = Arc::clone(&caller.rollup);
        service.heavy(caller, move || complete(&rollup, request)).await
    })
}

/// Everything but the nonce, which is there already.
fn complete(rollup: &Rollup, request: TransactionRequest) -> Reply {
    let from = request.from.unwrap_or_default();
    let wanted = Wanted::of(&request)?;
    let (nonce, gas) = (request.nonce.unwrap_or_default(), request.gas);
    let message = call::message(rollup, request)?;
    let gas = match gas {
        Some(gas) => gas,
        None => call::gas_needed(rollup, &message, &BlockContext::latest(), &[])?,
    };
    let envelope = wanted.build(rollup.chain_id, nonce, gas, message)?;
    let raw = Bytes::from(envelope.encoded_2718());
    let tx = Transaction {
        inner: Recovered::new_unchecked(envelope, from),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: None,
        block_timestamp: None,
    };
    reply(&Filled { raw, tx })
}

/// The EIP-2718 type a request asks for, by name or by its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Legacy,
    Eip2930,
    Eip1559,
    Eip7702,
}

impl Wanted {
    fn of(request: &TransactionRequest) -> Result<Self, RpcError> {
        Ok(match request.transaction_type {
            Some(0) => Self::Legacy,
            Some(1) => Self::Eip2930,
            Some(2) => Self::Eip1559,
            Some(4) => Self::Eip7702,
            Some(other) => return Err(RpcError::params(format!("transaction type not supported: {other:#04x}"))),
            None if request.authorization_list.is_some() => Self::Eip7702,
            None if request.gas_price.is_none() => Self::Eip1559,
            None if request.access_list.is_some() => Self::Eip2930,
            None => Self::Legacy,
        })
    }

    /// Fees default to 0; the signature is empty.
    fn build(self, chain_id: u64, nonce: u64, gas_limit: u64, message: CallMessage) -> Result<TxEnvelope, RpcError> {
        let unsigned = Signature::new(U256::ZERO, U256::ZERO, false);
        let CallMessage { to, value, data: input, access_list, authorization_list, .. } = message;
        let price = message.gas_price.unwrap_or(0);
        let tip = message.max_priority_fee_per_gas.unwrap_or(0);
        let kind = to.map_or(TxKind::Create, TxKind::Call);
        Ok(match self {
            Self::Legacy => {
                let chain_id = Some(chain_id);
                let tx = TxLegacy { chain_id, nonce, gas_price: price, gas_limit, to: kind, value, input };
                tx.into_signed(unsigned).into()
            }
            Self::Eip2930 => {
                let tx =
                    TxEip2930 { chain_id, nonce, gas_price: price, gas_limit, to: kind, value, access_list, input };
                tx.into_signed(unsigned).into()
            }
            Self::Eip1559 => TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price.max(tip),
                max_priority_fee_per_gas: tip,
                to: kind,
                value,
                access_list,
                input,
            }
            .into_signed(unsigned)
            .into(),
            Self::Eip7702 => TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price.max(tip),
                max_priority_fee_per_gas: tip,
                to: to.ok_or_else(|| RpcError::params("a type 0x04 transaction needs `to`"))?,
                value,
                access_list,
                authorization_list,
                input,
            }
            .into_signed(unsigned)
            .into(),
        })
    }
}
