//! Accounts and storages together: the state root.

use super::{Spread, Trie, TrieValue};
use crate::state::{AccountInfo, Changes, Flat};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::AddressMap};
use alloy_rlp::{Encodable, Header};
use alloy_trie::EMPTY_ROOT_HASH;

/// Accounts that are one piece of work.
const PIECE_ACCOUNTS: usize = if cfg!(test) { 8 } else { 1_024 };

/// An account as the trie commits to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountLeaf {
    info: AccountInfo,
    storage_root: B256,
}

impl TrieValue for AccountLeaf {
    fn encode_value(&self, out: &mut Vec<u8>) {
        let AccountInfo { balance, nonce, code_hash } = &self.info;
        let payload_length = nonce.length() + balance.length() + 2 * code_hash.length();
        Header { list: true, payload_length }.encode(out);
        nonce.encode(out);
        balance.encode(out);
        self.storage_root.encode(out);
        code_hash.encode(out);
    }
}

impl TrieValue for U256 {
    fn encode_value(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

/// Which side of a change to apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The new values.
    Forward,
    /// The old values: undo.
    Back,
}

impl Direction {
    /// The value to put in place.
    pub(crate) const fn pick<'a, T>(self, old: &'a T, new: &'a T) -> &'a T {
        match self {
            Self::Forward => new,
            Self::Back => old,
        }
    }
}

/// An account and its storage with the nodes that prove them.
#[derive(Clone, Debug)]
pub(crate) struct StateProof {
    pub(crate) account: Option<AccountInfo>,
    pub(crate) storage_root: B256,
    pub(crate) account_proof: Vec<Bytes>,
    pub(crate) storage: Vec<(B256, U256, Vec<Bytes>)>,
}

/// The tries of a state.
#[derive(Clone, Debug, Default)]
pub(crate) struct StateTrie {
    accounts: Trie<AccountLeaf>,
    storages: AddressMap<Trie<U256>>,
}

impl StateTrie {
    /// Takes the changes of a block, or their undo, in. The root is computed by [`Self::root`].
    pub(crate) fn apply(&mut self, changes: &Changes, direction: Direction) {
        let mut roots: Vec<(Address, B256)> = Vec::new();
        for slots in changes.slots.chunk_by(|a, b| a.address == b.address) {
            let address = slots[0].address;
            let trie = self.storages.entry(address).or_default();
            for change in slots {
                let key = keccak256(change.slot.to_be_bytes::<32>());
                match *direction.pick(&change.old, &change.new) {
                    U256::ZERO => {
                        trie.remove(&key);
                    }
                    value => trie.insert(key, value),
                }
            }
            roots.push((address, trie.root()));
            if trie.is_empty() {
                self.storages.remove(&address);
            }
        }
        let mut roots = roots.into_iter().peekable();
        for change in &changes.accounts {
            while let Some((address, root)) = roots.next_if(|(address, _)| *address < change.address) {
                self.set_storage_root(&address, root);
            }
            let root = roots.next_if(|(address, _)| *address == change.address).map(|(_, root)| root);
            self.set_account(&change.address, direction.pick(&change.old, &change.new).as_ref(), root);
        }
        for (address, root) in roots {
            self.set_storage_root(&address, root);
        }
    }

