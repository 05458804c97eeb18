//! Seeded transactions: the two measured workloads, and everything a wallet might send.

use alloy_consensus::{Signed, TxEip1559, TxEip2930, TxEip7702, TxEnvelope, TxLegacy};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, address, hex};
use mayfly_rollup::batch::BatchBlock;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub(crate) const CHAIN_ID: u64 = 0x1234_5678_9abc;

pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// A signature that could be one: random, with a low `s`.
pub(crate) fn signature(rng: &mut StdRng) -> Signature {
    let (r, s): ([u8; 32], [u8; 32]) = (rng.random(), rng.random());
    Signature::new(U256::from_be_bytes(r) >> 1, (U256::from_be_bytes(s) >> 2) + U256::ONE, rng.random())
}

pub(crate) fn blocks(transactions: Vec<TxEnvelope>, per_block: usize) -> Vec<BatchBlock> {
    let chunks = transactions.chunks(per_block).enumerate();
    let block = |(at, chunk): (usize, &[TxEnvelope])| BatchBlock {
        origin: 21_000_000 + at as u64 / 600,
        timestamp: 1_790_000_000 + at as u64 / 50,
        queue_items: u32::from(at % 97 == 0),
        transactions: chunk.to_vec(),
        sponsors: Vec::new(),
    };
    chunks.map(block).collect()
}

/// ERC-20 transfers among `accounts`, in random order, with nonces that run.
pub(crate) fn erc20(count: usize, accounts: usize, seed: u64) -> Vec<TxEnvelope> {
    let mut rng = rng(seed);
    let people: Vec<Address> = (0..accounts).map(|_| Address::from(rng.random::<[u8; 20]>())).collect();
    let mut nonces = vec![0; accounts];
    let mut transfer = || {
        let (from, to) = (rng.random_range(0..accounts), rng.random_range(0..accounts));
        let amount = U256::from(rng.random_range(1..100_000_u64)) * U256::from(10).pow(U256::from(15));
        let input = [&hex!("a9059cbb")[..], people[to].into_word().as_slice(), &amount.to_be_bytes::<32>()].concat();
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: nonces[from],
            gas_limit: 65_000,
            to: TxKind::Call(address!("00000000000000000000000000000000000c0ffe")),
            input: input.into(),
            ..Default::default()
        };
        nonces[from] += 1;
        Signed::new_unhashed(tx, signature(&mut rng)).into()
    };
    (0..count).map(|_| transfer()).collect()
}

/// `mint()` from senders that appear once.
pub(crate) fn mints(count: usize, seed: u64) -> Vec<TxEnvelope> {
    let mut rng = rng(seed);
    let to = Address::from(rng.random::<[u8; 20]>());
    let mut mint = || {
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            gas_limit: 120_000,
            to: TxKind::Call(to),
            input: hex!("1249c58b").into(),
            ..Default::default()
        };
        Signed::new_unhashed(tx, signature(&mut rng)).into()
    };
    (0..count).map(|_| mint()).collect()
}

/// `mint(address)` from senders that appear once, each to itself.
pub(crate) fn mints_to_signer(count: usize, seed: u64) -> Vec<TxEnvelope> {
    let mut rng = rng(seed);
    let named = |tx: TxEnvelope| {
        let TxEnvelope::Eip1559(tx) = tx else { panic!("mints are of type 2") };
        let (mut tx, signature, _) = tx.into_parts();
        let signer = Address::from(rng.random::<[u8; 20]>());
        tx.input = [&hex!("6a627842")[..], signer.into_word().as_slice()].concat().into();
        Signed::new_unhashed(tx, signature).into()
    };
    mints(count, seed + 1).into_iter().map(named).collect()
}

