//! A block's own view of the state while it executes: the EVM's database.

use super::{AccountChange, AccountInfo, Changes, SlotChange, StateError, StateSource};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{AddressMap, B256Map, HashMap, hash_map::Entry},
};
use alloy_trie::KECCAK_EMPTY;
use revm::{
    Database,
    bytecode::Bytecode,
    state::{Account, AccountInfo as EvmAccount, EvmState},
};

/// A slot when the block first read it, and now.
#[derive(Clone, Copy, Debug)]
struct CachedSlot {
    old: U256,
    new: U256,
}

/// An account when the block first read it, and now.
#[derive(Debug)]
struct CachedAccount {
    old: Option<AccountInfo>,
    new: Option<AccountInfo>,
    code: Option<Bytecode>,
    slots: HashMap<U256, CachedSlot>,
    /// Its storage was cleared: what is not in `slots` is 0.
    wiped: bool,
}

/// Caches what it reads from `source` and collects what transactions change.
#[derive(Debug)]
pub(crate) struct Overlay<S> {
    pub(crate) source: S,
    accounts: AddressMap<CachedAccount>,
    codes: B256Map<Bytecode>,
    /// An account that the EVM is told has a nonce.
    pub(crate) disguised: Option<Address>,
}

impl<S: StateSource> Overlay<S> {
    /// An overlay without changes.
    pub(crate) fn new(source: S) -> Self {
        Self { source, accounts: AddressMap::default(), codes: B256Map::default(), disguised: None }
    }

