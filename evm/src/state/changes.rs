//! What a block changed.

use super::AccountInfo;
use crate::{fold::FoldChange, receipt_tree::TreeChange};
use alloy_primitives::{Address, B256, U256};
use alloy_trie::KECCAK_EMPTY;
use revm::bytecode::Bytecode;

/// An account before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountChange {
    pub(crate) address: Address,
    pub(crate) old: Option<AccountInfo>,
    pub(crate) new: Option<AccountInfo>,
}

/// A storage slot before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlotChange {
    pub(crate) address: Address,
    pub(crate) slot: U256,
    pub(crate) old: U256,
    pub(crate) new: U256,
}

/// Everything a block changed. `accounts` are sorted by address, `slots` by address and slot, so that a value is
/// found by binary search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) accounts: Vec<AccountChange>,
    pub(crate) slots: Vec<SlotChange>,
    /// New code by hash. Never undone: code is found by its hash.
    pub(crate) codes: Vec<(B256, Bytecode)>,
    pub(crate) fold: Vec<FoldChange>,
    /// Contracts whose logs became inconsistent.
    pub(crate) inconsistent: Vec<Address>,
    pub(crate) receipts: TreeChange,
}

impl Changes {
    /// Puts accounts, slots and codes into their order.
    pub(crate) fn order(&mut self) {
        self.accounts.sort_unstable_by_key(|change| change.address);
        self.slots.sort_unstable_by_key(|change| (change.address, change.slot));
        self.codes.retain(|(hash, _)| *hash != KECCAK_EMPTY);
        self.codes.sort_unstable_by_key(|(hash, _)| *hash);
    }

    /// The change of an account.
    pub(crate) fn account(&self, address: &Address) -> Option<&AccountChange> {
        let found = self.accounts.binary_search_by(|change| change.address.cmp(address));
        found.ok().map(|index| &self.accounts[index])
    }

    /// The change of a slot.
    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> Option<&SlotChange> {
        let key = (address, slot);
        let found = self.slots.binary_search_by(|change| (&change.address, &change.slot).cmp(&key));
        found.ok().map(|index| &self.slots[index])
    }

    /// About how many bytes the record takes in memory.
    pub(crate) fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.accounts.len() * size_of::<AccountChange>()
            + self.slots.len() * size_of::<SlotChange>()
            + self.codes.iter().map(|(_, code)| 64 + code.len()).sum::<usize>()
            + self.fold.len() * size_of::<FoldChange>()
            + self.inconsistent.len() * 20
            + self.receipts.size_bytes()
    }
}
