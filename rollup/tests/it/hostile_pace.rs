//! Payloads that are more work than their time allows.

use super::hostile::{good_block, post_blocks, prepared, transfer};
use super::sim::{Derived, GAS_LIMIT, Sim, Wallet};
use alloy_consensus::{Signed, TxEnvelope, TxLegacy};
use alloy_primitives::{B256, Signature, TxKind, U256, hex, uint};
use mayfly_rollup::batch::{BatchBlock, encode};
use mayfly_rollup::derive::{BLOCK_COST, GAS_PER_SECOND, SIGNATURE_COST, WINDOW_SECONDS};

const WINDOW_GAS: u64 = GAS_PER_SECOND * WINDOW_SECONDS;
/// What a block that uses up its gas limit costs.
const FULL_BLOCK: u64 = GAS_LIMIT + BLOCK_COST;

/// A transaction that uses up its gas at once: init code that is an invalid opcode.
fn burn(sim: &Sim, wallet: &mut Wallet) -> TxEnvelope {
    wallet.send(&sim.info, TxKind::Create, U256::ZERO, hex!("fe").into(), 1 << 24)
}

/// Blocks after a first one, all at its time, each using all its gas.
fn full_blocks(sim: &Sim, wallet: &mut Wallet, first: &BatchBlock, count: u64) -> Vec<BatchBlock> {
    let block = |wallet: &mut Wallet| BatchBlock {
        queue_items: 0,
        transactions: (0..GAS_LIMIT >> 24).map(|_| burn(sim, wallet)).collect(),
        ..first.clone()
    };
    (0..count).map(|_| block(wallet)).collect()
}

fn hostile(sim: &Sim, wallet: &mut Wallet, count: u64) -> Vec<BatchBlock> {
    let first = good_block(sim, wallet);
    let rest = full_blocks(sim, wallet, &first, count);
    [vec![first], rest].concat()
}

#[test]
fn a_window_takes_as_much_work_as_its_seconds_allow_and_no_more() {
    let most = (WINDOW_GAS - 1_000_000) / FULL_BLOCK;
    for (count, words) in [(most, None), (most + 1, Some("left in the block"))] {
        let (mut sim, mut wallet) = prepared();
        let blocks = hostile(&sim, &mut wallet, count);
        post_blocks(&mut sim, &blocks);
        sim.mine();
        let (derived, other) = (Derived::of(&sim), Derived::of(&sim));
        let invalid = derived.outcomes.last().unwrap().invalid.clone();
        assert_eq!(invalid.is_some(), words.is_some(), "{invalid:?}");
        assert!(words.is_none_or(|words| invalid.unwrap().contains(words)));
        assert_eq!(derived.chain.head().hash, other.chain.head().hash);
        let transactions = derived.chain.head().transactions.len();
        assert_eq!(transactions, if words.is_some() { 3 } else { 2 }, "the queue block, or the last of the payload");
        assert_eq!(derived.reverted as u64, if words.is_some() { most + 1 } else { 0 });
    }
}

#[test]
fn another_window_has_room_again() {
    let most = (WINDOW_GAS - 1_000_000) / FULL_BLOCK;
    let (mut sim, mut wallet) = prepared();
    (0..2).for_each(|_| sim.mine());
    let mut blocks = hostile(&sim, &mut wallet, most);
    let (earlier, later) = (sim.l1[sim.l1.len() - 3].clone(), sim.l1.last().unwrap().clone());
    assert_ne!(earlier.timestamp / WINDOW_SECONDS, later.timestamp / WINDOW_SECONDS);
    for block in &mut blocks {
        (block.origin, block.timestamp) = (earlier.number, earlier.timestamp);
    }
    let last = BatchBlock { origin: later.number, timestamp: later.timestamp, ..blocks[0].clone() };
    blocks.extend(full_blocks(&sim, &mut wallet, &BatchBlock { queue_items: 0, ..last }, 2));
    post_blocks(&mut sim, &blocks);
    sim.mine();
    assert_eq!(Derived::of(&sim).outcomes.last().unwrap().invalid, None);
}

/// A payload that is invalid at its end makes everybody work in vain: the next ones wait as long as that work was worth.
#[test]
fn work_in_vain_is_waited_for_before_another_payload_is_read() {
    let (mut sim, mut wallet) = prepared();
    let mut blocks = hostile(&sim, &mut wallet, 240);
    wallet.nonce += 1;
    blocks.push(BatchBlock { transactions: vec![transfer(&sim, &mut wallet, 0)], ..blocks[1].clone() });
    post_blocks(&mut sim, &blocks);
    // 240 full blocks are 15 seconds of work, and 60 to wait for: five L1 blocks of twelve.
    let again = |sim: &mut Sim| {
        let chain = Derived::of(sim).chain;
        let origin = sim.l1.last().unwrap();
        let block = BatchBlock {
            origin: origin.number,
            timestamp: origin.timestamp.max(chain.head().timestamp()),
            queue_items: 0,
            transactions: Vec::new(),
            sponsors: Vec::new(),
        };
        let payload = encode(chain.head().hash, &[block]).unwrap();
        sim.post_payload(payload, false, origin.number, 4);
    };
    sim.mine();
    again(&mut sim);
    (0..5).for_each(|_| sim.mine());
    again(&mut sim);
    sim.mine();
    let derived = Derived::of(&sim);
    let reasons: Vec<_> = derived.outcomes.iter().map(|outcome| outcome.invalid.clone().unwrap_or_default()).collect();
    assert!(reasons[1].contains("nonce too high"), "{reasons:?}");
    assert!(reasons[2].contains("no payload is read before"), "{reasons:?}");
    assert_eq!(reasons[3], "", "{reasons:?}");
}

