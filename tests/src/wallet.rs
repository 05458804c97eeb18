//! A key that signs transactions, and nothing else.

use alloy_consensus::crypto::secp256k1::sign_message;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, TxEnvelope};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use mayfly_evm::{RecoveredTx, Transaction};
use std::sync::Arc;

/// A key, its address, and the nonce that it signs next.
#[derive(Clone, Debug)]
pub struct Wallet {
    secret: B256,
    /// Its address.
    pub address: Address,
    /// Its next nonce.
    pub nonce: u64,
}

/// What to send.
#[derive(Clone, Debug)]
pub struct Message {
    /// To whom; none: a contract creation.
    pub to: Option<Address>,
    /// With how much wei.
    pub value: U256,
    /// With which input.
    pub input: Bytes,
    /// Gas limit.
    pub gas: u64,
    /// Wei per gas, as tip and as cap.
    pub price: u128,
}

impl Message {
    /// A call.
    pub fn call(to: Address, input: impl Into<Bytes>) -> Self {
        Self { to: Some(to), value: U256::ZERO, input: input.into(), gas: 400_000, price: 0 }
    }

    /// A contract creation.
    pub fn create(code: impl Into<Bytes>) -> Self {
        Self { to: None, value: U256::ZERO, input: code.into(), gas: 5_000_000, price: 0 }
    }

    /// The same with a payment.
    #[must_use]
    pub fn paying(self, value: U256) -> Self {
        Self { value, ..self }
    }
}

impl Wallet {
    /// The wallet of a seed.
    pub fn new(seed: u64) -> Self {
        let secret = keccak256(seed.to_be_bytes());
        let probe = keccak256(secret);
        let address = sign_message(secret, probe).unwrap().recover_address_from_prehash(&probe).unwrap();
        Self { secret, address, nonce: 0 }
    }

    /// A signed EIP-1559 transaction under the next nonce, as the chain takes it.
    pub fn sign(&mut self, chain_id: u64, message: &Message) -> Arc<RecoveredTx> {
        recovered(self.sign_envelope(chain_id, message))
    }

    /// The same as a wallet would send it.
    pub fn sign_envelope(&mut self, chain_id: u64, message: &Message) -> TxEnvelope {
        let transaction = TxEip1559 {
            chain_id,
            nonce: self.nonce,
            gas_limit: message.gas,
            max_fee_per_gas: message.price,
            max_priority_fee_per_gas: message.price,
            to: message.to.map_or(TxKind::Create, TxKind::Call),
            value: message.value,
            input: message.input.clone(),
            access_list: Default::default(),
        };
        self.nonce += 1;
        let signature = sign_message(self.secret, transaction.signature_hash()).unwrap();
        transaction.into_signed(signature).into()
    }

    /// A transaction that delegates this account to `code` (EIP-7702), sent by itself.
    pub fn delegate(&mut self, chain_id: u64, code: Address) -> Arc<RecoveredTx> {
        let authorization = Authorization { chain_id: U256::from(chain_id), address: code, nonce: self.nonce + 1 };
        let signature = sign_message(self.secret, authorization.signature_hash()).unwrap();
        let transaction = TxEip7702 {
            chain_id,
            nonce: self.nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 0,
            max_priority_fee_per_gas: 0,
            to: self.address,
            value: U256::ZERO,
            input: Bytes::new(),
            access_list: Default::default(),
            authorization_list: vec![SignedAuthorization::new_unchecked(
                authorization,
                u8::from(signature.v()),
                signature.r(),
                signature.s(),
            )],
        };
        self.nonce += 2;
        let signature = sign_message(self.secret, transaction.signature_hash()).unwrap();
        recovered(transaction.into_signed(signature).into())
    }
}

fn recovered(envelope: TxEnvelope) -> Arc<RecoveredTx> {
    Arc::new(Transaction::Signed(envelope).recover().unwrap())
}
