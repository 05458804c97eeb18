//! What readers get.

use crate::common::*;
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use mayfly_evm::{
    AccountOverride, BlockContext, BlockOverrides, CallMessage, CallStatus, EvmError, LogFilter, Refusal,
};

fn to(address: Address, data: Bytes) -> CallMessage {
    CallMessage { from: Wallet::new(0).address, to: Some(address), data, ..Default::default() }
}

#[test]
fn finds_blocks_and_transactions_by_every_key() {
    let mut chain = chain();
    let reader = chain.reader();
    let wallet = Wallet::new(0);
    let tx = wallet.call(0, TxKind::Call(STORE_AT), 0, words(&[U256::ONE; 2]));
    let other = wallet.call(1, TxKind::Call(STORE_AT), 0, words(&[U256::ONE; 2]));
    let block = add_block(&mut chain, &[tx.clone(), other.clone()]);
    let third = add_block(&mut chain, &[wallet.call(2, TxKind::Call(STORE_AT), 0, Bytes::new())]);
    assert_eq!(reader.block_by_number(1).unwrap().unwrap(), block);
    assert_eq!(reader.block_by_hash(&block.hash).unwrap().unwrap(), block);
    assert_eq!(reader.block_by_number(3).unwrap(), None);
    assert_eq!(reader.block_by_hash(&B256::ZERO).unwrap(), None);
    assert_eq!(reader.tx_location(&other.hash()).unwrap(), Some((1, 1)));
    assert_eq!(reader.tx_location(&B256::ZERO).unwrap(), None);
    let (found, index) = reader.tx_by_index(1).unwrap().unwrap();
    assert_eq!((found.hash, index), (block.hash, 1));
    let (found, index) = reader.tx_by_index(2).unwrap().unwrap();
    assert_eq!((found.hash, index), (third.hash, 0));
    assert_eq!(reader.tx_by_index(3).unwrap(), None);
    assert_eq!(reader.head(), third);
}

#[test]
fn earlier_states_are_read_through_undo() {
    let mut chain = chain();
    let reader = chain.reader();
    for n in 1..20u64 {
        let store = words(&[U256::from(n % 3), U256::from(n)]);
        add_block(&mut chain, &[Wallet::new(0).call(n - 1, TxKind::Call(STORE_AT), n, store)]);
    }
    for n in 0..20u64 {
        let view = reader.at(n).unwrap();
        for slot in 0..3u64 {
            let last = (1..=n).rev().find(|n| n % 3 == slot).unwrap_or_default();
            assert_eq!(view.storage(&STORE_AT, &U256::from(slot)).unwrap(), U256::from(last));
        }
        assert_eq!(view.account(&Wallet::new(0).address).unwrap().unwrap().nonce, n);
        assert_eq!(view.account(&STORE_AT).unwrap().unwrap().balance, U256::from(n * (n + 1) / 2));
        assert_eq!(view.code(&STORE_AT).unwrap(), code(STORE));
    }
    assert!(matches!(reader.at(20), Err(EvmError::NoSuchBlock(20))));
}