/// Copies of a transaction that differ in a few bits: they compress to nearly nothing, and each has a sender to recover.
fn near_copies(count: u64) -> Vec<TxEnvelope> {
    // A point of the curve, so that there is a sender.
    let r = uint!(0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798_U256);
    let signature = Signature::new(r, U256::from(9), false);
    let copy = |value: u64| TxLegacy { value: U256::from(value), ..TxLegacy::default() };
    (0..count).map(|value| Signed::new_unhashed(copy(value), signature).into()).collect()
}

fn payload_of(sim: &Sim, block: BatchBlock) -> Vec<u8> {
    encode(sim.chain.head().hash, &[block]).unwrap()
}

/// What a second payload in the same L1 block is told.
fn told_beside(first: impl Fn(&Sim, &mut Wallet) -> Vec<u8>) -> String {
    let (mut sim, mut wallet) = prepared();
    let origin = sim.l1.last().unwrap().number;
    let payload = first(&sim, &mut wallet);
    sim.post_payload(payload, false, origin, 1);
    sim.post_payload(encode(B256::ZERO, &[good_block(&sim, &mut wallet)]).unwrap(), false, origin, 4);
    sim.mine();
    let told = [Derived::of(&sim), Derived::ahead_of(&sim)].map(|derived| {
        let [.., before, last] = derived.outcomes.as_slice() else { panic!("two batches") };
        assert!(before.invalid.is_some());
        last.invalid.clone().unwrap()
    });
    assert_eq!(told[0], told[1], "who reads ahead finds something else");
    told[0].clone()
}

/// Whatever it took to find out that a payload is invalid, no L1 block holds two of them.
#[test]
fn of_an_l1_block_one_payload_is_read_in_vain_at_most() {
    type First = fn(&Sim, &mut Wallet) -> Vec<u8>;
    let cases: [(&str, First); 4] = [
        ("cannot be decoded", |sim, wallet| payload_of(sim, good_block(sim, wallet))[..100].to_vec()),
        ("no sender", |sim, wallet| {
            let signature = Signature::new(U256::from(5), U256::ONE, false);
            let tx = Signed::new_unhashed(TxLegacy::default(), signature).into();
            payload_of(sim, BatchBlock { transactions: vec![tx], ..good_block(sim, wallet) })
        }),
        ("no window", |sim, wallet| {
            payload_of(sim, BatchBlock { timestamp: u64::from(u32::MAX), ..good_block(sim, wallet) })
        }),
        ("no funds", |sim, wallet| {
            let transactions = near_copies(1);
            payload_of(sim, BatchBlock { transactions, ..good_block(sim, wallet) })
        }),
    ];
    for (name, first) in cases {
        let told = told_beside(first);
        assert!(told.contains("no payload is read before"), "{name}: {told}");
    }
    // What builds on another block is not read, and an honest sequencer whose parent L1 took back posts such.
    let told = told_beside(|sim, wallet| encode(B256::repeat_byte(1), &[good_block(sim, wallet)]).unwrap());
    assert!(told.contains("builds on"), "{told}");
    let told = told_beside(|_, _| vec![0xff; 100]);
    assert!(told.contains("builds on"), "{told}");
}

/// A payload of a few bytes may hold as many signatures as one of many: they are waited for, like execution.
#[test]
fn signatures_recovered_in_vain_are_waited_for() {
    const COUNT: u64 = 12_288;
    let (mut sim, mut wallet) = prepared();
    let origin = sim.l1.last().unwrap().number;
    let block = BatchBlock { transactions: near_copies(COUNT), ..good_block(&sim, &mut wallet) };
    let payload = payload_of(&sim, block);
    assert!(payload.len() < 100_000, "{}", payload.len());
    sim.post_payload(payload, false, origin, 1);
    sim.mine();
    // Nobody executed more than a block.
    let seconds = (COUNT * SIGNATURE_COST + GAS_LIMIT).div_ceil(GAS_PER_SECOND / 4);
    assert_eq!(seconds, 4);
    for (later, words) in [(seconds - 1, "no payload is read before"), (1, "builds on")] {
        sim.l1_seconds = later;
        sim.post_payload(encode(B256::ZERO, &[good_block(&sim, &mut wallet)]).unwrap(), false, origin, 1);
        sim.mine();
        for derived in [Derived::of(&sim), Derived::ahead_of(&sim)] {
            let told = derived.outcomes.last().unwrap().invalid.clone().unwrap();
            assert!(told.contains(words), "{later}: {told}");
        }
    }
}
