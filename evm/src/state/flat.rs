//! Accounts, slots and code by key.

use super::{AccountInfo, Changes};
use crate::trie::Direction;
use alloy_primitives::{
    Address, B256, U256,
    map::{AddressMap, B256Map, HashMap},
};
use revm::bytecode::Bytecode;

/// Storage of one contract; zero slots are not there.
pub(crate) type Slots = HashMap<U256, U256>;

/// How much a state holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// Accounts.
    pub accounts: usize,
    /// Storage slots that are not zero.
    pub slots: usize,
    /// Bytes of code, each code once.
    pub code_bytes: usize,
    /// Token balances, as the fold of the logs has them.
    pub balances: usize,
}

impl StateSize {
    /// What an account, a slot or a balance takes in memory, its places in maps and tries included: about what 10⁶
    /// holders of ether and tokens took (`docs/benchmarks.md`).
    const ENTRY_BYTES: usize = 400;

    /// About how much memory that takes.
    pub const fn memory_bytes(&self) -> usize {
        let entries = self.accounts.saturating_add(self.slots).saturating_add(self.balances);
        entries.saturating_mul(Self::ENTRY_BYTES).saturating_add(self.code_bytes)
    }
}

/// A whole state, flat.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flat {
    pub(crate) accounts: AddressMap<AccountInfo>,
    pub(crate) storages: AddressMap<Slots>,
    pub(crate) codes: B256Map<Bytecode>,
    slots: usize,
    code_bytes: usize,
}

impl Flat {
    /// Takes a block's changes, or their undo, in.
    pub(crate) fn apply(&mut self, changes: &Changes, direction: Direction) {
        for (hash, code) in &changes.codes {
            self.add_code(*hash, code.clone());
        }
        for change in &changes.accounts {
            match direction.pick(&change.old, &change.new) {
                Some(info) => self.accounts.insert(change.address, *info),
                None => self.accounts.remove(&change.address),
            };
        }
        for slots in changes.slots.chunk_by(|a, b| a.address == b.address) {
            let address = slots[0].address;
            let values = slots.iter().map(|change| (change.slot, *direction.pick(&change.old, &change.new)));
            self.set_slots(address, values);
        }
    }

    /// Sets slots of a contract; zero removes one.
    pub(crate) fn set_slots(&mut self, address: Address, values: impl Iterator<Item = (U256, U256)>) {
        let storage = self.storages.entry(address).or_default();
        self.slots -= storage.len();
        for (slot, value) in values {
            match value.is_zero() {
                true => storage.remove(&slot),
                false => storage.insert(slot, value),
            };
        }
        self.slots += storage.len();
        if storage.is_empty() {
            self.storages.remove(&address);
        }
    }

    /// Keeps a code; codes are never removed.
    pub(crate) fn add_code(&mut self, hash: B256, code: Bytecode) {
        let code_bytes = &mut self.code_bytes;
        self.codes.entry(hash).or_insert_with(|| {
            *code_bytes += code.len();
            code
        });
    }

    /// How much there is.
    pub(crate) fn size(&self) -> StateSize {
        StateSize { accounts: self.accounts.len(), slots: self.slots, code_bytes: self.code_bytes, balances: 0 }
    }

    /// A slot's value.
    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> U256 {
        self.storages.get(address).and_then(|slots| slots.get(slot)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_holds_through_changes_and_removals() {
        let (mut flat, one, two) = (Flat::default(), Address::repeat_byte(1), Address::repeat_byte(2));
        let set = |flat: &mut Flat, of, values: &[(u64, u64)]| {
            flat.set_slots(of, values.iter().map(|(slot, value)| (U256::from(*slot), U256::from(*value))));
        };
        set(&mut flat, one, &[(1, 5), (2, 6), (1, 7), (3, 0)]);
        set(&mut flat, two, &[(1, 5)]);
        assert_eq!(flat.size().slots, 3);
        set(&mut flat, one, &[(1, 0), (2, 0), (9, 0)]);
        assert_eq!((flat.size().slots, flat.storages.len()), (1, 1));
        flat.accounts.insert(one, AccountInfo::default());
        for _ in 0..2 {
            flat.add_code(B256::repeat_byte(1), Bytecode::new_raw(vec![0; 10].into()));
        }
        let size = flat.size();
        assert_eq!((size.accounts, size.slots), (1, 1));
        let code = size.code_bytes;
        assert!((10..100).contains(&code), "{code}");
        assert_eq!(size.memory_bytes(), 800 + code);
    }
}
