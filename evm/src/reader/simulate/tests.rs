//! What a simulation gives, against the chain itself.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::{
    AccountOverride, BlockAttributes, BlockOverrides, CallStatus, Chain, ChainSpec, Genesis, GenesisAccount, Refusal,
};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, hex};
use std::sync::Arc;

const RICH: Address = Address::repeat_byte(0xc0);
const OTHER: Address = Address::repeat_byte(0xc1);
const STORE: Address = Address::repeat_byte(0xc2);
const SHA256: Address = address!("0x0000000000000000000000000000000000000002");
const GAS: u64 = 50_000_000;

fn attributes(timestamp: u64) -> BlockAttributes {
    BlockAttributes {
        timestamp,
        prev_randao: B256::ZERO,
        parent_beacon_block_root: B256::ZERO,
        extra_data: Bytes::new(),
        gas_limit: 30_000_000,
        beneficiary: Address::ZERO,
        ..Default::default()
    }
}

/// A rich account, and a contract that stores what it is sent and logs it.
fn chain() -> Chain {
    let rich = GenesisAccount { address: RICH, balance: U256::from(1_000_000), ..Default::default() };
    let store = GenesisAccount {
        address: STORE,
        // sstore(0, callvalue); log0(0, 32); mstore(0, sload(0)); return(0, 32)
        code: hex!("345f5560205fa05f545f5260205ff3").into(),
        ..Default::default()
    };
    let system = |address, code: &[u8]| GenesisAccount {
        address,
        nonce: 1,
        code: Bytes::copy_from_slice(code),
        ..Default::default()
    };
    // Both system contracts store what they are given at the block's number.
    let keep = hex!("5f35435500");
    let genesis = Genesis {
        accounts: vec![rich, store, system(crate::HISTORY_ADDRESS, &keep), system(crate::BEACON_ROOTS_ADDRESS, &keep)],
        gas_limit: 30_000_000,
        timestamp: 1_000,
        ..Default::default()
    };
    // Who offers fees pays them here.
    let mut spec = ChainSpec::rollup(77, 1).unwrap();
    spec.prices.free_gas = false;
    Chain::create(None, spec, &genesis).unwrap()
}

fn pay(to: Address, value: u64) -> SimulationCall {
    SimulationCall { from: RICH, to: Some(to), value: U256::from(value), ..Default::default() }
}

fn with(blocks: Vec<SimulationBlock>) -> Simulation {
    Simulation { blocks, gas: GAS, ..Default::default() }
}

fn calls(calls: Vec<SimulationCall>) -> SimulationBlock {
    SimulationBlock { calls, ..Default::default() }
}

fn simulate(chain: &Chain, simulation: &Simulation) -> Vec<SimulatedBlock> {
    let reader = chain.reader();
    reader.simulate(reader.latest(), simulation).unwrap()
}

fn refusal(chain: &Chain, simulation: &Simulation) -> SimulationError {
    let reader = chain.reader();
    reader.simulate(reader.latest(), simulation).unwrap_err()
}

/// The same call in a block of the chain itself.
fn seal(chain: &mut Chain, timestamp: u64, nonce: u64, to: Address, value: u64) -> Arc<crate::SealedBlock> {
    let tx = TxEip1559 {
        chain_id: 77,
        nonce,
        gas_limit: 1_000_000,
        to: TxKind::Call(to),
        value: U256::from(value),
        ..Default::default()
    };
    let unsigned = Signature::new(U256::ZERO, U256::ZERO, false);
    let envelope: TxEnvelope = tx.into_signed(unsigned).into();
    let tx = crate::RecoveredTx { tx: crate::Transaction::Signed(envelope), sender: RICH };
    let mut block = chain.begin(attributes(timestamp)).unwrap();
    block.execute(&Arc::new(tx)).unwrap();
    block.seal().unwrap()
}

#[test]
fn roots_are_those_the_chain_gets_and_nothing_stays() {
    let mut chain = chain();
    let first = || SimulationCall { gas: Some(1_000_000), ..pay(STORE, 5) };
    let second = || SimulationCall { gas: Some(1_000_000), ..pay(OTHER, 7) };
    let simulation = with(vec![calls(vec![first()]), calls(vec![second()])]);
    let simulated = simulate(&chain, &simulation);
    let again = simulate(&chain, &simulation);
    assert_eq!(simulated, again);

    let one = seal(&mut chain, 1_012, 0, STORE, 5);
    let two = seal(&mut chain, 1_024, 1, OTHER, 7);
    for (simulated, sealed) in simulated.iter().zip([&one, &two]) {
        assert_eq!(simulated.header, sealed.header);
        assert_eq!(simulated.hash, sealed.hash);
        assert_eq!(simulated.transactions[0].encoded.as_ref(), sealed.transactions[0].tx.encode_2718());
    }

    // Below the head the later blocks are undone for a while.
    let reader = chain.reader();
    let below = reader.simulate(reader.at(0).unwrap(), &simulation).unwrap();
    assert_eq!(below, simulated);
    assert_eq!(reader.proof(&STORE, &[]).unwrap().block.hash, two.hash);
    let three = seal(&mut chain, 1_036, 2, OTHER, 1);
    assert_ne!(three.header.state_root, two.header.state_root);
    let reader = chain.reader();
    let last = reader.simulate(reader.at(2).unwrap(), &with(vec![calls(vec![pay(OTHER, 1)])])).unwrap();
    assert_eq!(last[0].header.state_root, three.header.state_root);
}

