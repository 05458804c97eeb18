#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Signature, TxKind, U256};
use mayfly_evm::{RecoveredTx, Transaction};

use super::{Account, Pool, PoolLimits, Pooled};
use crate::admission::{Admission, AdmissionConfig, Submission};
use crate::error::SubmitError;
use crate::origin::Origin;

fn sender(n: u64) -> Address {
    Address::left_padding_from(&n.to_be_bytes())
}

/// A transaction as the pool sees it; who signed it was settled before.
fn tx(from: u64, nonce: u64, fee: u128, at: Instant) -> Pooled {
    tx_behind(Origin::Local, from, nonce, fee, at)
}

fn tx_behind(origin: Origin, from: u64, nonce: u64, fee: u128, at: Instant) -> Pooled {
    let body = alloy_consensus::TxEip1559 {
        chain_id: 1,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: fee,
        max_priority_fee_per_gas: fee,
        to: TxKind::Call(sender(from)),
        value: U256::from(fee) * U256::from(21_000),
        ..Default::default()
    };
    let envelope = alloy_consensus::SignableTransaction::into_signed(body, Signature::test_signature()).into();
    let recovered = RecoveredTx { tx: Transaction::Signed(envelope), sender: sender(from) };
    crate::intake::describe(recovered, 100, origin, at)
}

fn rich(nonce: u64) -> Account {
    Account { nonce, balance: U256::MAX }
}

fn pool(max_transactions: usize) -> Pool {
    Pool::new(PoolLimits { max_transactions, max_parked: 4, max_per_sender: 8, max_nonce_gap: 3, ..Default::default() })
}

fn order(pool: &mut Pool) -> Vec<(Address, u64)> {
    std::iter::from_fn(|| pool.take_next()).map(|p| (p.sender, p.nonce)).collect()
}

#[test]
fn serves_senders_in_turn_and_each_by_nonce() {
    let (mut pool, now) = (pool(100), Instant::now());
    for nonce in [2, 0, 1] {
        pool.insert(tx(1, nonce, 0, now), rich(0)).unwrap();
    }
    pool.insert(tx(2, 7, 0, now), rich(7)).unwrap();
    pool.insert(tx(2, 8, 0, now), rich(7)).unwrap();
    let (a, b) = (sender(1), sender(2));
    assert_eq!(order(&mut pool), [(a, 0), (b, 7), (a, 1), (b, 8), (a, 2)]);
    assert_eq!((pool.len(), pool.bytes(), pool.has_ready()), (0, 0, false));
}

#[test]
fn refuses_what_wallets_know() {
    let (mut pool, now) = (pool(100), Instant::now());
    pool.insert(tx(1, 5, 0, now), rich(5)).unwrap();
    let refused = |pool: &mut Pool, tx, account| pool.insert(tx, account).unwrap_err();
    assert_eq!(refused(&mut pool, tx(1, 5, 0, now), rich(5)), SubmitError::AlreadyKnown);
    let low = refused(&mut pool, tx(1, 4, 0, now), rich(5));
    assert_eq!(low.to_string(), "nonce too low: next nonce 5, tx nonce 4");
    let high = refused(&mut pool, tx(1, 10, 0, now), rich(5));
    assert_eq!(high.to_string(), "nonce too high: next nonce 6, tx nonce 10");
    let poor = refused(&mut pool, tx(2, 0, 1, now), Account { nonce: 0, balance: U256::from(20_999) });
    assert_eq!(poor.to_string(), "insufficient funds for gas * price + value: balance 20999, tx cost 21000");
}

#[test]
fn funds_must_cover_all_that_waits() {
    let (mut pool, now) = (pool(100), Instant::now());
    let account = Account { nonce: 0, balance: U256::from(50_000) };
    pool.insert(tx(1, 0, 1, now), account).unwrap();
    pool.insert(tx(1, 1, 1, now), account).unwrap();
    let refused = pool.insert(tx(1, 2, 1, now), account).unwrap_err();
    assert_eq!(refused, SubmitError::InsufficientFunds { have: U256::from(50_000), want: U256::from(63_000) });
}

#[test]
fn a_replacement_pays_a_tenth_more() {
    let (mut pool, now) = (pool(100), Instant::now());
    pool.insert(tx(1, 0, 100, now), rich(0)).unwrap();
    let refused = pool.insert(tx(1, 0, 109, now), rich(0)).unwrap_err();
    assert_eq!(refused, SubmitError::Underpriced { have: 109, want: 110 });
    let left = pool.insert(tx(1, 0, 110, now), rich(0)).unwrap();
    assert_eq!((left.len(), left[0].max_fee, pool.len()), (1, 100, 1));
    assert_eq!(pool.take_next().unwrap().max_fee, 110);
    // Free transactions cannot be replaced for free.
    pool.insert(tx(2, 0, 0, now), rich(0)).unwrap();
    let mut other = tx(2, 0, 0, now);
    other.hash = B256::repeat_byte(1);
    assert_eq!(pool.insert(other, rich(0)).unwrap_err(), SubmitError::Underpriced { have: 0, want: 1 });
}

