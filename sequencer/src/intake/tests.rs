#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::mpsc;
use std::time::Instant;

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};

use super::check::MAX_TRANSACTION_BYTES;
use super::intrinsic::intrinsic_gas;
use super::{Intake, IntakeParts, Rules};
use crate::admission::{Admission, AdmissionConfig};
use crate::error::SubmitError;
use crate::origin::Origin;

const CHAIN: u64 = 1_234;

fn rules() -> Rules {
    Rules { chain_id: CHAIN, block_gas_limit: 1 << 24 }
}

fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap()
}

fn sign<T: SignableTransaction<Signature>>(tx: T) -> Vec<u8>
where
    TxEnvelope: From<alloy_consensus::Signed<T>>,
{
    let signature = key().sign_hash_sync(&tx.signature_hash()).unwrap();
    TxEnvelope::from(tx.into_signed(signature)).encoded_2718()
}

fn plain() -> TxEip1559 {
    TxEip1559 { chain_id: CHAIN, gas_limit: 21_000, to: TxKind::Call(Address::ZERO), ..Default::default() }
}

fn refused(raw: &[u8]) -> SubmitError {
    rules().check(raw, Origin::Local, Instant::now()).unwrap_err()
}

#[test]
fn takes_every_type_a_wallet_sends() {
    let to = TxKind::Call(Address::ZERO);
    let legacy = TxLegacy { chain_id: Some(CHAIN), gas_limit: 21_000, gas_price: 3, to, ..Default::default() };
    let listed = TxEip2930 { chain_id: CHAIN, gas_limit: 21_000, to, ..Default::default() };
    for raw in [sign(legacy), sign(listed), sign(plain())] {
        let pooled = rules().check(&raw, Origin::Local, Instant::now()).unwrap();
        assert_eq!(pooled.sender, key().address());
        assert_eq!(pooled.hash, alloy_primitives::keccak256(&raw));
        assert_eq!(pooled.size_bytes, raw.len());
    }
}

#[test]
fn names_what_is_wrong() {
    assert_eq!(
        refused(&sign(TxEip1559 { chain_id: 1, ..plain() })).to_string(),
        "invalid chain id for signer: have 1, want 1234"
    );
    let low = refused(&sign(TxEip1559 { gas_limit: 20_999, ..plain() }));
    assert_eq!(low.to_string(), "intrinsic gas too low: have 20999, want 21000");
    let high = refused(&sign(TxEip1559 { gas_limit: (1 << 24) + 1, ..plain() }));
    assert_eq!(high, SubmitError::GasLimit { limit: (1 << 24) + 1, max: 1 << 24 });
    let tip = refused(&sign(TxEip1559 { max_priority_fee_per_gas: 2, max_fee_per_gas: 1, ..plain() }));
    assert!(tip.to_string().contains("max priority fee per gas higher than max fee per gas"), "{tip}");
    let code = TxEip1559 { to: TxKind::Create, gas_limit: 1 << 24, input: vec![0; 49_153].into(), ..plain() };
    assert!(refused(&sign(code)).to_string().contains("max initcode size exceeded"));
    let nobody = TxEip7702 { chain_id: CHAIN, gas_limit: 100_000, ..Default::default() };
    assert!(refused(&sign(nobody)).to_string().contains("0 authorizations"));
    assert!(matches!(refused(&[0x7e, 0xc0]), SubmitError::Invalid(_)));
    assert_eq!(refused(&[0x03, 0xc0]), SubmitError::UnsupportedType(3));
    assert!(matches!(refused(&[]), SubmitError::Invalid(_)));
    let long = vec![2; MAX_TRANSACTION_BYTES + 1];
    assert_eq!(refused(&long), SubmitError::Oversized { size: MAX_TRANSACTION_BYTES + 1, max: MAX_TRANSACTION_BYTES });
    let unprotected = TxLegacy { gas_limit: 21_000, to: TxKind::Call(Address::ZERO), ..Default::default() };
    assert!(refused(&sign(unprotected)).to_string().contains("replay-protected"));
    let mut trailing = sign(plain());
    trailing.push(0);
    assert!(matches!(refused(&trailing), SubmitError::Invalid(_)));
}

