//! Changes to the state before a simulated block starts.

use super::{SimulationBlock, SimulationError, precompiles::MovedPrecompiles};
use crate::{
    AccountOverride,
    state::{Overlay, StateError, StateSource},
};
use alloy_primitives::{Address, map::AddressSet};

/// Makes a block's changes to accounts and moves its precompiled contracts. Whoever is changed is no precompiled
/// contract in this block.
pub(super) fn apply<S: StateSource, P>(
    block: &SimulationBlock,
    overlay: &mut Overlay<S>,
    precompiles: &mut MovedPrecompiles<P>,
    known: &AddressSet,
) -> Result<(), SimulationError> {
    let changed: AddressSet = block.accounts.iter().map(|(address, _)| *address).collect();
    for (from, to) in &block.moves {
        if !known.contains(from) {
            return Err(SimulationError::NotPrecompile(*from));
        }
        if changed.contains(to) {
            return Err(SimulationError::Overridden(*to));
        }
        precompiles.place(*from, *to);
    }
    for (address, changes) in &block.accounts {
        precompiles.remove(*address);
        change(overlay, address, changes)?;
    }
    Ok(())
}

/// An account whose fields are set exists, also if it is empty, until a transaction touches it.
fn change<S: StateSource>(
    overlay: &mut Overlay<S>,
    address: &Address,
    changes: &AccountOverride,
) -> Result<(), StateError> {
    let AccountOverride { balance, nonce, code, state, state_diff } = changes;
    let set = balance.is_some() || nonce.is_some() || code.is_some() || state.is_some() || !state_diff.is_empty();
    if !set {
        return Ok(());
    }
    let mut info = overlay.account(address)?.unwrap_or_default();
    info.balance = balance.unwrap_or(info.balance);
    info.nonce = nonce.unwrap_or(info.nonce);
    overlay.put_account(address, info)?;
    if let Some(code) = code {
        overlay.set_code(address, code.clone())?;
    }
    if state.is_some() {
        overlay.wipe_storage(address)?;
    }
    for (slot, value) in state.iter().flatten().chain(state_diff) {
        overlay.set_slot(address, (*slot).into(), (*value).into())?;
    }
    Ok(())
}