#[test]
fn calls_run_on_the_state_asked_for_and_change_nothing() {
    let mut genesis = with_contracts();
    // Returns slot 0, NUMBER and TIMESTAMP.
    let at = Address::repeat_byte(0xa9);
    genesis.accounts.push(contract(at, "5f545f52 43602052 42604052 60605ff3"));
    // Stores its value at slot 0 where value is sent.
    let keep = Address::repeat_byte(0xaa);
    genesis.accounts.push(contract(keep, "345f55 5f545f52 60205ff3"));
    let mut chain = mayfly_evm::Chain::create(None, spec(), &genesis).unwrap();
    let reader = chain.reader();
    add_block(&mut chain, &[]);
    let call = |message: &CallMessage, context: &BlockContext, overrides: &[_]| {
        reader.call(message, context, overrides).unwrap().output
    };
    let numbers = |a: u64, b: u64, c: u64| words(&[U256::from(a), U256::from(b), U256::from(c)]);
    let message = to(at, Bytes::new());
    assert_eq!(call(&message, &BlockContext::latest(), &[]), numbers(0, 1, 1_001));
    assert_eq!(call(&message, &BlockContext::at(0), &[]), numbers(0, 0, 1_000));
    let pending = BlockContext { pending: true, ..Default::default() };
    assert_eq!(call(&message, &pending, &[]), numbers(0, 2, 1_001));
    let overrides = BlockOverrides { number: Some(70), timestamp: Some(80), ..Default::default() };
    let moved = BlockContext { overrides, ..Default::default() };
    let diff = AccountOverride { state_diff: vec![(B256::ZERO, B256::with_last_byte(9))], ..Default::default() };
    assert_eq!(call(&message, &moved, &[(at, diff)]), numbers(9, 70, 80));

    let pay = CallMessage { value: U256::from(5), ..to(keep, Bytes::new()) };
    assert_eq!(call(&pay, &BlockContext::latest(), &[]), words(&[U256::from(5)]));
    assert_eq!(reader.storage(&keep, &U256::ZERO), U256::ZERO);
    let replaced = AccountOverride { code: Some(code(REVERT)), ..Default::default() };
    let result = reader.call(&to(keep, Bytes::from_static(b"why")), &BlockContext::latest(), &[(keep, replaced)]);
    let result = result.unwrap();
    assert_eq!((result.status, result.output.as_ref()), (CallStatus::Reverted, &b"why"[..]));

    let poor = CallMessage { from: Address::repeat_byte(0x99), value: U256::ONE, ..Default::default() };
    let refused = reader.call(&poor, &BlockContext::latest(), &[]).unwrap_err();
    assert!(matches!(refused, EvmError::Refused(r) if matches!(*r, Refusal::InsufficientFunds { .. })));
    let rich = AccountOverride { balance: Some(U256::ONE), ..Default::default() };
    assert!(reader.call(&poor, &BlockContext::latest(), &[(poor.from, rich)]).unwrap().is_success());
    let old = CallMessage { nonce: Some(9), ..to(at, Bytes::new()) };
    assert!(reader.call(&old, &BlockContext::latest(), &[]).is_err());
}

#[test]
fn revert_reasons_are_read() {
    let chain = chain();
    let reader = chain.reader();
    let mut data = alloy_primitives::hex!("08c379a0").to_vec();
    data.extend_from_slice(&words(&[U256::from(32), U256::from(4)]));
    data.extend_from_slice(b"nope");
    data.extend_from_slice(&[0; 28]);
    let result = reader.call(&to(REVERT_AT, data.clone().into()), &BlockContext::latest(), &[]).unwrap();
    assert_eq!(result.message(), "execution reverted: nope");
    let failed = reader.estimate_gas(&to(REVERT_AT, data.clone().into()), &BlockContext::latest(), &[]).unwrap_err();
    assert_eq!(failed.to_string(), "execution reverted: nope");
    let EvmError::Failed(result) = failed else { panic!("{failed}") };
    assert_eq!(result.output, Bytes::from(data));
}

#[test]
fn estimates_are_enough_and_close() {
    let mut genesis = with_contracts();
    // Needs 60 000 gas left at its start to succeed although it uses little.
    let greedy = Address::repeat_byte(0xa9);
    genesis.accounts.push(contract(greedy, "61ea60 5a 10 6008 57 00 5b 5f5ffd"));
    let mut chain = mayfly_evm::Chain::create(None, spec(), &genesis).unwrap();
    let reader = chain.reader();
    let estimate = |message: &CallMessage| reader.estimate_gas(message, &BlockContext::latest(), &[]).unwrap();
    let plain = CallMessage { value: U256::ONE, ..to(Address::repeat_byte(5), Bytes::new()) };
    assert_eq!(estimate(&plain), 21_000);
    let store = to(STORE_AT, words(&[U256::from(5), U256::from(6)]));
    let gas = estimate(&store);
    let wallet = Wallet::new(0);
    let mut nonce = 0;
    let mut used = |message: &CallMessage, gas_limit: u64, chain: &mut mayfly_evm::Chain| {
        let tx = alloy_consensus::TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit,
            to: TxKind::Call(message.to.unwrap()),
            input: message.data.clone(),
            ..Default::default()
        };
        nonce += 1;
        let receipt = add_block(chain, &[wallet.recovered(tx)]).receipts[0].clone();
        receipt.status.then_some(receipt.gas_used)
    };
    let cost = used(&store, gas, &mut chain).unwrap();
    assert!(gas * 1_000 <= cost * 1_020, "{gas} for {cost}");
    let greedy = to(greedy, Bytes::new());
    let gas = estimate(&greedy);
    assert!((81_000..84_000).contains(&gas), "{gas}");
    assert!(used(&greedy, gas, &mut chain).is_some());
    assert!(used(&greedy, gas - 2_000, &mut chain).is_none());
}

