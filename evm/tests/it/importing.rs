//! Foreign chains: what was exported is what is taken in, and nothing else is.

use crate::common::*;
use alloy_consensus::{
    Block, BlockBody, Header, SignableTransaction, TxEip1559, TxEip4844, TxEip4844Variant, TxEip4844WithSidecar,
    TxEnvelope, TxLegacy,
};
use alloy_eips::eip4844::BlobTransactionSidecar;
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use mayfly_evm::{
    BlockAttributes, Chain, ChainSpec, Consensus, EvmError, ForeignBlocks, Genesis, RecoveredTx, SealedBlock,
    Transaction, ethereum_genesis,
};
use std::sync::Arc;

const MINER: Address = Address::repeat_byte(0xfe);
const LAST_BLOCK: u64 = 12;

/// Frontier; Homestead from block 2, Spurious Dragon 3, Byzantium 4, London 6, by stake from 8, Shanghai from time 1 090.
fn rules() -> (ChainSpec, Genesis) {
    let alloc: Vec<String> =
        (0..4).map(|seed| format!(r#""{}": {{"balance": "0xde0b6b3a7640000"}}"#, Wallet::new(seed).address)).collect();
    let json = format!(
        r#"{{"config": {{"chainId": {CHAIN_ID}, "homesteadBlock": 2, "eip150Block": 3, "eip155Block": 3,
            "eip158Block": 3, "byzantiumBlock": 4, "constantinopleBlock": 5, "petersburgBlock": 5,
            "istanbulBlock": 5, "berlinBlock": 6, "londonBlock": 6, "mergeNetsplitBlock": 8,
            "terminalTotalDifficulty": 1, "shanghaiTime": 1090}},
            "timestamp": "0x3e8", "gasLimit": "0x1c9c380", "difficulty": "0x20000", "nonce": "0x42",
            "alloc": {{{}, "0x00000000000000000000000000000000000000ee": {{"balance": "0x0"}}}}}}"#,
        alloc.join(",")
    );
    ethereum_genesis(&json, None).unwrap()
}

fn transfer(number: u64) -> Arc<RecoveredTx> {
    let (nonce, gas_price, value) = (number - 1, 2_000_000_000, U256::from(number));
    let to = TxKind::Call(Address::repeat_byte(number as u8));
    // Chain ids are signed from Spurious Dragon on.
    let chain_id = (number >= 3).then_some(CHAIN_ID);
    if number < 6 {
        let legacy = TxLegacy { chain_id, nonce, gas_limit: 21_000, gas_price, to, value, ..Default::default() };
        return Wallet::new(0).recovered(legacy);
    }
    Wallet::new(0).recovered(TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: gas_price,
        max_priority_fee_per_gas: 7,
        to,
        value,
        ..Default::default()
    })
}

fn foreign_attributes(chain: &Chain, number: u64) -> BlockAttributes {
    let is_work = number < 8;
    let ommer = Header { number: number - 1, beneficiary: Address::repeat_byte(0xcc), ..Default::default() };
    let withdrawal = Withdrawal { index: 3, validator_index: 4, address: Address::repeat_byte(0xdd), amount: 5 };
    let parent = &chain.head().header;
    BlockAttributes {
        timestamp: 1_000 + 10 * number,
        prev_randao: B256::repeat_byte(number as u8),
        // London doubles the limit, for its target is half of it.
        gas_limit: if number == 6 { parent.gas_limit * 2 } else { parent.gas_limit },
        beneficiary: MINER,
        consensus: Consensus {
            difficulty: U256::from(if is_work { 131_072 } else { 0 }),
            ommers: if number == 3 { vec![ommer] } else { vec![] },
            withdrawals: if number == 10 { vec![withdrawal] } else { vec![] },
            ..Default::default()
        },
        ..Default::default()
    }
}

/// What somebody does to a header.
type Change = fn(&mut Header, B256);

/// The chain that somebody else made.
fn foreign() -> Chain {
    let (spec, genesis) = rules();
    let mut chain = Chain::create(None, spec, &genesis).unwrap();
    for number in 1..=LAST_BLOCK {
        let attributes = foreign_attributes(&chain, number);
        let mut builder = chain.begin(attributes).unwrap();
        builder.execute(&transfer(number)).unwrap();
        builder.seal().unwrap();
    }
    chain
}