    /// An account as transactions so far left it.
    pub(crate) fn account(&mut self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.cached(address)?.new)
    }

    /// A slot as transactions so far left it.
    pub(crate) fn slot(&mut self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let cached = load(&mut self.accounts, &self.source, address)?;
        match cached.slots.entry(*slot) {
            Entry::Occupied(entry) => Ok(entry.get().new),
            Entry::Vacant(entry) => {
                let old = if cached.old.is_none() { U256::ZERO } else { self.source.slot(address, slot)? };
                let new = if cached.wiped { U256::ZERO } else { old };
                entry.insert(CachedSlot { old, new });
                Ok(new)
            }
        }
    }

    /// Whether an account has any storage, as transactions so far left it.
    pub(crate) fn has_storage(&mut self, address: &Address) -> Result<bool, StateError> {
        let cached = load(&mut self.accounts, &self.source, address)?;
        if cached.slots.values().any(|slot| !slot.new.is_zero()) {
            return Ok(true);
        }
        if cached.wiped || cached.old.is_none() {
            return Ok(false);
        }
        Ok(self.source.slots(address)?.iter().any(|(slot, _)| !cached.slots.contains_key(slot)))
    }

    /// Code hash of an account that was read or changed before; `None` for one that does not exist.
    pub(crate) fn known_code_hash(&self, address: &Address) -> Option<B256> {
        self.accounts.get(address)?.new.map(|info| info.code_hash)
    }

    /// Replaces balance and nonce of an account, creating it; an account left empty does not exist.
    pub(crate) fn set_account(&mut self, address: &Address, info: AccountInfo) -> Result<(), StateError> {
        let cached = self.cached(address)?;
        cached.new = (!info.is_empty()).then_some(info);
        Ok(())
    }

    /// Replaces balance and nonce of an account, which exists from then on, also if it is empty (for simulations).
    pub(crate) fn put_account(&mut self, address: &Address, info: AccountInfo) -> Result<(), StateError> {
        self.cached(address)?.new = Some(info);
        Ok(())
    }

    /// Replaces an account's code (for genesis and simulations). What begins as a delegation and is none runs as code.
    pub(crate) fn set_code(&mut self, address: &Address, code: Bytes) -> Result<(), StateError> {
        let code = Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code));
        let hash = if code.is_empty() { KECCAK_EMPTY } else { code.hash_slow() };
        self.codes.insert(hash, code.clone());
        let cached = self.cached(address)?;
        cached.new = Some(AccountInfo { code_hash: hash, ..cached.new.unwrap_or_default() });
        cached.code = Some(code);
        Ok(())
    }

    /// Replaces a slot (for genesis and simulations).
    pub(crate) fn set_slot(&mut self, address: &Address, slot: U256, value: U256) -> Result<(), StateError> {
        self.slot(address, &slot)?;
        let cached = self.cached(address)?;
        if let Some(cached) = cached.slots.get_mut(&slot) {
            cached.new = value;
        }
        Ok(())
    }

    /// Clears an account's storage (for simulations that replace it whole).
    pub(crate) fn wipe_storage(&mut self, address: &Address) -> Result<(), StateError> {
        self.cached(address)?.wipe();
        Ok(())
    }

    /// Takes in what a transaction did.
    pub(crate) fn commit(&mut self, changes: EvmState) -> Result<(), StateError> {
        for (address, account) in changes {
            if account.is_touched() {
                self.commit_account(&address, account)?;
            }
        }
        Ok(())
    }

    /// What changed since the overlay was new, in order.
    pub(crate) fn into_changes(self) -> Result<Changes, StateError> {
        let mut changes = self.changes_of_accounts()?;
        changes.codes = self.codes.into_iter().collect();
        changes.order();
        Ok(changes)
    }

    /// What changed so far, in order.
    pub(crate) fn changes(&self) -> Result<Changes, StateError> {
        let mut changes = self.changes_of_accounts()?;
        changes.codes = self.codes.iter().map(|(hash, code)| (*hash, code.clone())).collect();
        changes.order();
        Ok(changes)
    }

    fn changes_of_accounts(&self) -> Result<Changes, StateError> {
        let mut changes = Changes::default();
        for (&address, cached) in &self.accounts {
            if cached.wiped && cached.old.is_some() {
                for (slot, old) in self.source.slots(&address)? {
                    if !cached.slots.contains_key(&slot) {
                        changes.slots.push(SlotChange { address, slot, old, new: U256::ZERO });
                    }
                }
            }
            for (&slot, &CachedSlot { old, new }) in &cached.slots {
                if old != new {
                    changes.slots.push(SlotChange { address, slot, old, new });
                }
            }
            if cached.old != cached.new {
                changes.accounts.push(AccountChange { address, old: cached.old, new: cached.new });
            }
        }
        Ok(changes)
    }

    fn cached(&mut self, address: &Address) -> Result<&mut CachedAccount, StateError> {
        load(&mut self.accounts, &self.source, address)
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        if *hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        self.codes.get(hash).map_or_else(|| self.source.code(hash), |code| Ok(code.clone()))
    }

    /// EIP-161 deletes an account that is touched and empty; before it, the journal marks those to keep as created.
    fn commit_account(&mut self, address: &Address, account: Account) -> Result<(), StateError> {
        let cached = load(&mut self.accounts, &self.source, address)?;
        if account.is_selfdestructed() {
            cached.new = None;
            cached.code = None;
            cached.wipe();
            return Ok(());
        }
        let created = account.is_created();
        if created {
            cached.wipe();
        }
        for (slot, value) in account.storage.into_iter().filter(|(_, value)| value.is_changed()) {
            let new = value.present_value;
            match cached.slots.entry(slot) {
                Entry::Occupied(mut entry) => entry.get_mut().new = new,
                Entry::Vacant(entry) => {
                    let gone = cached.old.is_none();
                    let old = if gone { U256::ZERO } else { self.source.slot(address, &slot)? };
                    entry.insert(CachedSlot { old, new });
                }
            }
        }
        let EvmAccount { balance, nonce, code_hash, code, .. } = account.info;
        let info = AccountInfo { balance, nonce, code_hash };
        if cached.new.is_none_or(|old| old.code_hash != code_hash) {
            if let Some(code) = &code
                && code_hash != KECCAK_EMPTY
            {
                self.codes.insert(code_hash, code.clone());
            }
            cached.code = code;
        }
        cached.new = (created || !info.is_empty()).then_some(info);
        Ok(())
    }
}

fn load<'a, S: StateSource>(
    accounts: &'a mut AddressMap<CachedAccount>,
    source: &S,
    address: &Address,
) -> Result<&'a mut CachedAccount, StateError> {
    Ok(match accounts.entry(*address) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let old = source.account(address)?;
            entry.insert(CachedAccount { old, new: old, code: None, slots: HashMap::default(), wiped: false })
        }
    })
}

impl CachedAccount {
    fn wipe(&mut self) {
        self.wiped = true;
        for slot in self.slots.values_mut() {
            slot.new = U256::ZERO;
        }
    }
}

impl<S: StateSource> Database for Overlay<S> {
    type Error = StateError;

    fn basic(&mut self, address: Address) -> Result<Option<EvmAccount>, StateError> {
        let cached = self.cached(&address)?;
        let Some(info) = cached.new else {
            return Ok(None);
        };
        let code = match &cached.code {
            Some(code) => code.clone(),
            None => {
                let code = self.code(&info.code_hash)?;
                self.cached(&address)?.code = Some(code.clone());
                code
            }
        };
        let nonce = if self.disguised == Some(address) { 1 } else { info.nonce };
        Ok(Some(EvmAccount::new(info.balance, nonce, info.code_hash, code)))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, StateError> {
        self.code(&code_hash)
    }

    fn storage(&mut self, address: Address, index: U256) -> Result<U256, StateError> {
        self.slot(&address, &index)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, StateError> {
        self.source.block_hash(number)
    }
}
