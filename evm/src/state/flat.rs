//! Accounts, slots and code by key.

use super::{AccountInfo, Changes};
use crate::trie::Direction;
use alloy_primitives::{
    Address, U256,
    map::{AddressMap, B256Map, HashMap},
};
use revm::bytecode::Bytecode;

/// Storage of one contract; zero slots are not there.
pub(crate) type Slots = HashMap<U256, U256>;

/// A whole state, flat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flat {
    pub(crate) accounts: AddressMap<AccountInfo>,
    pub(crate) storages: AddressMap<Slots>,
    pub(crate) codes: B256Map<Bytecode>,
}

impl Flat {
    /// Takes a block's changes, or their undo, in.
    pub(crate) fn apply(&mut self, changes: &Changes, direction: Direction) {
        for (hash, code) in &changes.codes {
            self.codes.entry(*hash).or_insert_with(|| code.clone());
        }
        for change in &changes.accounts {
            match direction.pick(&change.old, &change.new) {
                Some(info) => self.accounts.insert(change.address, *info),
                None => self.accounts.remove(&change.address),
            };
        }
        for slots in changes.slots.chunk_by(|a, b| a.address == b.address) {
            let address = slots[0].address;
            let storage = self.storages.entry(address).or_default();
            for change in slots {
                let value = *direction.pick(&change.old, &change.new);
                set_slot(storage, change.slot, value);
            }
            if storage.is_empty() {
                self.storages.remove(&address);
            }
        }
    }

    /// A slot's value.
    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> U256 {
        self.storages.get(address).and_then(|slots| slots.get(slot)).copied().unwrap_or_default()
    }
}

/// Sets a slot; zero removes it.
pub(crate) fn set_slot(storage: &mut Slots, slot: U256, value: U256) {
    if value.is_zero() {
        storage.remove(&slot);
    } else {
        storage.insert(slot, value);
    }
}