fn exported(block: &SealedBlock) -> Block<TxEnvelope> {
    let signed = |tx: &Arc<RecoveredTx>| match &tx.tx {
        Transaction::Signed(tx) => tx.clone(),
        Transaction::Deposit(_) => panic!("a deposit"),
    };
    let body = BlockBody {
        transactions: block.transactions.iter().map(signed).collect(),
        ommers: block.ommers.clone(),
        withdrawals: block.header.withdrawals_root.map(|_| Withdrawals::new(block.withdrawals.clone())),
    };
    Block { header: block.header.clone(), body }
}

fn blocks(chain: &Chain) -> Vec<Block<TxEnvelope>> {
    (1..=LAST_BLOCK).map(|number| exported(&chain.reader().block_by_number(number).unwrap().unwrap())).collect()
}

fn import(chain: &mut Chain, block: &Block<TxEnvelope>) -> Result<Arc<SealedBlock>, EvmError> {
    let bytes = alloy_rlp::encode(block);
    let read = ForeignBlocks::new(&bytes).next().unwrap()?;
    chain.import(read)
}

#[test]
fn a_chain_is_taken_in_block_by_block_and_opens_again() {
    let theirs = foreign();
    let all: Vec<u8> = blocks(&theirs).iter().flat_map(alloy_rlp::encode).collect();
    let (spec, genesis) = rules();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("chain");
    let mut ours = Chain::create(Some(&path), spec.clone(), &genesis).unwrap();
    for block in ForeignBlocks::new(&all) {
        ours.import(block.unwrap()).unwrap();
    }
    assert_eq!((ours.head().number(), ours.head().hash), (LAST_BLOCK, theirs.head().hash));
    ours.flush().unwrap();
    let block = |number| ours.reader().block_by_number(number).unwrap().unwrap();
    assert!(block(3).receipts[0].state_root.is_some() && block(4).receipts[0].state_root.is_none());
    assert_eq!(
        block(3).receipts[0].state_root,
        theirs.reader().block_by_number(3).unwrap().unwrap().receipts[0].state_root
    );
    let kept = [block(3), block(10)];
    drop(ours);
    let ours = Chain::open(&path, spec).unwrap();
    assert_eq!(ours.head().hash, theirs.head().hash);
    for kept in kept {
        assert_eq!(
            *ours.reader().block_by_number(kept.number()).unwrap().unwrap(),
            *kept,
            "uncles and withdrawals too"
        );
    }
    let balance = |address| ours.account(&address).map_or(U256::ZERO, |info| info.balance);
    assert_eq!(balance(Address::repeat_byte(0xdd)), U256::from(5_000_000_000u64));
    // Seven eighths of five ether for the uncle's miner.
    assert_eq!(balance(Address::repeat_byte(0xcc)), U256::from(4_375_000_000_000_000_000u64));
}

#[test]
fn whatever_does_not_follow_from_execution_is_refused_and_changes_nothing() {
    let theirs = blocks(&foreign());
    let (spec, genesis) = rules();
    let mut ours = Chain::create(None, spec, &genesis).unwrap();
    let wrong = B256::repeat_byte(1);
    let headers: [(&str, Change); 14] = [
        ("state root", |header, wrong| header.state_root = wrong),
        ("receipts root", |header, wrong| header.receipts_root = wrong),
        ("transactions root", |header, wrong| header.transactions_root = wrong),
        ("uncles hash", |header, wrong| header.ommers_hash = wrong),
        ("gas used", |header, _| header.gas_used += 1),
        ("logs bloom", |header, _| header.logs_bloom.0[0] ^= 1),
        ("base fee", |header, _| {
            header.base_fee_per_gas = header.base_fee_per_gas.map_or(Some(1), |fee| Some(fee + 1))
        }),
        ("withdrawals root", |header, wrong| {
            header.withdrawals_root = Some(header.withdrawals_root.map_or(wrong, |_| wrong))
        }),
        ("follows", |header, wrong| header.parent_hash = wrong),
        ("follows", |header, _| header.number += 1),
        ("difficulty", |header, _| {
            header.difficulty = if header.difficulty.is_zero() { U256::from(1) } else { U256::ZERO }
        }),
        ("gas limit", |header, _| header.gas_limit *= 2),
        ("timestamp", |header, _| header.timestamp = 1_000),
        ("extra data", |header, _| header.extra_data = Bytes::from(vec![0; 33])),
    ];
    for block in &theirs {
        let before = (ours.head().hash, ours.state_root());
        for (name, change) in headers {
            let mut bad = block.clone();
            change(&mut bad.header, wrong);
            // A base fee or a withdrawals root that RLP cannot place makes other fields of what follows.
            let error = import(&mut ours, &bad).unwrap_err().to_string();
            let optional = matches!(name, "base fee" | "withdrawals root");
            assert!(optional || error.contains(name), "{name} of block {}: {error}", block.header.number);
            assert_eq!((ours.head().hash, ours.state_root()), before, "{name}");
        }
        let mut twice = block.clone();
        twice.body.transactions.extend(block.body.transactions.clone());
        assert!(import(&mut ours, &twice).unwrap_err().to_string().contains("nonce too low"));
        let mut none = block.clone();
        none.body.transactions.clear();
        assert!(import(&mut ours, &none).is_err());
        import(&mut ours, block).unwrap();
    }
    assert_eq!(ours.head().hash, theirs.last().unwrap().header.hash_slow());
}

