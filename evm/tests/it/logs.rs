//! The index of logs against a look at every log.

use crate::{common::*, reverting::random_block};
use alloy_primitives::{Address, B256, U256};
use mayfly_evm::{Chain, ChainReader, EvmError, LogEntry, LogFilter, TRANSFER_TOPIC};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::path::Path;
use tempfile::TempDir;

/// Every log of these blocks that fits, found without an index.
fn every(reader: &ChainReader, filter: &LogFilter) -> Vec<LogEntry> {
    let blocks = (filter.from..=filter.to.min(reader.head().number())).map(|number| reader.block_by_number(number));
    blocks.flat_map(|block| filter.pick(&block.unwrap().unwrap()).collect::<Vec<_>>()).collect()
}

fn random_filter(rng: &mut StdRng, head: u64) -> LogFilter {
    let from = rng.random_range(0..=head);
    let mut filter =
        LogFilter { from, to: rng.random_range(from..=head + 2), max_results: 10_000, ..Default::default() };
    if rng.random_bool(0.4) {
        filter.addresses = vec![LOG4_AT, Address::repeat_byte(1)][..rng.random_range(1..=2)].to_vec();
    }
    for (position, topics) in filter.topics.iter_mut().enumerate() {
        for _ in 0..rng.random_range(0..3u8) {
            let small = B256::from(U256::from(rng.random_range(0..7u64)));
            topics.push(if position == 0 { TRANSFER_TOPIC } else { small });
        }
        if rng.random_bool(0.5) {
            topics.clear();
        }
    }
    filter
}

fn check(rng: &mut StdRng, reader: &ChainReader) -> usize {
    let head = reader.head().number();
    let filters = (0..200).map(|_| random_filter(rng, head));
    let found = filters.map(|filter| {
        let found = reader.logs(&filter).unwrap();
        assert_eq!(found, every(reader, &filter), "{filter:?}");
        found.len()
    });
    found.sum()
}

fn blocks(rng: &mut StdRng, chain: &mut Chain, count: usize) {
    for _ in 0..count {
        let whats: Vec<u64> = (0..rng.random_range(0..6)).map(|_| rng.random_range(0..100_000)).collect();
        random_block(chain, &whats);
    }
}

/// A chain that was opened has its head in memory and nothing else: all before comes from the index.
fn reopen(chain: Chain, dir: &Path) -> Chain {
    drop(chain);
    Chain::open(dir, spec()).unwrap()
}

#[test]
fn the_index_finds_what_a_look_at_every_log_finds_also_after_reverts() {
    let dir = TempDir::new().unwrap();
    let mut rng = StdRng::seed_from_u64(11);
    let mut chain = Chain::create(Some(dir.path()), spec(), &with_contracts()).unwrap();
    let mut found = 0;
    for _ in 0..6 {
        blocks(&mut rng, &mut chain, 40);
        chain = reopen(chain, dir.path());
        found += check(&mut rng, &chain.reader());
        // Rows of blocks that were taken back stay, and blocks in their place have other logs.
        let to = chain.head().number() - rng.random_range(1..60).min(chain.head().number());
        chain.revert_to(to).unwrap();
        blocks(&mut rng, &mut chain, 5);
        found += check(&mut rng, &chain.reader());
    }
    assert!(found > 2_000, "the filters fit something: {found}");
}

#[test]
fn a_store_without_its_index_is_made_from_the_log_again() {
    let dir = TempDir::new().unwrap();
    let mut rng = StdRng::seed_from_u64(12);
    let mut chain = Chain::create(Some(dir.path()), spec(), &with_contracts()).unwrap();
    blocks(&mut rng, &mut chain, 30);
    drop(chain);
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    let chain = Chain::open(dir.path(), spec()).unwrap();
    assert!(check(&mut rng, &chain.reader()) > 100);
}

#[test]
fn too_many_logs_of_old_blocks_are_an_error_and_not_a_cut() {
    let dir = TempDir::new().unwrap();
    let mut rng = StdRng::seed_from_u64(13);
    let mut chain = Chain::create(Some(dir.path()), spec(), &with_contracts()).unwrap();
    blocks(&mut rng, &mut chain, 60);
    let chain = reopen(chain, dir.path());
    let reader = chain.reader();
    let all = LogFilter { to: 1_000, addresses: vec![LOG4_AT], max_results: 10_000, ..Default::default() };
    let count = reader.logs(&all).unwrap().len();
    assert!(count > 20);
    let few = LogFilter { max_results: count - 1, ..all.clone() };
    assert!(matches!(reader.logs(&few), Err(EvmError::TooManyResults(most)) if most == count - 1));
    assert_eq!(reader.logs(&LogFilter { max_results: count, ..all }).unwrap().len(), count);
}
