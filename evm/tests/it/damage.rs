//! Every file of a chain's directory, damaged: what is whole is read, and nothing else is ever served.

use crate::common::*;
use alloy_primitives::{Address, Bytes, TxKind};
use mayfly_evm::{Chain, EvmError, salvage, set_aside};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

fn open(dir: &Path) -> Result<Chain, EvmError> {
    Chain::open_or_create(dir, spec(), &with_contracts())
}

/// A chain of so many blocks with a transaction each, closed in order, and its fingerprint.
fn closed(blocks: u64) -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let mut chain = open(dir.path()).unwrap();
    let wallet = Wallet::new(0);
    for nonce in 0..blocks {
        let tx = wallet.call(nonce, TxKind::Call(Address::repeat_byte(5)), 1, Bytes::new());
        add_block(&mut chain, &[tx]);
    }
    chain.flush().unwrap();
    let print = fingerprint(&chain);
    drop(chain);
    (dir, print)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(file, target).unwrap();
    }
}

/// What can become of a file.
fn damages(rng: &mut StdRng, whole: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new(), whole[..whole.len() / 2].to_vec(), vec![0; whole.len()]];
    for _ in 0..3 {
        let mut bytes = whole.to_vec();
        if !bytes.is_empty() {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        all.push(bytes);
    }
    all
}

const CHILD_DIR: &str = "MAYFLY_TEST_DAMAGED_DIR";

/// Not a test by itself: opens a chain that may end the process.
#[test]
fn child_opens_a_damaged_store() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        let _ = Chain::open(Path::new(&dir), spec());
    }
}

/// Opens a chain in another process; `false` if that did not survive it.
fn open_in_child(dir: &Path) -> bool {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["damage::child_opens_a_damaged_store", "--exact"]).env(CHILD_DIR, dir);
    child.output().unwrap().status.success()
}

#[test]
fn a_store_whose_opening_ended_a_process_is_made_anew() {
    let (dir, print) = closed(5);
    let opening = dir.path().join("store.opening");
    for (deaths, renewed) in [(1, false), (2, true)] {
        fs::write(&opening, vec![b'.'; deaths]).unwrap();
        assert_eq!(fingerprint(&open(dir.path()).unwrap()), print);
        assert_eq!((dir.path().join("store.damaged").exists(), opening.exists()), (renewed, false), "{deaths}");
    }
}

#[test]
fn a_damaged_store_is_made_anew_from_the_log() {
    let (dir, print) = closed(20);
    let mut rng = StdRng::seed_from_u64(1);
    let (mut renewed, mut died) = (0, 0);
    for file in files(&dir.path().join("store")) {
        let whole = fs::read(&file).unwrap();
        for bytes in damages(&mut rng, &whole) {
            let damaged = TempDir::new().unwrap();
            copy(dir.path(), damaged.path());
            fs::write(damaged.path().join(file.strip_prefix(dir.path()).unwrap()), &bytes).unwrap();
            // What the database asserts may end the process that opens it first.
            died += u64::from(!open_in_child(damaged.path()) && !open_in_child(damaged.path()));
            let mut chain = open(damaged.path()).unwrap_or_else(|err| panic!("{}: {err}", file.display()));
            assert_eq!(fingerprint(&chain), print, "{}", file.display());
            let reader = chain.reader();
            assert!((0..=20).all(|number| reader.block_by_number(number).unwrap().is_some()));
            renewed += u64::from(damaged.path().join("store.damaged").exists());
            add_block(&mut chain, &[]);
            let next = fingerprint(&chain);
            drop(chain);
            assert_eq!(fingerprint(&open(damaged.path()).unwrap()), next);
        }
    }
    assert!(renewed > 3 && renewed >= died, "{renewed} of them needed it, {died} ended a process");
    let gone = TempDir::new().unwrap();
    copy(dir.path(), gone.path());
    fs::remove_dir_all(gone.path().join("store")).unwrap();
    assert_eq!(fingerprint(&open(gone.path()).unwrap()), print);
}