#[test]
fn uncles_and_chain_ids_are_where_they_may_be() {
    let theirs = blocks(&foreign());
    let (spec, genesis) = rules();
    let mut ours = Chain::create(None, spec, &genesis).unwrap();
    let reason = |ours: &mut Chain, bad: &Block<TxEnvelope>| import(ours, bad).unwrap_err().to_string();
    for block in &theirs {
        let number = block.header.number;
        let ommer = |number| Header { number, ..Default::default() };
        for (ommers, words) in [
            (vec![ommer(number)], "uncle"),
            (vec![ommer(number.saturating_sub(1)); 2], "uncle"),
            (vec![ommer(number - 1), ommer(number.saturating_sub(2)), ommer(number)], "uncles"),
        ] {
            let mut bad = block.clone();
            bad.body.ommers = ommers;
            assert!(reason(&mut ours, &bad).contains(words), "block {number}");
        }
        if number < 3 {
            let mut early = block.clone();
            let tx = TxLegacy { chain_id: Some(CHAIN_ID), gas_limit: 21_000, ..Default::default() };
            early.body.transactions = vec![Wallet::new(0).sign(tx)];
            assert!(reason(&mut ours, &early).contains("before their fork"));
        }
        import(&mut ours, block).unwrap();
    }
}

/// Blobs travel with a transaction to the pool, never in a block.
#[test]
fn a_block_with_blobs_in_it_is_refused() {
    let mut block = blocks(&foreign()).remove(0);
    let blob = TxEip4844 { chain_id: CHAIN_ID, gas_limit: 21_000, ..Default::default() };
    let signature = Wallet::new(0).sign_hash(blob.signature_hash());
    let with_blobs = TxEip4844WithSidecar::from_tx_and_sidecar(blob, BlobTransactionSidecar::default().into());
    let with_blobs = TxEip4844Variant::TxEip4844WithSidecar(with_blobs);
    block.body.transactions = vec![TxEnvelope::Eip4844(with_blobs.into_signed(signature))];
    let (spec, genesis) = rules();
    let mut ours = Chain::create(None, spec, &genesis).unwrap();
    let error = import(&mut ours, &block).unwrap_err().to_string();
    assert!(error.contains("blobs are no part of a block"), "{error}");
    assert_eq!(ours.head().number(), 0);
}

#[test]
fn an_export_that_is_cut_off_ends_with_an_error() {
    let encoded: Vec<Vec<u8>> = blocks(&foreign()).iter().map(alloy_rlp::encode).collect();
    let bytes = encoded.concat();
    assert_eq!(ForeignBlocks::new(&bytes).filter_map(Result::ok).count() as u64, LAST_BLOCK);
    for cut in (1..bytes.len()).step_by(97) {
        let ends = encoded.iter().scan(0, |end, block| {
            *end += block.len();
            Some(*end)
        });
        let whole: Vec<usize> = ends.take_while(|end| *end <= cut).collect();
        let is_torn = whole.last() != Some(&cut);
        let read: Vec<_> = ForeignBlocks::new(&bytes[..cut]).collect();
        assert_eq!(read.iter().filter(|block| block.is_ok()).count(), whole.len(), "{cut}");
        assert_eq!(read.last().unwrap().is_err(), is_torn, "{cut}");
        assert_eq!(read.len(), whole.len() + usize::from(is_torn), "{cut}");
    }
    assert!(ForeignBlocks::new(b"nonsense").next().unwrap().is_err());
}
