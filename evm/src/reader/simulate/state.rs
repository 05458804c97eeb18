//! The state that simulated blocks build up.

use super::super::StateView;
use super::SimulationError;
use crate::{
    AccountInfo,
    state::{AccountChange, Changes, SlotChange, StateError, StateSource},
};
use alloy_primitives::{Address, B256, U256, map::B256Map};
use revm::bytecode::Bytecode;
use std::collections::BTreeMap;

/// Most values that a simulation may touch, those included that are as before in the end.
const MAX_TOUCHED_VALUES: usize = 200_000;

/// A value at the base and now.
type Change<T> = (T, T);

/// The state after the simulated blocks so far.
#[derive(Debug)]
pub(super) struct SimulatedState {
    view: StateView,
    accounts: BTreeMap<Address, Change<Option<AccountInfo>>>,
    slots: BTreeMap<(Address, U256), Change<U256>>,
    codes: B256Map<Bytecode>,
    /// Hashes of the simulated blocks; they follow the base without a gap.
    hashes: Vec<B256>,
}

impl SimulatedState {
    pub(super) fn new(view: StateView) -> Self {
        Self { view, accounts: BTreeMap::new(), slots: BTreeMap::new(), codes: B256Map::default(), hashes: Vec::new() }
    }

    /// Takes in what a block changed.
    pub(super) fn take(&mut self, changes: &Changes) -> Result<(), SimulationError> {
        for change in &changes.accounts {
            self.accounts.entry(change.address).or_insert((change.old, None)).1 = change.new;
        }
        for change in &changes.slots {
            self.slots.entry((change.address, change.slot)).or_insert((change.old, U256::ZERO)).1 = change.new;
        }
        self.codes.extend(changes.codes.iter().cloned());
        if self.accounts.len() + self.slots.len() > MAX_TOUCHED_VALUES {
            let why = format!("the simulation touches more than {MAX_TOUCHED_VALUES} accounts and slots");
            return Err(SimulationError::Call(why));
        }
        Ok(())
    }

    /// The next simulated block has this hash.
    pub(super) fn push_hash(&mut self, hash: B256) {
        self.hashes.push(hash);
    }

    /// All that changed since the base, without codes.
    pub(super) fn changes(&self) -> Changes {
        let accounts = self.accounts.iter().filter(|(_, (old, new))| old != new);
        let slots = self.slots.iter().filter(|(_, (old, new))| old != new);
        Changes {
            accounts: accounts.map(|(&address, &(old, new))| AccountChange { address, old, new }).collect(),
            slots: slots.map(|(&(address, slot), &(old, new))| SlotChange { address, slot, old, new }).collect(),
            ..Changes::default()
        }
    }
}

impl StateSource for &SimulatedState {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        match self.accounts.get(address) {
            Some((_, now)) => Ok(*now),
            None => StateSource::account(&self.view, address),
        }
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        match self.slots.get(&(*address, *slot)) {
            Some((_, now)) => Ok(*now),
            None => self.view.slot(address, slot),
        }
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        self.codes.get(hash).map_or_else(|| StateSource::code(&self.view, hash), |code| Ok(code.clone()))
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        let after = number.checked_sub(self.view.block().number() + 1);
        let simulated = after.and_then(|index| self.hashes.get(usize::try_from(index).ok()?));
        simulated.map_or_else(|| self.view.block_hash(number), |hash| Ok(*hash))
    }

    fn slots(&self, address: &Address) -> Result<Vec<(U256, U256)>, StateError> {
        let mut slots: BTreeMap<U256, U256> = self.view.slots(address)?.into_iter().collect();
        let own = self.slots.range((*address, U256::ZERO)..=(*address, U256::MAX));
        slots.extend(own.map(|((_, slot), (_, now))| (*slot, *now)));
        Ok(slots.into_iter().filter(|(_, value)| !value.is_zero()).collect())
    }
}
