//! Transactions made to be as much work as possible: taken, charged and the same on every machine.

use super::common::{CHAIN_ID, Wallet, attributes, genesis, spec};
use super::poisons::{self, Poison};
use alloy_consensus::{TxEip1559, TxEip7702};
use alloy_primitives::TxKind;
use mayfly_evm::{Chain, Genesis, RecoveredTx, Refusal, SealedBlock, TX_GAS_LIMIT_CAP, TxOutcome};
use std::sync::Arc;

fn transaction(kind: &Poison, wallet: &Wallet, nonce: u64, gas_limit: u64) -> Arc<RecoveredTx> {
    let (chain_id, input) = (CHAIN_ID, kind.input.clone());
    match kind.to {
        TxKind::Call(to) if !kind.authorizations.is_empty() => {
            let authorization_list = kind.authorizations.clone();
            wallet.recovered(TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                to,
                input,
                authorization_list,
                ..Default::default()
            })
        }
        to => wallet.recovered(TxEip1559 { chain_id, nonce, gas_limit, to, input, ..Default::default() }),
    }
}

fn chain(kind: &Poison) -> Chain {
    let mut genesis: Genesis = genesis();
    genesis.accounts.extend(kind.accounts());
    Chain::create(None, spec(), &genesis).unwrap()
}

/// One block with the poison and a transfer after it.
fn block(chain: &mut Chain, kind: &Poison) -> (TxOutcome, Arc<SealedBlock>) {
    let (poisoner, neighbour) = (Wallet::new(1), Wallet::new(2));
    let mut block = chain.begin(attributes(1_001)).unwrap();
    let outcome = block.execute(&transaction(kind, &poisoner, 0, TX_GAS_LIMIT_CAP)).unwrap();
    let transfer = neighbour.call(0, TxKind::Call(poisoner.address), 1, Default::default());
    assert!(block.execute(&transfer).unwrap().receipt.status, "{}: the neighbour", kind.name);
    (outcome, block.seal().unwrap())
}

#[test]
fn every_poison_is_charged_to_its_sender_and_gives_every_chain_the_same_block() {
    for kind in poisons::all() {
        let (mut chain, mut other) = (chain(&kind), self::chain(&kind));
        let (outcome, sealed) = block(&mut chain, &kind);
        // Whether it fails or not: the gas is gone, and so is the nonce.
        let whole = kind.to.is_create() || outcome.receipt.gas_used >= TX_GAS_LIMIT_CAP / 10 * 8;
        assert!(whole, "{} left gas: {}", kind.name, outcome.receipt.gas_used);
        assert_eq!(chain.account(&Wallet::new(1).address).unwrap().nonce, 1, "{}", kind.name);
        assert_eq!(block(&mut other, &kind).1.hash, sealed.hash, "{}", kind.name);
    }
}

#[test]
fn nothing_may_ask_for_more_gas_than_a_transaction_may_have() {
    let kind = &poisons::all()[0];
    let mut chain = chain(kind);
    let mut block = chain.begin(attributes(1_001)).unwrap();
    let refusal = block.execute(&transaction(kind, &Wallet::new(1), 0, TX_GAS_LIMIT_CAP + 1)).unwrap_err();
    assert!(matches!(refusal, Refusal::GasLimitTooHigh { .. }), "{refusal}");
    assert!(block.is_empty());
}
