//! Encoding, decoding and recovering transactions.

use crate::common::Wallet;
use alloy_consensus::{SignableTransaction, TxLegacy};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use mayfly_evm::{RecoveredTx, Transaction, TransactionError};
use op_alloy_consensus::TxDeposit;

fn deposit() -> TxDeposit {
    TxDeposit {
        source_hash: B256::repeat_byte(1),
        from: Address::repeat_byte(2),
        to: TxKind::Call(Address::repeat_byte(3)),
        mint: 7,
        value: U256::from(7),
        gas_limit: 21_000,
        is_system_transaction: false,
        input: Bytes::new(),
    }
}

#[test]
fn every_type_round_trips() {
    let wallet = Wallet::new(1);
    let mut txs = vec![Transaction::deposit(deposit()).recover().unwrap()];
    txs.extend(wallet.one_of_each_type(5));
    for tx in txs {
        let bytes = tx.tx.encode_2718();
        assert_eq!(bytes.len(), tx.tx.encoded_len());
        let back = RecoveredTx::decode(&bytes).unwrap();
        assert_eq!(back, tx);
        assert_eq!(back.hash(), alloy_primitives::keccak256(&bytes));
        let mut trailing = bytes.clone();
        trailing.push(0);
        assert_eq!(RecoveredTx::decode(&trailing), Err(TransactionError::NotCanonical));
        for cut in 0..bytes.len() {
            assert!(RecoveredTx::decode(&bytes[..cut]).is_err());
        }
    }
}

#[test]
fn refuses_blob_unprotected_and_high_s() {
    assert_eq!(Transaction::decode_exact(&[3, 0xc0]), Err(TransactionError::UnsupportedType(3)));
    assert_eq!(Transaction::decode_exact(&[5, 0xc0]), Err(TransactionError::UnsupportedType(5)));
    let wallet = Wallet::new(1);
    let unprotected = TxLegacy { gas_limit: 21_000, ..Default::default() };
    let tx = Transaction::Signed(wallet.sign(unprotected));
    assert_eq!(Transaction::decode_exact(&tx.encode_2718()), Err(TransactionError::Unprotected));

    let body = TxLegacy { chain_id: Some(5), gas_limit: 21_000, ..Default::default() };
    let low = wallet.sign_hash(body.signature_hash());
    let order =
        U256::from_be_bytes(alloy_primitives::hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));
    let high = Signature::new(low.r(), order - low.s(), !low.v());
    let tx = Transaction::Signed(body.clone().into_signed(high).into());
    assert_eq!(RecoveredTx::decode(&tx.encode_2718()), Err(TransactionError::Signature));
    let tx = Transaction::Signed(body.into_signed(low).into());
    assert_eq!(RecoveredTx::decode(&tx.encode_2718()).unwrap().sender, wallet.address);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(ty in 0u8..0x80, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = RecoveredTx::decode(&[&[ty][..], &bytes].concat());
        let _ = RecoveredTx::decode(&bytes);
    }

    /// What decodes is canonical: flipping a bit gives an error or another transaction, never the same one.
    #[test]
    fn no_second_encoding_decodes_to_the_same(at in 0usize..200, bit in 0u8..8) {
        for tx in Wallet::new(1).one_of_each_type(5) {
            let mut bytes = tx.tx.encode_2718();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            if let Ok(other) = Transaction::decode_exact(&bytes) {
                assert_ne!(other.tx_hash(), tx.hash());
                assert_eq!(other.encode_2718(), bytes);
            }
        }
    }
}
