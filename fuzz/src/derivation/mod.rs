//! Derivation over an L1 that the input scripts: queue items of every kind, batches from valid to garbage, endings,
//! reorganisations. Three derivations of it must agree, and nothing stops any of them:
//!
//! * one that follows as L1 grows, and goes back over each reorganisation;
//! * one that reads in other pieces, stops in the middle of a batch, and resumes from its checkpoint;
//! * one that reads L1 only when it is over.

mod l1;
mod run;
mod script;
mod wallet;

use crate::input::Input;
use alloy_primitives::{Address, U256};
use l1::L1;
use mayfly_contracts::types::Allocation;
use mayfly_rollup::RollupInfo;
use run::Run;
use script::Script;
use std::sync::Arc;
use wallet::WALLETS;

/// What the input may do to L1.
const MAX_OPERATIONS: usize = 48;
/// The gas of a block is small, so that no input is slow for burning gas alone.
const BLOCK_GAS_LIMIT: u64 = 1_500_000;
const L1_START: u64 = 10;
const L1_TIME: u64 = 1_000;

/// Runs one input.
pub fn run(data: &[u8]) {
    let info = Arc::new(info());
    let mut script = Script::new(info.clone());
    let mut input = Input::new(data);
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        script.operate(&mut input);
    }
    let Script { l1, mut following, mut pieces, .. } = script.close();
    let mut late = Run::new(info);
    for run in [&mut following, &mut pieces, &mut late] {
        run.read(&l1, usize::MAX);
        run.steps(usize::MAX);
    }
    assert_closed(&l1, &late);
    late.assert_same(&following);
    late.assert_same(&pieces);
}

/// The rollup is closed and the whole queue consumed.
fn assert_closed(l1: &L1, run: &Run) {
    let end = run.checkpoint();
    assert!(end.closed);
    assert_eq!(end.batch_seq, l1.now.link.0);
    assert_eq!(end.consumed, end.queued);
    assert!(end.queued <= l1.now.items.len() as u64);
}

/// The rollup that is derived.
fn info() -> RollupInfo {
    let mut info = RollupInfo {
        rollup: Address::repeat_byte(0x10),
        settlement: Address::repeat_byte(0x11),
        vault: Address::repeat_byte(0x12),
        chain_id: 7_777,
        l1_chain_id: 31_337,
        l1_number: L1_START,
        l1_hash: l1::hash(L1_START, 0),
        l1_time: L1_TIME,
        ..RollupInfo::default()
    };
    info.genesis = WALLETS.iter().map(|wallet| Allocation { to: wallet.address, amount: U256::from(1_000) }).collect();
    info.config.protocolVersion = 1;
    info.config.organiser = Address::repeat_byte(0x20);
    info.config.blockGasLimit = BLOCK_GAS_LIMIT;
    info.config.endTime = L1_TIME + 1_000;
    info.config.drain = 200;
    info.config.windows.maxDrift = 60;
    info
}