#[test]
fn access_lists_hold_what_code_touches() {
    let chain = chain();
    let message = to(STORE_AT, words(&[U256::from(5), U256::from(6)]));
    let made = chain.reader().create_access_list(&message, &BlockContext::latest(), &[]).unwrap();
    assert_eq!(made.access_list.0.len(), 1);
    assert_eq!(made.access_list.0[0].address, STORE_AT);
    assert_eq!(made.access_list.0[0].storage_keys, [B256::with_last_byte(5)]);
    assert!(made.result.is_success());
    let plain = to(Address::repeat_byte(5), Bytes::new());
    let made = chain.reader().create_access_list(&plain, &BlockContext::latest(), &[]).unwrap();
    assert_eq!(made.access_list, AccessList::default());
}

#[test]
fn logs_are_filtered_in_order() {
    let mut chain = chain();
    let reader = chain.reader();
    let wallet = Wallet::new(0);
    let log =
        |nonce: u64, a: u64, b: u64| wallet.call(nonce, TxKind::Call(LOG4_AT), 0, words(&[a, b, 0, 0].map(U256::from)));
    add_block(&mut chain, &[log(0, 1, 1), log(1, 1, 2)]);
    add_block(&mut chain, &[]);
    let last = add_block(&mut chain, &[log(2, 2, 1), log(3, 1, 1)]);
    let all = LogFilter { from: 0, to: 100, max_results: 10, ..Default::default() };
    let found = reader.logs(&all).unwrap();
    let places: Vec<_> = found.iter().map(|entry| (entry.block_number, entry.tx_index, entry.log_index)).collect();
    assert_eq!(places, [(1, 0, 0), (1, 1, 1), (3, 0, 0), (3, 1, 1)]);
    assert_eq!((found[3].block_hash, found[3].tx_hash), (last.hash, last.transactions[1].hash()));
    let word = |n: u64| B256::from(U256::from(n));
    let with = |topics: [Vec<B256>; 4]| reader.logs(&LogFilter { topics, ..all.clone() }).unwrap().len();
    assert_eq!(with([vec![word(1)], vec![], vec![], vec![]]), 3);
    assert_eq!(with([vec![word(1), word(2)], vec![word(1)], vec![], vec![]]), 3);
    assert_eq!(with([vec![], vec![], vec![], vec![word(9)]]), 0);
    let by = |address| reader.logs(&LogFilter { addresses: vec![address], ..all.clone() }).unwrap().len();
    assert_eq!((by(LOG4_AT), by(STORE_AT)), (4, 0));
    let few = LogFilter { max_results: 3, ..all.clone() };
    assert!(matches!(reader.logs(&few), Err(EvmError::TooManyResults(3))));
    assert_eq!(reader.logs(&LogFilter { from: 2, to: 2, ..all.clone() }).unwrap(), []);
    assert_eq!(reader.logs(&LogFilter { from: 9, to: 2, ..all }).unwrap(), []);
}

#[test]
fn proofs_fit_the_head() {
    let mut chain = chain();
    let store = words(&[U256::from(5), U256::from(6)]);
    let block = add_block(&mut chain, &[Wallet::new(0).call(0, TxKind::Call(STORE_AT), 3, store)]);
    let reader = chain.reader();
    let slots = [B256::with_last_byte(5), B256::with_last_byte(6)];
    let proven = reader.proof(&STORE_AT, &slots).unwrap();
    assert_eq!(proven.block, block);
    let proof = proven.proof;
    let account = TrieAccount {
        nonce: 1,
        balance: U256::from(3),
        storage_root: proof.storage_hash,
        code_hash: keccak256(code(STORE)),
    };
    let root = block.header.state_root;
    let key = Nibbles::unpack(keccak256(STORE_AT));
    verify_proof(root, key, Some(alloy_rlp::encode(account)), &proof.account_proof).unwrap();
    for (slot, value) in [(0, Some(alloy_rlp::encode(6u64))), (1, None)] {
        let key = Nibbles::unpack(keccak256(slots[slot]));
        verify_proof(proof.storage_hash, key, value, &proof.storage_proof[slot].proof).unwrap();
    }
    let absent = Address::repeat_byte(0x99);
    let proof = reader.proof(&absent, &[]).unwrap().proof;
    verify_proof(root, Nibbles::unpack(keccak256(absent)), None, &proof.account_proof).unwrap();
    assert!(matches!(reader.proof(&absent, &vec![B256::ZERO; 1_025]), Err(EvmError::TooManyResults(1_024))));
}

#[test]
fn a_chain_that_nobody_extends_any_more_is_still_proven() {
    let chain = chain();
    let reader = chain.reader();
    drop(chain);
    let proven = reader.proof(&Address::repeat_byte(1), &[B256::ZERO]).unwrap();
    assert_eq!(proven.block.hash, reader.head().hash);
}
