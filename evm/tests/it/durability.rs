//! What survives: reopening, torn and damaged logs, kills.

use crate::{common::*, reverting::random_block};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use mayfly_evm::{Chain, ChainSpec, EvmError, GenesisAccount, LogFilter};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

fn create(dir: &Path) -> Chain {
    Chain::create(Some(dir), spec(), &with_contracts()).unwrap()
}

fn open(dir: &Path) -> Chain {
    Chain::open(dir, spec()).unwrap()
}

fn random(rng: &mut StdRng, chain: &mut Chain) {
    let whats: Vec<u64> = (0..rng.random_range(0..5)).map(|_| rng.random_range(0..100_000)).collect();
    random_block(chain, &whats);
}

fn log_file(dir: &Path) -> PathBuf {
    dir.join("log/00000001.log")
}

/// What a crash would leave: a copy of the directory of a chain that is open.
fn copy(from: &Path) -> TempDir {
    fn copy_into(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy_into(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let to = TempDir::new().unwrap();
    copy_into(from, to.path());
    to
}

/// A genesis that is written in parts, and read back whole; so is a store that is made from the log again.
#[test]
fn a_large_genesis_is_there_after_a_start() {
    const ROWS: u64 = 10_001;
    let address = |n: u64| Address::from_word(U256::from(n + 1).into());
    let mut genesis = genesis();
    genesis.accounts.extend((0..ROWS).map(|n| GenesisAccount {
        address: Address::repeat_byte(0xd0).create(n),
        balance: U256::from(n + 1),
        ..Default::default()
    }));
    genesis.accounts.push(GenesisAccount {
        address: address(0xdead),
        nonce: 1,
        storage: (0..ROWS).map(|n| (B256::from(U256::from(n)), U256::from(n + 1))).collect(),
        ..Default::default()
    });
    let dir = TempDir::new().unwrap();
    let root = Chain::create(Some(dir.path()), spec(), &genesis).unwrap().state_root();
    for round in 0..2 {
        let chain = open(dir.path());
        assert_eq!(chain.state_root(), root, "{round}");
        let last = chain.account(&Address::repeat_byte(0xd0).create(ROWS - 1)).unwrap();
        assert_eq!(last.balance, U256::from(ROWS));
        assert_eq!(chain.storage(&address(0xdead), &U256::from(ROWS - 1)), U256::from(ROWS));
        drop(chain);
        fs::remove_dir_all(dir.path().join("store")).unwrap();
    }
}

#[test]
fn reopening_gives_the_same_chain() {
    let dir = TempDir::new().unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let mut memory = chain();
    let mut chain = create(dir.path());
    assert_eq!(fingerprint(&chain), fingerprint(&memory));
    for round in 0..6 {
        for _ in 0..rng.random_range(1..8) {
            let seed = rng.random();
            random(&mut StdRng::seed_from_u64(seed), &mut chain);
            random(&mut StdRng::seed_from_u64(seed), &mut memory);
        }
        if round % 2 == 1 {
            let to = chain.head().number() - rng.random_range(0..4);
            assert_eq!(chain.revert_to(to).unwrap(), memory.revert_to(to).unwrap());
        }
        let print = fingerprint(&chain);
        assert_eq!(print, fingerprint(&memory));
        if round == 2 {
            // As after a crash: without the checkpoint of an orderly end.
            chain.flush().unwrap();
            let crashed = copy(dir.path());
            assert_eq!(fingerprint(&open(crashed.path())), print);
        }
        drop(chain);
        chain = open(dir.path());
        assert_eq!(fingerprint(&chain), print);
    }
    let reader = chain.reader();
    for number in 0..=chain.head().number() {
        let expected = memory.reader().block_by_number(number).unwrap().unwrap();
        assert_eq!(reader.block_by_number(number).unwrap().unwrap(), expected);
        assert_eq!(reader.block_by_hash(&expected.hash).unwrap().unwrap(), expected);
        for (index, tx) in expected.transactions.iter().enumerate() {
            assert_eq!(reader.tx_location(&tx.hash()).unwrap(), Some((number, index)));
            let (block, place) = reader.tx_by_index(expected.first_index + index as u64).unwrap().unwrap();
            assert_eq!((block.number(), place), (number, index));
        }
    }
    let all = LogFilter { from: 0, to: u64::MAX - 1, max_results: 1_000, ..Default::default() };
    assert_eq!(reader.logs(&all).unwrap(), memory.reader().logs(&all).unwrap());
    let block = add_block(&mut chain, &[]);
    chain.flush().unwrap();
    assert_eq!(reader.head(), block);
}

#[test]
fn old_blocks_leave_memory_and_are_read_from_the_log() {
    let dir = TempDir::new().unwrap();
    let mut chain = create(dir.path());
    let wallet = Wallet::new(0);
    let blocks: Vec<_> = (0..2_600u64)
        .map(|n| {
            let log = words(&[U256::from(n % 500), U256::from(2), U256::from(3), U256::from(4)]);
            add_block(&mut chain, &[wallet.call(n, TxKind::Call(LOG4_AT), 0, log)])
        })
        .collect();
    chain.flush().unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let reader = chain.reader();
    while reader.blocks_in_memory() > 900 {
        assert!(std::time::Instant::now() < deadline, "{} blocks in memory", reader.blocks_in_memory());
        std::thread::yield_now();
    }
    for block in blocks.iter().step_by(77) {
        assert_eq!(reader.block_by_number(block.number()).unwrap().unwrap(), *block);
        assert_eq!(reader.block_by_hash(&block.hash).unwrap().unwrap(), *block);
        assert_eq!(reader.tx_location(&block.transactions[0].hash()).unwrap(), Some((block.number(), 0)));
        let (found, _) = reader.tx_by_index(block.number() - 1).unwrap().unwrap();
        assert_eq!(found.hash, block.hash);
    }
    let topic = U256::from(77).into();
    let mut filter = LogFilter { from: 0, to: 3_000, max_results: 100, ..Default::default() };
    filter.topics[0] = vec![topic];
    let numbers: Vec<_> = reader.logs(&filter).unwrap().iter().map(|entry| entry.block_number).collect();
    assert_eq!(numbers, [78, 578, 1_078, 1_578, 2_078, 2_578]);
    for number in [0, 1, 700, 1_500, 2_598] {
        let view = reader.at(number).unwrap();
        assert_eq!(view.account(&wallet.address).unwrap().unwrap().nonce, number);
        let slot = U256::from(1_000);
        let stored = view.storage(&mayfly_evm::HISTORY_ADDRESS, &slot).unwrap();
        assert_eq!(stored.is_zero(), number <= 1_000, "state after {number}");
        let number_of = mayfly_evm::CallMessage { to: Some(LOG4_AT), ..Default::default() };
        let context = mayfly_evm::BlockContext::at(number);
        assert!(reader.call(&number_of, &context, &[]).unwrap().is_success());
    }
    let old = reader.at(1).unwrap();

    let removed = chain.revert_to(300).unwrap();
    assert!(matches!(old.account(&wallet.address), Err(EvmError::StateUnavailable(1))));
    assert_eq!(removed, blocks[300..]);
    assert_eq!(reader.block_by_number(301).unwrap(), None);
    assert_eq!(reader.block_by_hash(&blocks[1_000].hash).unwrap(), None);
    assert_eq!(reader.tx_location(&blocks[1_000].transactions[0].hash()).unwrap(), None);
    assert_eq!(chain.account(&wallet.address).unwrap().nonce, 300);
    // BLOCKHASH after a revert.
    assert_eq!(chain.storage(&mayfly_evm::HISTORY_ADDRESS, &U256::from(299)), U256::from_be_bytes(blocks[298].hash.0));
    let again = add_block(&mut chain, &[wallet.call(300, TxKind::Call(Address::repeat_byte(5)), 1, Bytes::new())]);
    chain.flush().unwrap();
    assert_ne!(again.hash, blocks[300].hash);
    assert_eq!(reader.block_by_number(301).unwrap().unwrap(), again);
    let crashed = copy(dir.path());
    let print = fingerprint(&chain);
    assert_eq!(fingerprint(&open(crashed.path())), print);
    // Readers that outlive the chain keep what is in memory and do not keep the directory.
    drop(chain);
    assert_eq!(fingerprint(&open(dir.path())), print);
    assert_eq!(reader.head(), again);
    assert!(matches!(reader.block_by_number(5), Err(EvmError::LogStopped(_))));
}

/// A crashed chain with `count` blocks, each durable before the next, what it was after each, and where each ends.
fn crashed(seed: u64, count: usize) -> (TempDir, Vec<String>, Vec<u64>) {
    let dir = TempDir::new().unwrap();
    let mut chain = create(dir.path());
    let mut rng = StdRng::seed_from_u64(seed);
    let mut prints = vec![fingerprint(&chain)];
    let mut ends = vec![fs::metadata(log_file(dir.path())).unwrap().len()];
    for _ in 0..count {
        random(&mut rng, &mut chain);
        chain.flush().unwrap();
        prints.push(fingerprint(&chain));
        ends.push(fs::metadata(log_file(dir.path())).unwrap().len());
    }
    (copy(dir.path()), prints, ends)
}

#[test]
fn a_torn_tail_is_cut_off_and_the_chain_goes_on() {
    let (dir, prints, ends) = crashed(7, 8);
    let whole = fs::read(log_file(dir.path())).unwrap();
    let mut rng = StdRng::seed_from_u64(8);
    let mut cuts: Vec<u64> = (0..12).map(|_| rng.random_range(ends[0]..=ends[8])).collect();
    cuts.extend(&ends);
    for cut in cuts {
        let torn = copy(dir.path());
        fs::write(log_file(torn.path()), &whole[..cut as usize]).unwrap();
        let survivors = ends.iter().filter(|end| **end <= cut).count() - 1;
        let mut chain = open(torn.path());
        assert_eq!(fingerprint(&chain), prints[survivors], "cut at {cut}");
        assert_eq!(fs::metadata(log_file(torn.path())).unwrap().len(), ends[survivors]);
        add_block(&mut chain, &[]);
        let print = fingerprint(&chain);
        drop(chain);
        assert_eq!(fingerprint(&open(torn.path())), print);
    }
}

#[test]
fn flipped_bits_are_never_served() {
    let (dir, prints, ends) = crashed(9, 6);
    let whole = fs::read(log_file(dir.path())).unwrap();
    let mut rng = StdRng::seed_from_u64(10);
    for round in 0..24 {
        let damaged = copy(dir.path());
        let mut bytes = whole.clone();
        // Every third time in the last record.
        let from = if round % 3 == 0 { ends[5] } else { ends[0] };
        let at = rng.random_range(from..ends[6]) as usize;
        bytes[at] ^= 1 << rng.random_range(0..8);
        fs::write(log_file(damaged.path()), &bytes).unwrap();
        let record = ends.iter().filter(|end| **end <= at as u64).count();
        match Chain::open(damaged.path(), spec()) {
            // The last record is cut off; anything before it was answered once and may not vanish.
            Ok(chain) => {
                assert_eq!(record, 6, "flip at {at}");
                assert_eq!(fingerprint(&chain), prints[5]);
            }
            Err(EvmError::Corrupt { .. }) => assert!(record < 6, "flip at {at}"),
            Err(err) => panic!("{err}"),
        }
    }
}

#[test]
fn damage_below_a_checkpoint_is_an_error_when_read() {
    let dir = TempDir::new().unwrap();
    let mut chain = create(dir.path());
    let start = fs::metadata(log_file(dir.path())).unwrap().len();
    add_block(&mut chain, &[]);
    chain.flush().unwrap();
    let end = fs::metadata(log_file(dir.path())).unwrap().len();
    for _ in 0..3 {
        add_block(&mut chain, &[]);
    }
    drop(chain);
    let mut bytes = fs::read(log_file(dir.path())).unwrap();
    bytes[((start + end) / 2) as usize] ^= 1;
    fs::write(log_file(dir.path()), bytes).unwrap();
    // Its hash is needed for BLOCKHASH.
    assert!(matches!(Chain::open(dir.path(), spec()), Err(EvmError::Corrupt { .. })));
    // A log that is shorter than the checkpoint knows is damaged, too, and no failure of the disk.
    fs::write(log_file(dir.path()), []).unwrap();
    assert!(matches!(Chain::open(dir.path(), spec()), Err(EvmError::Corrupt { .. })));
}

#[test]
fn refuses_directories_that_are_not_its_own() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(Chain::open(dir.path(), spec()), Err(EvmError::NoChain(_))));
    // What a crash during creation leaves is no chain, and no obstacle.
    fs::create_dir_all(dir.path().join("store")).unwrap();
    fs::create_dir_all(dir.path().join("log")).unwrap();
    fs::write(dir.path().join("log/00000001.log"), b"half").unwrap();
    assert!(matches!(Chain::open(dir.path(), spec()), Err(EvmError::NoChain(_))));
    let chain = create(dir.path());
    assert!(matches!(Chain::open(dir.path(), spec()), Err(EvmError::InUse(_))));
    drop(chain);
    let created = Chain::create(Some(dir.path()), spec(), &genesis());
    assert!(matches!(created, Err(EvmError::ChainExists(_))));
    let other = ChainSpec::rollup(CHAIN_ID + 1, 1).unwrap();
    assert!(matches!(Chain::open(dir.path(), other), Err(EvmError::OtherChain(_))));
    let other = Chain::open_or_create(dir.path(), spec(), &genesis());
    assert!(matches!(other, Err(EvmError::OtherChain(_))));
    drop(other);
    drop(Chain::open_or_create(dir.path(), spec(), &with_contracts()).unwrap());
    let marker = fs::read_to_string(dir.path().join("CHAIN")).unwrap();
    fs::write(dir.path().join("CHAIN"), marker.replace("schema 1", "schema 2")).unwrap();
    let newer = Chain::open(dir.path(), spec());
    assert!(matches!(newer, Err(EvmError::NewerSchema { found: 2, known: 1 })));
    fs::write(dir.path().join("CHAIN"), marker.replace("schema", "sch")).unwrap();
    assert!(matches!(Chain::open(dir.path(), spec()), Err(EvmError::Corrupt { .. })));
}

#[test]
fn readers_and_listeners_see_durable_blocks_in_order() {
    let dir = TempDir::new().unwrap();
    let mut chain = create(dir.path());
    let (send, told) = std::sync::mpsc::channel();
    let reader = chain.reader();
    let seen = reader.clone();
    chain.on_durable(Box::new(move |block| {
        // Whoever is told can read it.
        assert!(seen.head().number() >= block.number());
        send.send(block.number()).unwrap();
    }));
    for _ in 0..50 {
        let number = add_block(&mut chain, &[]).number();
        assert!(reader.head().number() <= number);
    }
    chain.flush().unwrap();
    assert_eq!(reader.head().number(), 50);
    assert!(told.try_iter().eq(1..=50));
    let proof = reader.proof(&STORE_AT, &[]).unwrap();
    assert_eq!(proof.block.number(), 50);
}
