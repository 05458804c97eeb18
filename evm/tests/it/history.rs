//! States of the past against what was noted when they were the present.

use crate::{common::*, reverting::random_block};
use alloy_primitives::{Address, U256};
use mayfly_evm::{AccountInfo, BlockContext, CallMessage, Chain, ChainReader, StateView};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

/// What the random blocks change.
#[derive(Debug, PartialEq)]
struct Note {
    accounts: Vec<Option<AccountInfo>>,
    slots: Vec<U256>,
}

fn addresses() -> impl Iterator<Item = Address> {
    let paid = (0..9).map(|n| Address::with_last_byte(0x40 + n));
    let created = (0..8).flat_map(|seed| (0..60).map(move |nonce| Wallet::new(seed).address.create(nonce)));
    (0..8).map(|seed| Wallet::new(seed).address).chain(paid).chain(created)
}

fn note(view: &StateView) -> Note {
    let slots = (0..7).map(U256::from).map(|slot| view.storage(&STORE_AT, &slot).unwrap());
    Note { accounts: addresses().map(|address| view.account(&address).unwrap()).collect(), slots: slots.collect() }
}

fn blocks(rng: &mut StdRng, chain: &mut Chain, notes: &mut Vec<Note>, count: usize) {
    for _ in 0..count {
        let whats: Vec<u64> = (0..rng.random_range(0..5)).map(|_| rng.random_range(0..100_000)).collect();
        random_block(chain, &whats);
        chain.flush().unwrap();
        notes.push(note(&chain.reader().latest()));
    }
}

fn check(reader: &ChainReader, notes: &[Note]) {
    for (number, noted) in notes.iter().enumerate().step_by(3) {
        assert_eq!(note(&reader.at(number as u64).unwrap()), *noted, "state after block {number}");
    }
}

#[test]
fn every_state_of_a_chain_on_disk_can_be_read_also_after_reverts_and_restarts() {
    let dir = TempDir::new().unwrap();
    let mut rng = StdRng::seed_from_u64(21);
    let mut chain = Chain::create(Some(dir.path()), spec(), &with_contracts()).unwrap();
    let mut notes = vec![note(&chain.reader().latest())];
    for _ in 0..4 {
        blocks(&mut rng, &mut chain, &mut notes, 30);
        check(&chain.reader(), &notes);
        // A chain that was opened has its head in memory and nothing else.
        drop(chain);
        chain = Chain::open(dir.path(), spec()).unwrap();
        let early = chain.reader().at(2).unwrap();
        blocks(&mut rng, &mut chain, &mut notes, 10);
        assert_eq!(note(&early), notes[2], "a view holds while the chain goes on");
        check(&chain.reader(), &notes);
        let to = chain.head().number() - rng.random_range(1..35);
        chain.revert_to(to).unwrap();
        notes.truncate(to as usize + 1);
        check(&chain.reader(), &notes);
    }
    // Code runs on them, too.
    let reader = chain.reader();
    let call = CallMessage { to: Some(LOG4_AT), ..Default::default() };
    assert!(reader.call(&call, &BlockContext::at(1), &[]).unwrap().is_success());
    assert!(notes.windows(2).filter(|pair| pair[0] != pair[1]).count() > 50, "the blocks change something");
}