#[test]
fn a_gap_waits_until_it_is_filled_or_too_old() {
    let (mut pool, now) = (pool(100), Instant::now());
    pool.insert(tx(1, 1, 0, now), rich(0)).unwrap();
    pool.insert(tx(1, 3, 0, now), rich(0)).unwrap();
    assert!(!pool.has_ready());
    assert_eq!(pool.pending_nonce(&sender(1)), Some(0));
    pool.insert(tx(1, 0, 0, now), rich(0)).unwrap();
    assert_eq!(pool.pending_nonce(&sender(1)), Some(2));
    let ready: Vec<bool> = pool.content(Some(sender(1)), 10).into_iter().map(|(_, ready)| ready).collect();
    assert_eq!(ready, [true, true, false]);
    assert_eq!(pool.counts(), (2, 1));
    assert_eq!(order(&mut pool), [(sender(1), 0), (sender(1), 1)]);
    assert!(pool.expire(now + Duration::from_secs(59)).is_empty());
    let old = pool.expire(now + Duration::from_secs(61));
    assert_eq!((old.len(), old[0].nonce, pool.len()), (1, 3, 0));
}

#[test]
fn a_full_pool_gives_way_to_those_who_hold_less() {
    let (mut pool, now) = (pool(6), Instant::now());
    for nonce in 0..5 {
        pool.insert(tx(1, nonce, 0, now), rich(0)).unwrap();
    }
    pool.insert(tx(2, 0, 0, now), rich(0)).unwrap();
    let left = pool.insert(tx(3, 0, 0, now), rich(0)).unwrap();
    assert_eq!((left.len(), left[0].sender, left[0].nonce), (1, sender(1), 4));
    assert_eq!(pool.len(), 6);
    // The one who holds most cannot push others out.
    assert_eq!(pool.insert(tx(1, 4, 0, now), rich(0)).unwrap_err(), SubmitError::PoolFull(6));
}

#[test]
fn what_cannot_run_leaves_before_what_can() {
    let (mut pool, now) = (pool(6), Instant::now());
    for from in 1..=4 {
        pool.insert(tx(from, 1, 0, now), rich(0)).unwrap();
    }
    assert_eq!(pool.insert(tx(9, 1, 0, now), rich(0)).unwrap_err(), SubmitError::PoolFull(4));
    pool.insert(tx(5, 0, 0, now), rich(0)).unwrap();
    pool.insert(tx(6, 0, 0, now), rich(0)).unwrap();
    let left = pool.insert(tx(7, 0, 0, now), rich(0)).unwrap();
    assert_eq!((left.len(), left[0].sender, left[0].nonce), (1, sender(1), 1));
}

#[test]
fn one_sender_has_its_limit() {
    let (mut pool, now) = (pool(100), Instant::now());
    for nonce in 0..8 {
        pool.insert(tx(1, nonce, 0, now), rich(0)).unwrap();
    }
    assert_eq!(pool.insert(tx(1, 8, 0, now), rich(0)).unwrap_err(), SubmitError::PoolFull(8));
}