#[test]
fn transfers_are_told_as_logs_when_asked_for() {
    let chain = chain();
    let mut simulation = with(vec![calls(vec![pay(STORE, 5), pay(OTHER, 6)])]);
    let plain = &simulate(&chain, &simulation)[0];
    assert_eq!((plain.calls[0].logs.len(), plain.calls[1].logs.len()), (1, 0));
    simulation.trace_transfers = true;
    let traced = &simulate(&chain, &simulation)[0];
    assert_eq!(traced.header, plain.header, "the block has real logs only");
    let logs: Vec<_> = traced.calls.iter().flat_map(|call| &call.logs).map(|(_, log)| log.address).collect();
    let ether = Address::repeat_byte(0xee);
    assert_eq!(logs, [ether, STORE, ether]);
    let (index, log) = &traced.calls[1].logs[0];
    assert_eq!(*index, 2);
    assert_eq!(log.topics()[1..], [RICH.into_word(), OTHER.into_word()]);
    assert_eq!(U256::from_be_slice(&log.data.data), U256::from(6));
}

#[test]
fn a_failed_call_logs_no_transfer() {
    let chain = chain();
    // call(gas, OTHER, 1, ...); revert(0, 0)
    let code = [&hex!("5f5f5f5f600173")[..], OTHER.as_slice(), &hex!("5af15f5ffd")[..]].concat();
    let changes = AccountOverride { code: Some(code.into()), ..Default::default() };
    let block = SimulationBlock { accounts: vec![(STORE, changes)], ..calls(vec![pay(STORE, 5), pay(OTHER, 1)]) };
    let simulation = Simulation { trace_transfers: true, ..with(vec![block]) };
    let calls = &simulate(&chain, &simulation)[0].calls;
    assert_eq!((calls[0].status.clone(), calls[0].logs.len()), (CallStatus::Reverted, 0));
    assert_eq!(calls[1].logs[0].0, 2, "logs that were taken back count");
}

#[test]
fn precompiles_move_for_one_block() {
    let chain = chain();
    let there = Address::repeat_byte(0x77);
    let ask = |to| SimulationCall { data: Bytes::from_static(&[0x12, 0x34]), ..pay(to, 0) };
    let moved = SimulationBlock {
        accounts: vec![(SHA256, AccountOverride::default())],
        moves: vec![(SHA256, there)],
        ..calls(vec![ask(there), ask(SHA256)])
    };
    let blocks = simulate(&chain, &with(vec![moved, calls(vec![ask(there), ask(SHA256)])]));
    let lengths: Vec<_> = blocks.iter().flat_map(|block| &block.calls).map(|call| call.output.len()).collect();
    assert_eq!(lengths, [32, 0, 0, 32]);

    let wrong = |from, to| SimulationBlock {
        accounts: vec![(from, AccountOverride::default())],
        moves: vec![(from, to)],
        ..Default::default()
    };
    assert!(matches!(
        refusal(&chain, &with(vec![wrong(OTHER, there)])),
        SimulationError::NotPrecompile(address) if address == OTHER
    ));
    assert!(matches!(
        refusal(&chain, &with(vec![wrong(SHA256, SHA256)])),
        SimulationError::Overridden(address) if address == SHA256
    ));
}

#[test]
fn gas_of_the_block_and_of_all_calls_is_bounded() {
    let chain = chain();
    let header = BlockOverrides { gas_limit: Some(50_000), ..Default::default() };
    let block = |calls| SimulationBlock { header: header.clone(), calls, ..Default::default() };
    let most = SimulationCall { gas: Some(29_001), ..pay(OTHER, 1) };
    let over = with(vec![block(vec![pay(OTHER, 1), most.clone()])]);
    let refused = refusal(&chain, &over);
    assert!(matches!(refused, SimulationError::Refused(Refusal::BlockGas { limit: 29_001, left: 29_000 })));
    let fits = SimulationCall { gas: Some(29_000), ..most };
    assert!(simulate(&chain, &with(vec![block(vec![pay(OTHER, 1), fits])]))[0].calls[1].status == CallStatus::Success);

    let mut simulation = with(vec![calls(vec![pay(OTHER, 1), pay(OTHER, 1)])]);
    simulation.gas = 40_000;
    assert!(matches!(
        refusal(&chain, &simulation),
        SimulationError::Refused(Refusal::IntrinsicGas { have: 19_000, .. })
    ));
}

