//! Deposit semantics.

use crate::common::*;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use mayfly_evm::{Chain, Receipt, RecoveredTx, Refusal, Transaction};
use op_alloy_consensus::TxDeposit;
use std::sync::Arc;

const SYSTEM: Address = alloy_primitives::address!("0x4d617966000000000000000000000000000000ff");

fn base() -> TxDeposit {
    TxDeposit {
        source_hash: B256::repeat_byte(1),
        from: SYSTEM,
        to: TxKind::Call(Address::repeat_byte(5)),
        mint: 100,
        value: U256::from(100),
        gas_limit: 21_000,
        is_system_transaction: false,
        input: Bytes::new(),
    }
}

fn recovered(deposit: TxDeposit) -> Arc<RecoveredTx> {
    Arc::new(Transaction::deposit(deposit).recover().unwrap())
}

fn include(chain: &mut Chain, change: impl FnOnce(&mut TxDeposit)) -> Receipt {
    let mut deposit = base();
    change(&mut deposit);
    add_block(chain, &[recovered(deposit)]).receipts[0].clone()
}

fn balance(chain: &Chain, address: Address) -> u64 {
    chain.account(&address).map_or(0, |info| info.balance.to())
}

#[test]
fn moves_value_without_running_code() {
    let mut chain = chain();
    for (n, to) in [Address::repeat_byte(5), REVERT_AT, Address::with_last_byte(1)].into_iter().enumerate() {
        let receipt = include(&mut chain, |deposit| deposit.to = TxKind::Call(to));
        assert!(receipt.status && receipt.gas_used == 21_000 && receipt.logs.is_empty());
        assert_eq!((receipt.ty, receipt.deposit_nonce), (0x7e, Some(n as u64)));
        assert_eq!(balance(&chain, to), 100);
        assert_eq!(balance(&chain, SYSTEM), 0);
        assert_eq!(chain.account(&SYSTEM).unwrap().nonce, n as u64 + 1);
    }
}

#[test]
fn mint_survives_failure() {
    let mut chain = chain();
    let receipt = include(&mut chain, |deposit| deposit.value = U256::from(101));
    assert!(!receipt.status);
    assert_eq!((receipt.gas_used, balance(&chain, SYSTEM)), (21_000, 100));

    let receipt = include(&mut chain, |deposit| {
        deposit.to = TxKind::Call(REVERT_AT);
        deposit.input = Bytes::from_static(b"fail");
        deposit.gas_limit = 100_000;
    });
    assert!(!receipt.status && receipt.gas_used < 100_000);
    assert_eq!((balance(&chain, SYSTEM), balance(&chain, REVERT_AT)), (200, 0));
    assert_eq!((receipt.deposit_nonce, chain.account(&SYSTEM).unwrap().nonce), (Some(1), 2));

    // What the EVM would refuse is included as a failure that used all its gas.
    let receipt = include(&mut chain, |deposit| {
        deposit.input = Bytes::from_static(b"too little gas");
        deposit.gas_limit = 21_000;
    });
    assert!(!receipt.status);
    assert_eq!((receipt.gas_used, balance(&chain, SYSTEM)), (21_000, 300));
    let receipt = include(&mut chain, |deposit| deposit.gas_limit = 20_999);
    assert!(!receipt.status);
    assert_eq!((receipt.gas_used, balance(&chain, SYSTEM)), (20_999, 400));
    assert_eq!(chain.account(&SYSTEM).unwrap().nonce, 4);
}

#[test]
fn runs_calls_and_creations_as_the_sender_for_free() {
    let mut chain = chain();
    let receipt = include(&mut chain, |deposit| {
        deposit.to = TxKind::Call(STORE_AT);
        deposit.input = words(&[U256::from(1), U256::from(2)]);
        deposit.gas_limit = 1_000_000;
    });
    assert!(receipt.status);
    assert_eq!(chain.storage(&STORE_AT, &U256::ONE), U256::from(2));
    assert_eq!((balance(&chain, STORE_AT), balance(&chain, SYSTEM)), (100, 0));
    let receipt = include(&mut chain, |deposit| {
        deposit.to = TxKind::Create;
        (deposit.mint, deposit.value) = (0, U256::ZERO);
        deposit.input = init_code(STORE);
        deposit.gas_limit = 1_000_000;
    });
    let created = SYSTEM.create(1);
    assert_eq!(receipt.contract_address, Some(created));
    assert_eq!(chain.code(&created), code(STORE));
    assert_eq!(chain.account(&Address::repeat_byte(0xfe)), None);
}

#[test]
fn logs_of_deposits_count_in_the_fold() {
    let mut chain = chain();
    let alice = Address::repeat_byte(0x11);
    let receipt = include(&mut chain, |deposit| {
        deposit.to = TxKind::Call(LOG4_AT);
        (deposit.mint, deposit.value) = (0, U256::ZERO);
        deposit.input = words(&[
            mayfly_evm::TRANSFER_TOPIC.into(),
            U256::ZERO,
            U256::from_be_slice(alice.as_slice()),
            U256::from(9),
        ]);
        deposit.gas_limit = 1_000_000;
    });
    assert!(receipt.status && receipt.logs.len() == 1);
    let held = chain.fold().balance(&LOG4_AT, mayfly_evm::TokenKind::Erc721, U256::from(9), &alice);
    assert_eq!(held, U256::ONE);
}

#[test]
fn counts_towards_the_block_and_is_refused_when_full() {
    let mut chain = chain();
    let mut attributes = attributes(1_000);
    attributes.gas_limit = 30_000;
    let mut block = chain.begin(attributes).unwrap();
    block.execute(&recovered(base())).unwrap();
    let refused = block.execute(&recovered(base())).unwrap_err();
    assert!(matches!(refused, Refusal::BlockGas { limit: 21_000, left: 9_000 }));
    block.seal().unwrap();
}

#[test]
fn sending_to_oneself_keeps_the_mint() {
    let mut chain = chain();
    let receipt = include(&mut chain, |deposit| deposit.to = TxKind::Call(SYSTEM));
    assert!(receipt.status);
    assert_eq!(balance(&chain, SYSTEM), 100);
}

#[test]
fn a_chain_without_deposits_refuses_them() {
    let mut plain = spec();
    plain.transaction_types = vec![0, 1, 2, 4];
    let mut chain = Chain::create(None, plain, &genesis()).unwrap();
    let mut block = chain.begin(attributes(1_000)).unwrap();
    assert!(matches!(block.execute(&recovered(base())), Err(Refusal::Unsupported(0x7e))));
}
