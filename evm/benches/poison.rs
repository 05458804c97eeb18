//! What poison costs: processor time of one transaction with the most gas that one may have, for every kind; the least
//! of some rounds, since a busy machine only adds to it.
//!
//! `cargo bench --profile dev -p mayfly-evm --bench poison` prints a row for each; words after `--` pick kinds.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../tests/poison/mod.rs"]
mod poison;

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip7702, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use mayfly_evm::{BlockAttributes, Chain, ChainSpec, Genesis, RecoveredTx, TX_GAS_LIMIT_CAP, Transaction};
use std::sync::Arc;

const CHAIN_ID: u64 = 7;
const SENDER: Address = Address::repeat_byte(0x0f);
const ROUNDS: usize = 7;

/// Nanoseconds this thread has run; giving way brings the kernel's count up to date.
fn thread_ns() -> u64 {
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// A transaction that nobody signed: the executor takes the sender as given.
fn transaction(kind: &poison::Poison) -> Arc<RecoveredTx> {
    let signature = Signature::new(U256::ONE, U256::ONE, false);
    let (chain_id, gas_limit, input) = (CHAIN_ID, TX_GAS_LIMIT_CAP, kind.input.clone());
    let tx: TxEnvelope = match kind.to {
        TxKind::Call(to) if !kind.authorizations.is_empty() => {
            let authorization_list = kind.authorizations.clone();
            let tx = TxEip7702 { chain_id, gas_limit, to, input, authorization_list, ..Default::default() };
            tx.into_signed(signature).into()
        }
        to => TxEip1559 { chain_id, gas_limit, to, input, ..Default::default() }.into_signed(signature).into(),
    };
    Arc::new(RecoveredTx { tx: Transaction::Signed(tx), sender: SENDER })
}

/// Nanoseconds of execution and of sealing, and gas used.
fn run(kind: &poison::Poison) -> (u64, u64, u64) {
    let genesis = Genesis { accounts: kind.accounts(), timestamp: 1, gas_limit: 1 << 30, ..Default::default() };
    let mut chain = Chain::create(None, ChainSpec::rollup(CHAIN_ID, 1).unwrap(), &genesis).unwrap();
    let attributes = BlockAttributes {
        timestamp: 2,
        prev_randao: B256::ZERO,
        parent_beacon_block_root: B256::ZERO,
        extra_data: Bytes::new(),
        gas_limit: 1 << 30,
        beneficiary: Address::repeat_byte(0xfe),
        consensus: Default::default(),
    };
    let tx = transaction(kind);
    let mut builder = chain.begin(attributes).unwrap();
    let start = thread_ns();
    let outcome = builder.execute(&tx).unwrap();
    let executed = thread_ns();
    builder.seal().unwrap();
    (executed - start, thread_ns() - executed, outcome.receipt.gas_used)
}

fn main() {
    // Test runners start every target: there is nothing to test here.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let mut worst = (0, "");
    println!("{:<34}{:>10}{:>10}{:>12}{:>10}", "kind", "run ms", "seal ms", "gas", "us/Mgas");
    for kind in poison::all() {
        if !words.is_empty() && !words.iter().any(|word| kind.name.contains(word.as_str())) {
            continue;
        }
        let (run, seal, gas) = (0..ROUNDS).map(|_| run(&kind)).min_by_key(|(run, seal, _)| run + seal).unwrap();
        let total = run + seal;
        worst = worst.max((total, kind.name));
        let ms = |ns: u64| ns as f64 / 1e6;
        println!(
            "{:<34}{:>10.1}{:>10.1}{:>12}{:>10.0}",
            kind.name,
            ms(run),
            ms(seal),
            gas,
            total as f64 / gas as f64 * 1e3
        );
    }
    println!("worst: {} {:.1} ms", worst.1, worst.0 as f64 / 1e6);
}
