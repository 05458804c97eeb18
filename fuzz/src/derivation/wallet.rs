//! Keys that sign what the input describes.

use crate::input::Input;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use mayfly_contracts::predeploys::{L2_BRIDGE, L2_MESSENGER, L2_REGISTRY};
use std::sync::LazyLock;

pub(super) static WALLETS: LazyLock<[Wallet; 3]> = LazyLock::new(|| [1, 2, 3].map(Wallet::new));

pub(super) struct Wallet {
    signer: PrivateKeySigner,
    pub(super) address: Address,
}

impl Wallet {
    fn new(seed: u8) -> Self {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(seed)).expect("a key");
        Self { address: signer.address(), signer }
    }

    fn sign_hash(&self, hash: B256) -> Signature {
        self.signer.sign_hash_sync(&hash).expect("a key in memory signs")
    }

    fn sign<T>(&self, tx: T) -> TxEnvelope
    where
        T: SignableTransaction<Signature>,
        TxEnvelope: From<alloy_consensus::Signed<T>>,
    {
        let signature = self.sign_hash(tx.signature_hash());
        tx.into_signed(signature).into()
    }

    /// The transaction that the input describes. Most are executable.
    pub(super) fn transaction(&self, input: &mut Input<'_>, chain_id: u64, nonce: u64) -> TxEnvelope {
        let (kind, fault) = (input.u8(), input.u8());
        let chain_id = if fault == 0xff { chain_id + 1 } else { chain_id };
        let nonce = if fault == 0xfe { nonce + 1 } else { nonce };
        let gas_limit = 21_000 + 8 * u64::from(input.u16());
        let value = U256::from(if fault == 0xfd { u64::MAX } else { u64::from(input.u8() % 4) });
        let to = self.target(input);
        let data: Bytes = input.bytes().to_vec().into();
        match kind % 4 {
            0 => {
                let chain_id = Some(chain_id);
                // Gas is free, whatever is offered.
                let gas_price = u128::from(nonce % 3);
                self.sign(TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input: data })
            }
            1 => self.sign(TxEip2930 { chain_id, nonce, gas_limit, to, value, input: data, ..Default::default() }),
            2 => self.sign(TxEip1559 { chain_id, nonce, gas_limit, to, value, input: data, ..Default::default() }),
            _ => {
                let authority = &WALLETS[usize::from(kind >> 2) % WALLETS.len()];
                let address = to.to().copied().unwrap_or_default();
                let own = u64::from(authority.address == self.address);
                let allowed = Authorization { chain_id: U256::from(chain_id), address, nonce: nonce + own };
                let signature = authority.sign_hash(allowed.signature_hash());
                self.sign(TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    to: authority.address,
                    value,
                    input: data,
                    authorization_list: vec![allowed.into_signed(signature)],
                    ..Default::default()
                })
            }
        }
    }

    /// Contracts of this wallet, predeploys, precompiles, wallets, or a creation.
    fn target(&self, input: &mut Input<'_>) -> TxKind {
        let (kind, number) = (input.u8(), input.u8());
        TxKind::Call(match kind % 6 {
            0 => return TxKind::Create,
            1 => self.address.create(number.into()),
            2 => [L2_BRIDGE, L2_MESSENGER, L2_REGISTRY][usize::from(number) % 3],
            3 => Address::with_last_byte(number),
            4 => WALLETS[usize::from(number) % WALLETS.len()].address,
            _ => Address::repeat_byte(number),
        })
    }
}