    /// The tries of a flat state.
    pub(crate) fn of(flat: &Flat, spread: &impl Spread) -> Self {
        let accounts: Vec<_> = flat.accounts.iter().collect();
        let pieces: Vec<_> = accounts.chunks(PIECE_ACCOUNTS).collect();
        let built = spread.map(pieces, |accounts| {
            let built = accounts.iter().map(|(address, info)| {
                let slots = flat.storages.get(*address).into_iter().flatten();
                let slots = slots.map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value)).collect();
                let mut storage = Trie::of(slots, spread);
                let leaf = AccountLeaf { info: **info, storage_root: storage.root() };
                ((keccak256(address), leaf), (!storage.is_empty()).then_some((**address, storage)))
            });
            built.collect::<Vec<_>>()
        });
        let (leaves, storages): (Vec<_>, Vec<_>) = built.into_iter().flatten().unzip();
        Self { accounts: Trie::of(leaves, spread), storages: storages.into_iter().flatten().collect() }
    }

    /// The state root.
    pub(crate) fn root(&mut self) -> B256 {
        self.accounts.root()
    }

    /// Proves an account and some of its slots against [`Self::root`].
    pub(crate) fn proof(&mut self, address: &Address, slots: &[B256]) -> StateProof {
        self.accounts.root();
        let key = keccak256(address);
        let leaf = self.accounts.get(&key);
        let storage_root = leaf.map_or(EMPTY_ROOT_HASH, |leaf| leaf.storage_root);
        let account = leaf.map(|leaf| leaf.info);
        let trie = self.storages.get(address);
        let prove = |slot: &B256| {
            let key = keccak256(slot);
            let value = trie.and_then(|trie| trie.get(&key)).copied().unwrap_or_default();
            (*slot, value, trie.map(|trie| trie.proof(&key)).unwrap_or_default())
        };
        let storage = slots.iter().map(prove).collect();
        StateProof { account, storage_root, account_proof: self.accounts.proof(&key), storage }
    }

    /// Root of an account's storage.
    #[cfg(test)]
    pub(crate) fn storage_root(&self, address: &Address) -> B256 {
        self.accounts.get(&keccak256(address)).map_or(EMPTY_ROOT_HASH, |leaf| leaf.storage_root)
    }

    fn set_account(&mut self, address: &Address, info: Option<&AccountInfo>, root: Option<B256>) {
        let key = keccak256(address);
        match info {
            None => {
                self.accounts.remove(&key);
            }
            Some(info) => {
                let old = || self.accounts.get(&key).map_or(EMPTY_ROOT_HASH, |leaf| leaf.storage_root);
                let storage_root = root.unwrap_or_else(old);
                self.accounts.insert(key, AccountLeaf { info: *info, storage_root });
            }
        }
    }

    /// For an account of which only storage changed. An account that is not there has no storage to commit to.
    fn set_storage_root(&mut self, address: &Address, storage_root: B256) {
        let key = keccak256(address);
        if let Some(leaf) = self.accounts.get(&key) {
            let info = leaf.info;
            self.accounts.insert(key, AccountLeaf { info, storage_root });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::state::{AccountChange, SlotChange};
    use alloy_trie::{Nibbles, TrieAccount, proof::verify_proof, root};
    use std::collections::BTreeMap;

    #[test]
    fn state_root_and_proofs_follow_changes_and_undo() {
        let info = |n: u64| AccountInfo { balance: U256::from(n), nonce: n, ..Default::default() };
        let (a, b) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let changes = Changes {
            accounts: vec![
                AccountChange { address: a, old: None, new: Some(info(1)) },
                AccountChange { address: b, old: None, new: Some(info(2)) },
            ],
            slots: (1..50u64)
                .map(|n| SlotChange { address: b, slot: U256::from(n), old: U256::ZERO, new: U256::from(n) })
                .collect(),
            ..Default::default()
        };
        let mut trie = StateTrie::default();
        trie.apply(&changes, Direction::Forward);
        let storage: BTreeMap<B256, U256> = (1..50u64).map(|n| (B256::from(U256::from(n)), U256::from(n))).collect();
        let storage_root = root::storage_root_unhashed(storage);
        let account = |n: u64, storage_root| TrieAccount {
            nonce: n,
            balance: U256::from(n),
            storage_root,
            code_hash: alloy_trie::KECCAK_EMPTY,
        };
        let accounts = [(a, account(1, EMPTY_ROOT_HASH)), (b, account(2, storage_root))];
        let expected = root::state_root_unhashed(accounts);
        assert_eq!(trie.root(), expected);
        assert_eq!(trie.storage_root(&b), storage_root);

        let proof = trie.proof(&b, &[B256::with_last_byte(7), B256::with_last_byte(99)]);
        let encoded = alloy_rlp::encode(account(2, storage_root));
        verify_proof(expected, Nibbles::unpack(keccak256(b)), Some(encoded), &proof.account_proof).unwrap();
        let (slot, value, nodes) = &proof.storage[0];
        assert_eq!(*value, U256::from(7));
        let key = Nibbles::unpack(keccak256(slot));
        verify_proof(storage_root, key, Some(alloy_rlp::encode(value)), nodes).unwrap();
        let (slot, _, nodes) = &proof.storage[1];
        verify_proof(storage_root, Nibbles::unpack(keccak256(slot)), None, nodes).unwrap();

        let slot_only = Changes {
            slots: vec![SlotChange { address: b, slot: U256::from(3), old: U256::from(3), new: U256::ZERO }],
            ..Default::default()
        };
        trie.apply(&slot_only, Direction::Forward);
        assert_ne!(trie.root(), expected);
        trie.apply(&slot_only, Direction::Back);
        assert_eq!(trie.root(), expected);
        trie.apply(&changes, Direction::Back);
        assert_eq!(trie.root(), EMPTY_ROOT_HASH);
    }
}