#[test]
fn a_damaged_marker_is_written_again_and_costs_no_block() {
    let (dir, print) = closed(5);
    let path = dir.path().join("CHAIN");
    let whole = fs::read(&path).unwrap();
    for bytes in [Vec::new(), whole[..20].to_vec(), vec![0; whole.len()]] {
        fs::write(&path, bytes).unwrap();
        assert_eq!(fingerprint(&open(dir.path()).unwrap()), print);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(Chain::open(dir.path(), spec()), Err(EvmError::NoChain(_))));
    let created = Chain::create(Some(dir.path()), spec(), &with_contracts());
    assert!(matches!(created, Err(EvmError::Corrupt { what: "marker", .. })), "it would forget five blocks");
    drop(created);
    assert_eq!(fingerprint(&open(dir.path()).unwrap()), print);
    // Another genesis is another chain, whatever the marker says.
    fs::remove_file(&path).unwrap();
    assert!(Chain::open_or_create(dir.path(), spec(), &genesis()).is_err());
    assert_eq!(fingerprint(&open(dir.path()).unwrap()), print);
}

#[test]
fn a_damaged_log_is_refused_and_what_is_whole_of_it_can_be_saved() {
    let (dir, _) = closed(12);
    let log = dir.path().join("log/00000001.log");
    let whole = fs::read(&log).unwrap();
    let all = salvage(dir.path()).unwrap();
    assert_eq!(all.len(), 12);
    let mut rng = StdRng::seed_from_u64(2);
    for _ in 0..24 {
        let mut bytes = whole.clone();
        let at = rng.random_range(whole.len() / 4..whole.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        fs::write(&log, &bytes).unwrap();
        // Checkpoints know how long the log was, so even its last record is known to have been durable.
        match open(dir.path()) {
            Err(EvmError::Corrupt { .. }) => {}
            // Nothing at start reads so far back: it is refused where it is read.
            Ok(chain) => {
                let reader = chain.reader();
                let read: Vec<_> = (0..=12).map(|number| reader.block_by_number(number)).collect();
                assert!(read.iter().any(|block| matches!(block, Err(EvmError::Corrupt { .. }))), "flip at {at}");
            }
            Err(err) => panic!("flip at {at}: {err}"),
        }
        let saved = salvage(dir.path()).unwrap();
        assert!(saved.len() >= 11, "flip at {at}");
        assert!(saved.iter().all(|tx| all.iter().any(|other| other.hash() == tx.hash() && other.sender == tx.sender)));
    }
    fs::write(&log, &whole[..whole.len() - 10]).unwrap();
    assert!(matches!(open(dir.path()), Err(EvmError::Corrupt { what: "log", .. })));
    assert_eq!(salvage(dir.path()).unwrap().len(), 11);
    let chain_dir = dir.path().join("inner");
    fs::create_dir(&chain_dir).unwrap();
    let (first, second) = (set_aside(&chain_dir).unwrap(), fs::create_dir(&chain_dir).and(Ok(set_aside(&chain_dir))));
    assert!(first.exists() && second.unwrap().unwrap() != first && !chain_dir.exists());
}

#[test]
fn what_was_taken_back_is_not_saved() {
    let dir = TempDir::new().unwrap();
    let mut chain = open(dir.path()).unwrap();
    let wallet = Wallet::new(0);
    let pay = |nonce| wallet.call(nonce, TxKind::Call(Address::repeat_byte(5)), 1, Bytes::new());
    (0..4).for_each(|nonce| drop(add_block(&mut chain, &[pay(nonce)])));
    chain.revert_to(1).unwrap();
    let last = wallet.call(1, TxKind::Call(Address::repeat_byte(6)), 1, Bytes::new());
    add_block(&mut chain, std::slice::from_ref(&last));
    drop(chain);
    let saved: Vec<_> = salvage(dir.path()).unwrap().iter().map(|tx| tx.hash()).collect();
    assert_eq!(saved, [pay(0).hash(), last.hash()]);
}
