//! derive(post(blocks)) == blocks, and what derivation does with everything else.

use super::hostile::{ETHER, good_block, post_blocks, prepared, transfer};
use super::sim::{Derived, GAS_LIMIT, L1_START, Sim, Wallet, blocks_of, head_of};
use super::workload::rng;
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use mayfly_contracts::l2::L2Bridge::finalizeERC20Call;
use mayfly_rollup::derive::{BatchData, Checkpoint, Derivation, InboxEvent, Position};
use mayfly_rollup::{DeriveError, Severity};
use proptest::prelude::*;
use rand::Rng;
use rand::rngs::StdRng;

fn erc20_deposit(sim: &mut Sim, to: Address, amount: u64) {
    let call = finalizeERC20Call {
        token: Address::repeat_byte(0x50),
        to,
        amount: U256::from(amount),
        name: "Coin".into(),
        symbol: "C".into(),
        decimals: 18,
    };
    sim.queue_item(1, 1_000_000, call.abi_encode()[4..].to_vec());
}

/// One random step of L1, users and sequencer.
fn act(sim: &mut Sim, rng: &mut StdRng, wallets: &mut [Wallet]) {
    let who = rng.random_range(0..wallets.len());
    match rng.random_range(0..10) {
        0 => sim.deposit(wallets[who].address(), rng.random_range(1..ETHER)),
        1 => erc20_deposit(sim, wallets[who].address(), 1_000),
        2 => {
            let stray = Wallet::new(rng.random());
            let tx = TxEip1559 {
                chain_id: sim.info.chain_id,
                gas_limit: 21_000,
                nonce: rng.random_range(0..2),
                ..Default::default()
            };
            sim.force(&stray.sign(TxEip1559 { to: TxKind::Call(Address::ZERO), ..tx }), 21_000);
        }
        3..=5 => sim.mine(),
        6 if !sim.encoder.is_empty() => sim.post(rng.random()),
        7 if sim.encoder.is_empty() => {
            // Nobody posts: anybody makes the queue move. The sequencer follows what derivation does.
            let origin = sim.l1.last().unwrap().number;
            let items = sim.open_items(origin);
            let up_to = sim.consumed + items.len() as u64;
            sim.post_forced(origin, up_to);
            sim.seal(origin, items.len(), Vec::new());
            let last = sim.encoder.first().unwrap().number;
            sim.encoder.confirm(last);
        }
        _ => {
            let newest = sim.l1.last().unwrap().number;
            let origin = rng.random_range(sim.origin..=newest);
            let items = rng.random_range(0..=sim.open_items(origin).len().min(8));
            let count = rng.random_range(0..6);
            let transactions = (0..count).map(|_| transfer(sim, &mut wallets[who], 0)).collect();
            sim.seal(origin, items, transactions);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn deriving_what_was_posted_gives_the_same_blocks(seed in any::<u64>()) {
        let mut rng = rng(seed);
        let mut sim = Sim::new();
        let mut wallets: Vec<Wallet> = (0..5).map(Wallet::new).collect();
        (0..60).for_each(|_| act(&mut sim, &mut rng, &mut wallets));
        sim.mine();
        if !sim.encoder.is_empty() {
            sim.post(true);
        }
        sim.mine();
        let derived = Derived::of(&sim);
        prop_assert_eq!(derived.blocks(), blocks_of(&sim.chain));
        prop_assert_eq!(derived.chain.receipt_root(), sim.chain.receipt_root());
        prop_assert!(derived.outcomes.iter().all(|outcome| outcome.invalid.is_none()));
        let last = derived.outcomes.last().map(|outcome| (outcome.header.seq, outcome.header_hash));
        prop_assert_eq!(last.unwrap_or((0, sim.info.genesis_claim())), sim.link);
    }
}

#[test]
fn queue_blocks_spill_by_gas() {
    let mut sim = Sim::new();
    let wallet = Wallet::new(3);
    let burn = |nonce| {
        let tx = TxEip1559 {
            chain_id: sim.info.chain_id,
            nonce,
            gas_limit: 1 << 24,
            to: TxKind::Call(Address::ZERO),
            ..Default::default()
        };
        wallet.sign(tx)
    };
    let burns: Vec<_> = (0..5).map(burn).collect();
    burns.iter().for_each(|tx| sim.force(tx, 1 << 24));
    sim.mine();
    sim.post_forced(L1_START + 1, 5);
    sim.mine();
    let derived = Derived::of(&sim);
    let sizes: Vec<usize> = derived.blocks().iter().map(|block| block.transactions.len()).collect();
    assert_eq!(sizes, [0, 2, 2, 1]);
    assert_eq!(GAS_LIMIT, 2 << 24);
}

#[test]
fn forced_items_are_included_in_place_or_skipped() {
    let mut sim = Sim::new();
    let mut wallet = Wallet::new(4);
    let stranger = Wallet::new(5);
    let base = TxEip1559 {
        chain_id: sim.info.chain_id,
        gas_limit: 21_000,
        to: TxKind::Call(Address::ZERO),
        ..Default::default()
    };
    let ok = wallet.send(&sim.info, base.to, U256::ZERO, Bytes::new(), 21_000);
    sim.queue_item(4, 21_000, vec![0xff, 1, 2]);
    sim.force(&stranger.sign(TxEip1559 { chain_id: 5, ..base.clone() }), 21_000);
    sim.force(&stranger.sign(TxEip1559 { nonce: 3, ..base.clone() }), 21_000);
    sim.force(&stranger.sign(TxEip1559 { gas_limit: 21_001, ..base.clone() }), 21_000);
    sim.force(&stranger.sign(TxEip1559 { gas_limit: 20_999, ..base.clone() }), 21_000);
    sim.force(&stranger.sign(TxEip1559 { value: U256::ONE, ..base.clone() }), 21_000);
    sim.deposit(wallet.address(), 9);
    sim.force(&ok, 21_000);
    sim.force(&ok, 21_000);
    sim.mine();
    // The sequencer takes them all and adds one that was skipped before but works now: payload and chain agree.
    let block = sim.seal(L1_START + 1, 9, vec![stranger.sign(base)]);
    assert_eq!(block.transactions.len(), 3);
    assert_eq!(block.transactions[1].hash(), *ok.tx_hash());
    assert_eq!(sim.encoder.first().unwrap().block.transactions.len(), 1);
    sim.mine();
    sim.post(false);
    sim.mine();
    let derived = Derived::of(&sim);
    assert_eq!(derived.blocks(), blocks_of(&sim.chain));
    assert_eq!(derived.outcomes[0].invalid, None);
}

#[test]
fn the_rollup_closes_at_its_time_and_nothing_follows() {
    let (mut sim, mut wallet) = prepared();
    let forced = transfer(&sim, &mut wallet, 3);
    sim.force(&forced, 21_000);
    sim.mine();
    let end = sim.info.planned_close_time();
    sim.mine_at(end - 1);
    assert!(Derived::of(&sim).closed.is_none());
    sim.mine_at(end);
    let derived = Derived::of(&sim);
    let (head, queue_hash) = derived.closed.unwrap();
    assert_eq!(head, head_of(&derived.chain));
    assert_eq!(Some(queue_hash), sim.queue.hash_at(sim.queue.len()));
    let close = derived.chain.head();
    assert_eq!(Position::of(&close.header).unwrap(), Position { origin: sim.l1.last().unwrap().number, queue_end: 5 });
    assert_eq!((close.timestamp(), close.transactions.len()), (end, 4));
    // What comes later does not count.
    sim.deposit(wallet.address(), 1);
    sim.mine();
    sim.mine();
    assert_eq!(head_of(&Derived::of(&sim).chain), head);
}

#[test]
fn an_early_end_and_a_freeze_move_the_close() {
    for event in [InboxEvent::Ended { end_time: 0, close_time: 10_100 }, InboxEvent::Frozen { close_time: 10_100 }] {
        let mut sim = Sim::new();
        sim.event(event);
        sim.mine();
        sim.mine_at(10_099);
        assert!(Derived::of(&sim).closed.is_none());
        sim.mine_at(10_100);
        let derived = Derived::of(&sim);
        assert!(derived.closed.is_some() && derived.derivation.checkpoint().closed);
        assert_eq!(derived.chain.head().number(), 1, "an empty queue still gives a close block");
    }
}

#[test]
fn a_reorganised_l1_is_derived_again() {
    let (mut sim, mut wallet) = prepared();
    let block = good_block(&sim, &mut wallet);
    post_blocks(&mut sim, &[block]);
    sim.mine();
    sim.mine();
    let mut derived = Derived::of(&sim);
    let before = head_of(&derived.chain);
    assert_eq!(before.number, 2);
    // The last three blocks, the batch among them, are replaced.
    let fork_at = sim.next_number() - 3;
    sim.fork_l1(fork_at);
    let mut fresh = Sim::new();
    fresh.l1.clone_from(&sim.l1);
    for event in sim.l1.iter().flat_map(|block| &block.events) {
        if let InboxEvent::QueueItem(item) = event {
            assert!(fresh.queue.push(item.clone()));
        }
    }
    fresh.link = (1, derived.outcomes[0].header_hash);
    fresh.fork_l1(fork_at);
    fresh.deposit(wallet.address(), 1_000);
    (0..5).for_each(|_| fresh.mine());
    let changed = &fresh.l1[(fork_at - L1_START) as usize];
    let error = derived.derivation.push(fresh.l1.last().unwrap().clone()).unwrap_err();
    assert_eq!(error.severity(), Severity::Reset);
    let removed = derived.derivation.reset_to(fork_at - 1, &mut derived.chain).unwrap();
    assert_eq!(removed.len(), 1);
    assert_eq!(derived.derivation.next_l1(), changed.number);
    derived.follow(&fresh.l1).unwrap();
    let again = Derived::of(&fresh);
    assert_eq!(derived.blocks(), again.blocks());
    assert_eq!(derived.derivation.checkpoint(), again.derivation.checkpoint());
    assert!(matches!(derived.derivation.reset_to(3, &mut derived.chain), Err(DeriveError::TooFar { .. })));
}

#[test]
fn a_block_on_another_parent_asks_for_a_reset() {
    let (sim, _) = prepared();
    let mut derived = Derived::new(&sim.info);
    let mut first = sim.l1[0].clone();
    first.hash = B256::repeat_byte(1);
    assert!(matches!(derived.derivation.push(first), Err(DeriveError::Reorganised { number: L1_START, .. })));
    assert!(matches!(derived.derivation.push(sim.l1[1].clone()), Err(DeriveError::Gap { expected: L1_START, .. })));
    derived.derivation.push(sim.l1[0].clone()).unwrap();
    let mut second = sim.l1[1].clone();
    second.parent_hash = B256::ZERO;
    assert_eq!(derived.derivation.push(second).unwrap_err().severity(), Severity::Reset);
}

#[test]
fn wrong_data_for_a_batch_asks_for_a_reset_and_good_data_heals_it() {
    let (mut sim, mut wallet) = prepared();
    let block = good_block(&sim, &mut wallet);
    post_blocks(&mut sim, &[block]);
    sim.mine();
    let mut spoiled = sim.l1.clone();
    if let Some(InboxEvent::Batch(batch)) = spoiled.last_mut().unwrap().events.last_mut() {
        batch.data = BatchData::Calldata(Bytes::from_static(b"something else"));
    }
    let mut derived = Derived::new(&sim.info);
    let error = derived.follow(&spoiled).unwrap_err();
    assert!(matches!(error, DeriveError::Data { seq: 2 }) && error.severity() == Severity::Reset);
    let at = derived.derivation.checkpoint().l1.number;
    derived.derivation.reset_to(at, &mut derived.chain).unwrap();
    derived.follow(&sim.l1).unwrap();
    assert_eq!(derived.blocks(), Derived::of(&sim).blocks());
}

#[test]
fn derivation_resumes_from_a_stored_checkpoint() {
    let (mut sim, mut wallet) = prepared();
    let mut derived = Derived::of(&sim);
    let json = serde_json::to_string(derived.derivation.checkpoint()).unwrap();
    let checkpoint: Checkpoint = serde_json::from_str(&json).unwrap();
    assert!(checkpoint.replay_from() < checkpoint.l1.number, "three items are open, so some L1 is read again");
    let block = good_block(&sim, &mut wallet);
    post_blocks(&mut sim, &[block]);
    sim.mine();
    sim.mine();
    derived.derivation = Derivation::resume(sim.info.clone(), checkpoint);
    assert_eq!(derived.derivation.next_l1(), checkpoint.replay_from());
    derived.follow(&sim.l1).unwrap();
    let fresh = Derived::of(&sim);
    assert_eq!(derived.blocks(), fresh.blocks());
    assert_eq!(derived.derivation.checkpoint(), fresh.derivation.checkpoint());
}

#[test]
fn a_batch_that_l1_cannot_have_accepted_was_read_wrongly() {
    let (mut sim, _) = prepared();
    sim.link.1 = B256::repeat_byte(9);
    sim.post_forced(sim.l1.last().unwrap().number, 4);
    sim.mine();
    let mut derived = Derived::new(&sim.info);
    assert_eq!(derived.follow(&sim.l1).unwrap_err().severity(), Severity::Reset);
}

#[test]
fn a_chain_moved_by_somebody_else_is_noticed() {
    let (sim, _) = prepared();
    let mut derived = Derived::of(&sim);
    derived.chain.revert_to(0).unwrap();
    assert!(matches!(derived.derivation.step(&mut derived.chain), Err(DeriveError::Broken(_))));
}
