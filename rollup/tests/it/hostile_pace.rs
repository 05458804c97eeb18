//! Payloads that are more work than their time allows.

use super::hostile::{good_block, post_blocks, prepared, transfer};
use super::sim::{Derived, GAS_LIMIT, Sim, Wallet};
use alloy_consensus::TxEnvelope;
use alloy_primitives::{TxKind, U256, hex};
use mayfly_rollup::batch::BatchBlock;
use mayfly_rollup::derive::{BLOCK_COST, GAS_PER_SECOND, WINDOW_SECONDS};

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
        let payload = mayfly_rollup::batch::encode(chain.head().hash, &[block]).unwrap();
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

/// Nothing is owed for a payload that is refused before it is executed.
#[test]
fn a_payload_that_cannot_be_read_costs_the_next_nothing() {
    let (mut sim, mut wallet) = prepared();
    let payload = vec![0xff; 100];
    let origin = sim.l1.last().unwrap().number;
    sim.post_payload(payload, false, origin, 1);
    let block = good_block(&sim, &mut wallet);
    let parent = {
        let mut copy = Derived::new(&sim.info);
        let mut l1 = sim.l1.clone();
        sim.mine();
        l1.push(sim.l1.last().unwrap().clone());
        copy.follow(&l1).unwrap();
        copy.chain.head().clone()
    };
    let block = BatchBlock { timestamp: block.timestamp.max(parent.timestamp()), ..block };
    let payload = mayfly_rollup::batch::encode(parent.hash, &[block]).unwrap();
    sim.post_payload(payload, false, origin, 4);
    sim.mine();
    let derived = Derived::of(&sim);
    let last = derived.outcomes.last().unwrap();
    assert!(derived.outcomes[derived.outcomes.len() - 2].invalid.is_some() && last.invalid.is_none(), "{last:?}");
}