#[test]
fn follows_the_chain_forwards_and_back() {
    let (mut pool, now) = (pool(100), Instant::now());
    for nonce in 0..4 {
        pool.insert(tx(1, nonce, 0, now), rich(0)).unwrap();
    }
    let stale = pool.move_to(sender(1), 2);
    assert_eq!(stale.iter().map(|p| p.nonce).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(pool.pending_nonce(&sender(1)), Some(4));
    assert!(pool.move_to(sender(1), 1).is_empty());
    assert_eq!(pool.pending_nonce(&sender(1)), Some(1), "nonce 1 is missing now");
    assert_eq!(order(&mut pool), []);
    pool.insert(tx(1, 1, 0, now), rich(1)).unwrap();
    assert_eq!(order(&mut pool), [(sender(1), 1), (sender(1), 2), (sender(1), 3)]);
}

#[test]
fn put_back_is_first_again() {
    let (mut pool, now) = (pool(100), Instant::now());
    pool.insert(tx(1, 0, 0, now), rich(0)).unwrap();
    pool.insert(tx(1, 1, 0, now), rich(0)).unwrap();
    pool.insert(tx(2, 0, 0, now), rich(0)).unwrap();
    let first = pool.take_next().unwrap();
    pool.put_back(first);
    assert_eq!(pool.len(), 3);
    assert_eq!(order(&mut pool).len(), 3);
    let mut again = Pool::new(PoolLimits::default());
    again.insert(tx(1, 0, 0, now), rich(0)).unwrap();
    let only = again.take_next().unwrap();
    again.put_back(only);
    assert_eq!(order(&mut again), [(sender(1), 0)]);
}

const ATTACKER: Origin = Origin::V4([203, 0, 113]);
const NEWCOMER: Origin = Origin::V4([192, 0, 2]);

#[test]
fn fresh_keys_behind_one_prefix_do_not_keep_a_newcomer_out() {
    let now = Instant::now();
    let (mut pool, door) = (Pool::new(PoolLimits::default()), Admission::new(&AdmissionConfig::default(), now));
    let enter = |pool: &mut Pool, origin, from, nonce| {
        let mut pooled = tx_behind(origin, from, nonce, 0, now);
        let (gas_limit, size_bytes) = (pooled.gas_limit, pooled.size_bytes);
        let asked = Submission { sender: pooled.sender, origin, gas_limit, size_bytes, at: now };
        pooled.grant = Some(door.admit(&asked).map_err(SubmitError::from)?);
        pool.insert(pooled, rich(0))
    };
    for key in 0..50_000 {
        assert!(enter(&mut pool, ATTACKER, 1_000 + key, 0).unwrap().is_empty());
    }
    assert_eq!(enter(&mut pool, ATTACKER, 1, 0).unwrap_err(), SubmitError::PoolFull(50_000));
    for nonce in 0..3 {
        let left = enter(&mut pool, NEWCOMER, 2, nonce).unwrap();
        assert_eq!((left.len(), left[0].origin), (1, ATTACKER));
    }
    // Nor does it wait behind them: prefixes take turns.
    let served: Vec<_> = std::iter::from_fn(|| pool.take_next()).take(6).map(|p| p.origin).collect();
    assert_eq!(served, [ATTACKER, NEWCOMER, ATTACKER, NEWCOMER, ATTACKER, NEWCOMER]);
}

#[test]
fn gaps_behind_one_prefix_do_not_keep_a_newcomer_out() {
    let (mut pool, now) = (pool(100), Instant::now());
    for from in 1..=4 {
        pool.insert(tx_behind(ATTACKER, from, 1, 0, now), rich(0)).unwrap();
    }
    let refused = pool.insert(tx_behind(ATTACKER, 5, 1, 0, now), rich(0)).unwrap_err();
    assert_eq!(refused, SubmitError::PoolFull(4));
    let left = pool.insert(tx_behind(NEWCOMER, 6, 1, 0, now), rich(0)).unwrap();
    assert_eq!((left.len(), left[0].sender, pool.parked_count()), (1, sender(1), 4));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Whatever happens, the counts fit the content, and nonces come out without gaps.
    #[test]
    fn stays_consistent(ops in proptest::collection::vec((0u8..6, 1u64..5, 0u64..12), 1..200)) {
        let (mut pool, now) = (pool(10), Instant::now());
        let mut nonces = [0u64; 8];
        for (op, from, n) in ops {
            match op {
                0..=2 => {
                    let at = nonces[from as usize];
                    let origin = [ATTACKER, NEWCOMER][from as usize % 2];
                    let _ = pool.insert(tx_behind(origin, from, n, u128::from(op), now), rich(at));
                }
                3 => {
                    if let Some(p) = pool.take_next() {
                        let from = usize::try_from(U256::from_be_slice(p.sender.as_slice())).unwrap();
                        proptest::prop_assert_eq!(p.nonce, nonces[from]);
                        nonces[from] += 1;
                    }
                }
                4 => {
                    if let Some(p) = pool.take_next() {
                        pool.put_back(p);
                    }
                }
                _ => {
                    nonces[from as usize] = nonces[from as usize].max(n / 2);
                    pool.move_to(sender(from), nonces[from as usize]);
                }
            }
            let content = pool.content(None, 1_000);
            proptest::prop_assert_eq!(content.len(), pool.len());
            proptest::prop_assert!(pool.len() <= 10);
            proptest::prop_assert_eq!(pool.bytes(), 100 * pool.len());
            proptest::prop_assert!(pool.parked_count() <= content.iter().filter(|(_, ready)| !ready).count());
        }
        let mut left = pool.len();
        while pool.take_next().is_some() {
            left -= 1;
        }
        proptest::prop_assert_eq!(left, pool.len());
    }
}