/// Anything that a batch may carry.
pub(crate) fn any_transaction(rng: &mut StdRng) -> TxEnvelope {
    let chain_id = if rng.random_ratio(1, 20) { rng.random_range(0..5) } else { CHAIN_ID };
    let nonce = if rng.random() { rng.random_range(0..9) } else { rng.random() };
    let gas_limit = if rng.random() { 21_000 } else { rng.random() };
    let fee = if rng.random() { 0 } else { rng.random::<u128>() >> rng.random_range(0..128_u32) };
    let value = any_value(rng);
    let kind = if rng.random_ratio(1, 6) { TxKind::Create } else { TxKind::Call(any_address(rng)) };
    let input = any_input(rng);
    let access_list = any_access_list(rng);
    let signature = signature(rng);
    match rng.random_range(0..4) {
        0 => {
            let chain_id = (!rng.random_ratio(1, 10)).then_some(chain_id);
            let tx = TxLegacy { chain_id, nonce, gas_price: fee, gas_limit, to: kind, value, input };
            Signed::new_unhashed(tx, signature).into()
        }
        1 => {
            let tx = TxEip2930 { chain_id, nonce, gas_price: fee, gas_limit, to: kind, value, access_list, input };
            Signed::new_unhashed(tx, signature).into()
        }
        2 => {
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: fee,
                max_priority_fee_per_gas: fee / 3,
                to: kind,
                value,
                access_list,
                input,
            };
            Signed::new_unhashed(tx, signature).into()
        }
        _ => {
            let tx = TxEip7702 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: fee,
                max_priority_fee_per_gas: fee,
                to: any_address(rng),
                value,
                access_list,
                authorization_list: (0..rng.random_range(0..3)).map(|_| any_authorization(rng)).collect(),
                input,
            };
            Signed::new_unhashed(tx, signature).into()
        }
    }
}

/// Blocks of anything.
pub(crate) fn any_blocks(rng: &mut StdRng, max_transactions: usize) -> Vec<BatchBlock> {
    let (mut origin, mut timestamp) = (rng.random_range(0..u64::MAX / 2), rng.random_range(0..u64::MAX / 2));
    let mut block = || {
        origin += u64::from(rng.random_ratio(1, 5));
        timestamp += rng.random_range(0..3);
        let transactions: Vec<_> = (0..rng.random_range(0..=max_transactions)).map(|_| any_transaction(rng)).collect();
        let policy = |rng: &mut StdRng| B256::repeat_byte(rng.random_range(0..3));
        let sponsors: Vec<_> =
            if rng.random_ratio(1, 4) { transactions.iter().map(|_| policy(rng)).collect() } else { Vec::new() };
        BatchBlock { origin, timestamp, queue_items: rng.random_range(0..4), transactions, sponsors }
    };
    (0..3).map(|_| block()).collect()
}

fn any_address(rng: &mut StdRng) -> Address {
    if rng.random_ratio(1, 3) {
        Address::from(rng.random::<[u8; 20]>())
    } else {
        Address::repeat_byte(rng.random_range(0..4))
    }
}

fn any_value(rng: &mut StdRng) -> U256 {
    match rng.random_range(0..4) {
        0 | 1 => U256::ZERO,
        2 => U256::from(rng.random_range(0..1_000_u64)) * U256::from(10).pow(U256::from(rng.random_range(0..40))),
        _ => U256::from_be_bytes(rng.random::<[u8; 32]>()) >> rng.random_range(0..256_usize),
    }
}

fn any_input(rng: &mut StdRng) -> Bytes {
    match rng.random_range(0..4) {
        0 => Bytes::new(),
        1 => (0..rng.random_range(1..200)).map(|_| rng.random::<u8>()).collect(),
        _ => {
            let mut input = vec![rng.random_range(0..3), 2, 3, 4];
            for _ in 0..rng.random_range(0..4) {
                let word = match rng.random_range(0..3) {
                    0 => any_address(rng).into_word().0,
                    1 => any_value(rng).to_be_bytes(),
                    _ => rng.random(),
                };
                input.extend_from_slice(&word);
            }
            input.into()
        }
    }
}

fn any_access_list(rng: &mut StdRng) -> AccessList {
    let item = |rng: &mut StdRng| AccessListItem {
        address: any_address(rng),
        storage_keys: (0..rng.random_range(0..3)).map(|_| B256::from(rng.random::<[u8; 32]>())).collect(),
    };
    let count = if rng.random() { 0 } else { rng.random_range(0..3) };
    AccessList((0..count).map(|_| item(rng)).collect())
}

fn any_authorization(rng: &mut StdRng) -> SignedAuthorization {
    let inner = Authorization { chain_id: any_value(rng), address: any_address(rng), nonce: rng.random() };
    SignedAuthorization::new_unchecked(inner, rng.random(), any_value(rng), any_value(rng))
}
