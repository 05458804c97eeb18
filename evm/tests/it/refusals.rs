//! What the executor refuses, with the values that wallets show.

use crate::common::*;
use alloy_consensus::{TxEip1559, TxEip2930, TxLegacy};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use mayfly_evm::{Chain, Refusal, TX_GAS_LIMIT_CAP};
use std::sync::Arc;

const TO: TxKind = TxKind::Call(Address::repeat_byte(5));

fn base() -> TxEip1559 {
    TxEip1559 { chain_id: CHAIN_ID, gas_limit: 21_000, to: TO, ..Default::default() }
}

fn refusal(change: impl FnOnce(&mut TxEip1559)) -> Refusal {
    refusal_on(chain(), change)
}

fn refusal_on(mut chain: Chain, change: impl FnOnce(&mut TxEip1559)) -> Refusal {
    let mut tx = base();
    change(&mut tx);
    refusal_of(&mut chain, &Wallet::new(0).recovered(tx))
}

fn refusal_of(chain: &mut Chain, tx: &Arc<mayfly_evm::RecoveredTx>) -> Refusal {
    let before = fingerprint(chain);
    let timestamp = chain.head().timestamp();
    let mut block = chain.begin(attributes(timestamp)).unwrap();
    let refusal = block.execute(tx).unwrap_err();
    assert_eq!((block.len(), block.gas_used()), (0, 0));
    // The block goes on, and is what it would have been without.
    let sealed = block.seal().unwrap();
    assert!(sealed.transactions.is_empty());
    chain.revert_to(sealed.number() - 1).unwrap();
    assert_eq!(fingerprint(chain), before);
    refusal
}

#[test]
fn accepts_the_transaction_the_others_are_made_of() {
    let mut chain = chain();
    assert!(add_block(&mut chain, &[Wallet::new(0).recovered(base())]).receipts[0].status);
}

#[test]
fn refuses_wrong_nonces() {
    assert!(matches!(refusal(|tx| tx.nonce = 3), Refusal::NonceTooHigh { tx: 3, state: 0 }));
    let mut chain = chain();
    add_block(&mut chain, &[Wallet::new(0).recovered(base())]);
    let again = refusal_of(&mut chain, &Wallet::new(0).recovered(base()));
    assert!(matches!(again, Refusal::NonceTooLow { tx: 0, state: 1 }));
    assert_eq!(again.to_string(), "nonce too low: transaction has 0, state has 1");
}

#[test]
fn refuses_what_the_sender_cannot_pay() {
    let one = U256::from(10u64.pow(18));
    let refused = refusal(|tx| tx.value = one + U256::ONE);
    assert!(matches!(refused, Refusal::InsufficientFunds { have, want } if have == one && want == one + U256::ONE));
    let mut paid = spec();
    paid.prices.free_gas = false;
    let paid = Chain::create(None, paid, &genesis()).unwrap();
    let refused = refusal_on(paid, |tx| tx.max_fee_per_gas = 10u128.pow(18));
    let want = U256::from(21_000u64) * one;
    assert!(matches!(refused, Refusal::InsufficientFunds { want: w, .. } if w == want));
}

#[test]
fn refuses_gas_limits() {
    assert!(matches!(refusal(|tx| tx.gas_limit = 20_999), Refusal::IntrinsicGas { have: 20_999, want: 21_000 }));
    // EIP-7623: 1 000 non-zero bytes cost at least 21 000 + 40 000.
    let floor = refusal(|tx| {
        tx.input = vec![1; 1_000].into();
        tx.gas_limit = 40_000;
    });
    assert!(matches!(floor, Refusal::IntrinsicGas { have: 40_000, want: 61_000 }));
    let cap = refusal(|tx| tx.gas_limit = TX_GAS_LIMIT_CAP + 1);
    assert!(matches!(cap, Refusal::GasLimitTooHigh { limit: 16_777_217, max: TX_GAS_LIMIT_CAP }));
    let block = refusal(|tx| tx.gas_limit = 30_000_001);
    assert!(matches!(block, Refusal::GasLimitTooHigh { limit: 30_000_001, max: 30_000_000 }));
}

#[test]
fn refuses_what_the_block_has_no_room_for() {
    let mut chain = chain();
    let mut attributes = attributes(1_000);
    attributes.gas_limit = 50_000;
    let mut block = chain.begin(attributes).unwrap();
    let wallet = Wallet::new(0);
    block.execute(&wallet.recovered(base())).unwrap();
    let mut big = base();
    (big.nonce, big.gas_limit) = (1, 29_001);
    let refused = block.execute(&wallet.recovered(big.clone())).unwrap_err();
    assert!(matches!(refused, Refusal::BlockGas { limit: 29_001, left: 29_000 }));
    big.gas_limit = 29_000;
    block.execute(&wallet.recovered(big)).unwrap();
    assert_eq!(block.seal().unwrap().transactions.len(), 2);
}

#[test]
fn refuses_other_chains_types_and_fees() {
    let other = refusal(|tx| tx.chain_id = 1);
    assert!(matches!(other, Refusal::WrongChainId { have: Some(1), want: CHAIN_ID }));
    let tip = refusal(|tx| tx.max_priority_fee_per_gas = 1);
    assert!(matches!(tip, Refusal::TipAboveFee { tip: 1, max_fee: 0 }));
    let large = refusal(|tx| {
        tx.to = TxKind::Create;
        tx.gas_limit = 10_000_000;
        tx.input = vec![0; 49_153].into();
    });
    assert!(matches!(large, Refusal::InitCodeTooLarge { size: 49_153, max: 49_152 }));
    let mut only_legacy = spec();
    only_legacy.transaction_types = vec![0];
    let mut chain = Chain::create(None, only_legacy, &genesis()).unwrap();
    let tx = TxEip2930 { chain_id: CHAIN_ID, gas_limit: 21_000, to: TO, ..Default::default() };
    assert!(matches!(refusal_of(&mut chain, &Wallet::new(0).recovered(tx)), Refusal::Unsupported(1)));
}

#[test]
fn refuses_fees_below_the_base_fee_where_there_is_one() {
    let mut priced = spec();
    priced.base_fee = mayfly_evm::BaseFeeRule::Fixed(10);
    priced.prices = mayfly_evm::Prices::default();
    let mut chain = Chain::create(None, priced, &genesis()).unwrap();
    let refused = refusal_of(&mut chain, &Wallet::new(0).recovered(base()));
    assert!(matches!(refused, Refusal::FeeTooLow { max_fee: 0, base_fee: 10 }));
    let legacy = TxLegacy { chain_id: Some(CHAIN_ID), gas_limit: 21_000, gas_price: 13, to: TO, ..Default::default() };
    let block = add_block(&mut chain, &[Wallet::new(0).recovered(legacy)]);
    let tip = chain.account(&block.header.beneficiary).unwrap().balance;
    assert_eq!(tip, U256::from(3 * 21_000));
}

#[test]
fn refuses_senders_with_code() {
    let wallet = Wallet::new(0);
    let mut genesis = with_contracts();
    let account = genesis.accounts.iter_mut().find(|account| account.address == wallet.address).unwrap();
    account.code = code(STORE);
    let mut chain = Chain::create(None, spec(), &genesis).unwrap();
    let refused = refusal_of(&mut chain, &wallet.recovered(base()));
    assert!(matches!(refused, Refusal::SenderHasCode(address) if address == wallet.address));
    let input = Bytes::new();
    add_block(&mut chain, &[Wallet::new(1).call(0, TO, 1, input)]);
}
