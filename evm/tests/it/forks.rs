//! Other chains' rules are other values of the same data.

use crate::common::*;
use alloy_consensus::TxLegacy;
use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::{Address, B256, TxKind, U256};
use mayfly_evm::{Activation, BaseFeeRule, BlockReward, Chain, ChainSpec, Fork, Refusal, SystemCall, SystemInput};
use revm::primitives::hardfork::SpecId;
use std::sync::Arc;

/// Berlin, London from block 3, Shanghai from time 1 005, Cancun from time 1 007.
fn history() -> ChainSpec {
    let fork = |from, spec| Fork { from, spec };
    let mut spec = spec();
    spec.forks = vec![
        fork(Activation::Block(0), SpecId::BERLIN),
        fork(Activation::Block(3), SpecId::LONDON),
        fork(Activation::Time(1_005), SpecId::SHANGHAI),
        fork(Activation::Time(1_007), SpecId::CANCUN),
    ];
    spec.base_fee = BaseFeeRule::Eip1559 { params: BaseFeeParams::ethereum(), initial: 1_000 };
    spec.block_rewards = vec![
        BlockReward { from: Activation::Block(0), wei: U256::from(5) },
        BlockReward { from: Activation::Time(1_005), wei: U256::ZERO },
    ];
    let beacon = mayfly_evm::BEACON_ROOTS_ADDRESS;
    spec.system_calls =
        vec![SystemCall { from: Activation::Time(1_007), to: beacon, input: SystemInput::ParentBeaconRoot }];
    spec.transaction_types = vec![0, 1, 2];
    spec.prices.free_gas = false;
    spec
}

fn legacy(nonce: u64, to: Address, gas_price: u128) -> Arc<mayfly_evm::RecoveredTx> {
    Wallet::new(0).recovered(TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price,
        gas_limit: 200_000,
        to: TxKind::Call(to),
        ..Default::default()
    })
}

#[test]
fn forks_rewards_and_base_fees_follow_the_schedule() {
    let mut chain = Chain::create(None, history(), &genesis()).unwrap();
    let beneficiary = Address::repeat_byte(0xfe);
    let to = Address::repeat_byte(5);
    let earned = |chain: &Chain| chain.account(&beneficiary).map_or(U256::ZERO, |info| info.balance);
    let first = add_block(&mut chain, &[legacy(0, to, 0)]);
    assert_eq!((first.header.base_fee_per_gas, first.header.withdrawals_root), (None, None));
    assert_eq!(earned(&chain), U256::from(5));
    add_block(&mut chain, &[]);
    let london = add_block(&mut chain, &[legacy(1, to, 1_001)]);
    assert_eq!((london.header.base_fee_per_gas, london.header.withdrawals_root), (Some(1_000), None));
    assert_eq!(earned(&chain), U256::from(15 + 21_000));
    let cheap = chain.begin(attributes(1_004)).unwrap().execute(&legacy(2, to, 0)).unwrap_err();
    assert!(matches!(cheap, Refusal::FeeTooLow { max_fee: 0, base_fee: 876 }), "{cheap}");
    add_block(&mut chain, &[]);
    let shanghai = add_block(&mut chain, &[]);
    assert!(shanghai.header.withdrawals_root.is_some() && shanghai.header.blob_gas_used.is_none());
    assert_eq!(earned(&chain), U256::from(20 + 21_000));
    add_block(&mut chain, &[]);
    let beacon = mayfly_evm::BEACON_ROOTS_ADDRESS;
    assert_eq!(chain.storage(&beacon, &U256::from(1_006)), U256::ZERO);
    let cancun = add_block(&mut chain, &[]);
    assert_eq!(cancun.header.parent_beacon_block_root, Some(B256::repeat_byte(0xbe)));
    assert_eq!(chain.storage(&beacon, &U256::from(1_007)), U256::from(1_007));
}

#[test]
fn before_cancun_a_destroyed_contract_loses_its_storage_and_undo_brings_it_back() {
    let victim = Address::repeat_byte(0xd1);
    let mut genesis = genesis();
    let mut account = contract(victim, DESTROY);
    account.balance = U256::from(9);
    account.storage = (1..20u64).map(|n| (B256::from(U256::from(n)), U256::from(n))).collect();
    genesis.accounts.push(account);
    let dir = tempfile::tempdir().unwrap();
    let mut chain = Chain::create(Some(dir.path()), history(), &genesis).unwrap();
    let before = fingerprint(&chain);
    let root = chain.state_root();
    let old = chain.reader().at(0).unwrap();
    add_block(&mut chain, &[legacy(0, victim, 0)]);
    assert_eq!(chain.account(&victim), None);
    assert!((0..30u64).all(|slot| chain.storage(&victim, &U256::from(slot)).is_zero()));
    chain.flush().unwrap();
    assert_eq!(old.storage(&victim, &U256::from(7)).unwrap(), U256::from(7));
    // The trie rebuilt from the flat state has the same root.
    let print = fingerprint(&chain);
    drop((chain, old));
    let mut chain = Chain::open(dir.path(), history()).unwrap();
    assert_eq!(fingerprint(&chain), print);
    chain.revert_to(0).unwrap();
    assert_eq!(fingerprint(&chain), before);
    assert_eq!(chain.state_root(), root);
    assert_eq!(chain.storage(&victim, &U256::from(19)), U256::from(19));
    // Since Cancun (EIP-6780) only its balance goes.
    let mut chain = Chain::create(None, spec(), &genesis).unwrap();
    add_block(&mut chain, &[legacy(0, victim, 0)]);
    assert_eq!(chain.account(&victim).unwrap().balance, U256::ZERO);
    assert_eq!(chain.storage(&victim, &U256::from(19)), U256::from(19));
}
