//! Readers beside a writer that seals and reverts.

use crate::common::*;
use alloy_primitives::{Bytes, TxKind, U256, keccak256};
use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof};
use mayfly_evm::{ChainReader, EvmError};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

const WALLETS: u64 = 8;

/// Sums the wallets' balances in a view; `None` if it went away meanwhile.
fn total(reader: &ChainReader, back: u64) -> Option<U256> {
    let head = reader.head().number();
    let view = if back == 0 { reader.latest() } else { reader.at(head.saturating_sub(back)).ok()? };
    let mut sum = U256::ZERO;
    for seed in 0..WALLETS {
        match view.account(&Wallet::new(seed).address) {
            Ok(info) => sum += info.unwrap().balance,
            Err(EvmError::StateUnavailable(_)) => return None,
            Err(err) => panic!("{err}"),
        }
    }
    Some(sum)
}

/// Checks a proof against the block it came with.
fn check_proof(reader: &ChainReader, seed: u64) {
    let address = Wallet::new(seed).address;
    let proven = reader.proof(&address, &[]).unwrap();
    let proof = proven.proof;
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let key = Nibbles::unpack(keccak256(address));
    let root = proven.block.header.state_root;
    verify_proof(root, key, Some(alloy_rlp::encode(account)), &proof.account_proof).unwrap();
}

#[test]
fn readers_always_see_one_whole_state() {
    let dir = tempfile::tempdir().unwrap();
    let mut chain = mayfly_evm::Chain::create(Some(dir.path()), spec(), &with_contracts()).unwrap();
    let reader = chain.reader();
    let expected = total(&reader, 0).unwrap();
    let (done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for back in [0, 1, 3, 40] {
            let (reader, done, seen) = (reader.clone(), &done, &seen);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    if let Some(sum) = total(&reader, back) {
                        assert_eq!(sum, expected);
                        seen.fetch_add(1, Ordering::Relaxed);
                    }
                    check_proof(&reader, back % WALLETS);
                }
            });
        }
        let mut rng = StdRng::seed_from_u64(5);
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            let txs: Vec<_> = (0..WALLETS)
                .map(|seed| {
                    let nonce = chain.account(&Wallet::new(seed).address).unwrap().nonce;
                    let to = Wallet::new((seed + rng.random_range(1..WALLETS)) % WALLETS).address;
                    Wallet::new(seed).call(nonce, TxKind::Call(to), rng.random_range(0..1_000), Bytes::new())
                })
                .collect();
            add_block(&mut chain, &txs);
            if rng.random_range(0..10) == 0 {
                let back = rng.random_range(0..6).min(chain.head().number());
                chain.revert_to(chain.head().number() - back).unwrap();
            }
        }
        chain.flush().unwrap();
        done.store(true, Ordering::Relaxed);
    });
    assert!(seen.load(Ordering::Relaxed) > 100);
}

#[test]
fn visitors_may_read_while_blocks_become_durable() {
    let (send, done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = mayfly_evm::Chain::create(Some(dir.path()), spec(), &with_contracts()).unwrap();
        let reader = chain.reader();
        for _ in 0..300 {
            add_block(&mut chain, &[]);
            let mut count = 0;
            chain.for_each_account(|address, info| {
                assert_eq!(chain.account(&address), Some(*info));
                count += usize::from(!chain.code(&address).is_empty());
            });
            reader.for_each_account(|address, _| count += usize::from(!reader.code(&address).is_empty()));
            assert_eq!(count, 10);
        }
        send.send(()).unwrap();
    });
    done.recv_timeout(Duration::from_secs(120)).expect("no deadlock");
}
