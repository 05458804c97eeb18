//! State roots of simulated blocks, read from the chain's own tries.

use super::{SimulationError, state::SimulatedState};
use crate::{
    EvmError, SealedBlock,
    chain::{Shared, Tries},
    state::Changes,
    trie::Direction,
};
use alloy_primitives::B256;
use parking_lot::MutexGuard;
use std::sync::Arc;

/// How far below the head a simulation may start: the blocks between are undone and done again for every root.
const MAX_UNDONE_BLOCKS: u64 = 256;
/// Values those blocks may have changed, and the simulation itself: while a root is computed no block is sealed, and each
/// value takes some ten microseconds of that.
const MAX_UNDONE_VALUES: usize = 1_000;
const MAX_CHANGED_VALUES: usize = 3_000;
/// How often to wait for the executed head to be durable without holding the writer up. After that it waits too.
const PATIENT_TRIES: usize = 3;
/// How often to try in all: a chain that is being reverted settles.
const MAX_TRIES: usize = 16;

/// Root of the state after `base` with a simulation's changes. The tries are as before afterwards.
pub(super) fn state_root(shared: &Shared, base: &SealedBlock, state: &SimulatedState) -> Result<B256, SimulationError> {
    let changes = state.changes();
    let values = values(&changes);
    if values > MAX_CHANGED_VALUES {
        return Err(SimulationError::TooManyChanges { values, max: MAX_CHANGED_VALUES });
    }
    for tries in 0..MAX_TRIES {
        let guard = shared.trie.lock();
        let head = guard.block.number();
        if guard.block.hash == shared.head().hash {
            return Ok(root_with(guard, &undone(shared, base)?, &changes));
        }
        // What blocks did that are not durable yet only the writer knows. It cannot go on while the tries are held.
        let held = (tries >= PATIENT_TRIES).then_some(guard);
        let durable = shared.wait_durable_or_reverted(head)?;
        if let (Some(guard), true) = (held, durable)
            && guard.block.hash == shared.head().hash
        {
            return Ok(root_with(guard, &undone(shared, base)?, &changes));
        }
    }
    Err(EvmError::StateUnavailable(base.number()).into())
}

/// What the blocks after `base` did, newest first.
fn undone(shared: &Shared, base: &SealedBlock) -> Result<Vec<Arc<Changes>>, EvmError> {
    let durable = shared.durable.read();
    let unavailable = || EvmError::StateUnavailable(base.number());
    let head = durable.head();
    if head.hash == base.hash {
        return Ok(Vec::new());
    }
    let there = durable.recent(base.number()).is_some_and(|recent| recent.block.hash == base.hash);
    if !there || head.number() - base.number() > MAX_UNDONE_BLOCKS {
        return Err(unavailable());
    }
    let later = (base.number() + 1..=head.number()).rev();
    let later: Option<Vec<_>> = later.map(|number| Some(durable.recent(number)?.changes.clone())).collect();
    let later = later.ok_or_else(unavailable)?;
    let undone: usize = later.iter().map(|changes| values(changes)).sum();
    if undone > MAX_UNDONE_VALUES { Err(unavailable()) } else { Ok(later) }
}

fn values(changes: &Changes) -> usize {
    changes.accounts.len() + changes.slots.len()
}

fn root_with(mut tries: MutexGuard<'_, Tries>, later: &[Arc<Changes>], changes: &Changes) -> B256 {
    for changes in later {
        tries.state.apply(changes, Direction::Back);
    }
    tries.state.apply(changes, Direction::Forward);
    let root = tries.state.root();
    tries.state.apply(changes, Direction::Back);
    for changes in later.iter().rev() {
        tries.state.apply(changes, Direction::Forward);
    }
    root
}