#[test]
fn refuses_a_signature_without_a_signer() {
    let signature = Signature::new(U256::from(1), U256::ZERO, false);
    let raw = TxEnvelope::from(plain().into_signed(signature)).encoded_2718();
    assert!(matches!(refused(&raw), SubmitError::InvalidSignature(_)), "{}", refused(&raw));
}

#[test]
fn intrinsic_gas_counts_what_the_eips_name() {
    let gas = |tx: TxEip1559| {
        let raw = sign(tx);
        intrinsic_gas(&mayfly_evm::Transaction::decode_exact(&raw).unwrap())
    };
    assert_eq!(gas(plain()), 21_000);
    // EIP-7623: the floor of 10 a token is above the usual 4.
    assert_eq!(gas(TxEip1559 { input: Bytes::from_static(&[0, 1]), ..plain() }), 21_000 + 10 * 5);
    let code = TxEip1559 { to: TxKind::Create, input: Bytes::from_static(&[0; 33]), ..plain() };
    assert_eq!(gas(code), 21_000 + 32_000 + 2 * 2 + 4 * 33);
    let list = AccessList(vec![AccessListItem { address: Address::ZERO, storage_keys: vec![B256::ZERO; 2] }]);
    assert_eq!(gas(TxEip1559 { access_list: list, ..plain() }), 21_000 + 2_400 + 2 * 1_900);
}

#[tokio::test]
async fn answers_each_transaction_of_a_call() {
    let (sender, inbox) = mpsc::channel();
    let config = AdmissionConfig { gas_per_second: 50_000, burst_seconds: 1, ..Default::default() };
    let admission = Admission::new(&config, Instant::now());
    let deliver = move |checked| sender.send(checked).is_ok();
    let intake = Intake::start(IntakeParts { rules: rules(), admission, threads: 2, deliver }).unwrap();
    // Stands in for the executor: takes whatever passed.
    std::thread::spawn(move || {
        for checked in inbox {
            let super::Checked { transactions, answer, .. } = checked;
            let _ = answer.send(transactions.into_iter().map(|t| t.map(|p| p.hash)).collect());
        }
    });
    let raws: Vec<Bytes> = (0..3u64).map(|nonce| sign(TxEip1559 { nonce, ..plain() }).into()).collect();
    let mut call = vec![raws[0].clone(), Bytes::from_static(&[1, 2, 3])];
    call.extend_from_slice(&raws[1..]);
    let results = intake.submit(call, Origin::Local).await;
    assert_eq!(results[0], Ok(alloy_primitives::keccak256(&raws[0])));
    assert!(matches!(results[1], Err(SubmitError::Invalid(_))));
    assert!(
        matches!(&results[3], Err(SubmitError::Refused { rule }) if rule.starts_with("free-budget")),
        "{results:?}"
    );
    let many = vec![raws[0].clone(); 1_001];
    assert_eq!(intake.submit(many, Origin::Local).await[1_000], Err(SubmitError::PoolFull(1_000)));
}

/// A call of many takes longer to check than the one after it, which another thread takes.
#[tokio::test]
async fn calls_go_on_in_the_order_in_which_they_came() {
    let (sender, inbox) = mpsc::channel();
    let admission = Admission::new(&AdmissionConfig { gas_per_second: u64::MAX, ..Default::default() }, Instant::now());
    let deliver = move |checked| sender.send(checked).is_ok();
    let intake = Intake::start(IntakeParts { rules: rules(), admission, threads: 4, deliver }).unwrap();
    let raw: Bytes = sign(plain()).into();
    let calls: Vec<usize> = (0..200).map(|call| if call % 3 == 0 { 40 } else { call % 3 }).collect();
    let submitted = calls.iter().map(|count| intake.submit(vec![raw.clone(); *count], Origin::Local));
    let order = std::thread::spawn(move || {
        let mut order = Vec::new();
        while order.len() < 200 {
            let super::Checked { transactions, answer, .. } = inbox.recv().unwrap();
            order.push(transactions.len());
            let _ = answer.send(transactions.into_iter().map(|t| t.map(|p| p.hash)).collect());
        }
        order
    });
    let answers = futures::future::join_all(submitted).await;
    assert_eq!(order.join().unwrap(), calls);
    assert!(answers.iter().zip(&calls).all(|(answer, count)| answer.len() == *count));
}