#[test]
fn nonces_and_fees_count_when_validating() {
    let chain = chain();
    let header = BlockOverrides { base_fee: Some(10), ..Default::default() };
    let block = |call: SimulationCall| SimulationBlock { header: header.clone(), ..calls(vec![call]) };
    let high = || SimulationCall { nonce: Some(9), max_fee_per_gas: Some(10), gas: Some(21_000), ..pay(OTHER, 1) };
    let free = || pay(OTHER, 1);
    let lax = with(vec![block(high()), block(free())]);
    assert!(simulate(&chain, &lax).iter().all(|block| block.calls[0].status == CallStatus::Success));
    let strict = |call| Simulation { validation: true, ..with(vec![block(call)]) };
    assert!(matches!(
        refusal(&chain, &strict(high())),
        SimulationError::Refused(Refusal::NonceTooHigh { tx: 9, state: 0 })
    ));
    assert!(matches!(
        refusal(&chain, &strict(free())),
        SimulationError::Refused(Refusal::FeeTooLow { max_fee: 0, base_fee: 10 })
    ));
    let low = SimulationCall { max_fee_per_gas: Some(9), gas: Some(21_000), ..pay(OTHER, 1) };
    assert!(matches!(refusal(&chain, &with(vec![block(low)])), SimulationError::Refused(Refusal::FeeTooLow { .. })));
}

#[test]
fn the_last_nonce_is_followed_by_the_first_unless_validating() {
    let chain = chain();
    let changes = AccountOverride { nonce: Some(u64::MAX), ..Default::default() };
    let block = SimulationBlock { accounts: vec![(RICH, changes)], ..calls(vec![pay(OTHER, 1), pay(OTHER, 1)]) };
    let mut simulation = with(vec![block]);
    let blocks = simulate(&chain, &simulation);
    let nonces = blocks[0].transactions.iter().map(|tx| alloy_consensus::Transaction::nonce(&tx.envelope));
    assert_eq!(nonces.collect::<Vec<_>>(), [u64::MAX, 0]);
    simulation.validation = true;
    assert!(matches!(refusal(&chain, &simulation), SimulationError::Refused(Refusal::Invalid(_))));
}

#[test]
fn later_blocks_see_earlier_ones() {
    let chain = chain();
    // return(0, 32) of blockhash(number - 1)
    let code = hex!("6001430340 5f5260205ff3");
    let changes = AccountOverride { code: Some(code.into()), ..Default::default() };
    let asks = |accounts| SimulationBlock { accounts, ..calls(vec![pay(OTHER, 0)]) };
    let blocks = simulate(&chain, &with(vec![asks(vec![(OTHER, changes)]), asks(vec![])]));
    assert_eq!(blocks[0].calls[0].output.as_ref(), chain.head().hash.as_slice());
    assert_eq!(blocks[1].calls[0].output.as_ref(), blocks[0].hash.as_slice());

    let put = AccountOverride { state: Some(vec![(B256::ZERO, B256::with_last_byte(3))]), ..Default::default() };
    let read = AccountOverride { code: Some(hex!("5f545f5260205ff3").into()), ..put };
    let wiped = AccountOverride { state: Some(vec![]), ..Default::default() };
    let first = SimulationBlock { accounts: vec![(STORE, read)], ..calls(vec![pay(STORE, 0)]) };
    let second = SimulationBlock { accounts: vec![(STORE, wiped)], ..calls(vec![pay(STORE, 0)]) };
    let blocks = simulate(&chain, &with(vec![first, second]));
    let last = |block: &SimulatedBlock| block.calls[0].output.last().copied();
    assert_eq!((last(&blocks[0]), last(&blocks[1])), (Some(3), Some(0)));
}

#[test]
fn types_the_chain_does_not_take_are_refused() {
    let chain = chain();
    let blob = SimulationCall { blob_hashes: Some(vec![B256::repeat_byte(1)]), ..pay(OTHER, 0) };
    let refused = refusal(&chain, &with(vec![calls(vec![blob])]));
    assert!(matches!(refused, SimulationError::Refused(Refusal::Unsupported(3))));
    let foreign = SimulationCall { chain_id: Some(1), ..pay(OTHER, 0) };
    assert!(matches!(refusal(&chain, &with(vec![calls(vec![foreign])])), SimulationError::Call(_)));
    let legacy = SimulationCall { gas_price: Some(0), ..pay(OTHER, 0) };
    let block = &simulate(&chain, &with(vec![calls(vec![legacy])]))[0];
    let tx = &block.transactions[0];
    assert!(tx.envelope.is_legacy() && tx.encoded.ends_with(&[0x80, 0x80, 0x80, 0x80]));
    assert_eq!(alloy_primitives::keccak256(&tx.encoded), *tx.envelope.tx_hash());
}

#[test]
fn a_simulation_cannot_hold_up_the_chain_with_what_it_changes() {
    let chain = chain();
    let flood = |slots: u64| {
        let state_diff = (0..slots).map(|slot| (U256::from(slot).into(), B256::repeat_byte(1))).collect();
        let account = AccountOverride { state_diff, ..Default::default() };
        with(vec![SimulationBlock { accounts: vec![(OTHER, account)], ..Default::default() }])
    };
    assert_eq!(simulate(&chain, &flood(2_000)).len(), 1);
    let refused = refusal(&chain, &flood(3_001));
    assert!(matches!(refused, SimulationError::TooManyChanges { max: 3_000, .. }), "{refused}");
}
