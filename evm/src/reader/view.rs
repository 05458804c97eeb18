//! The state after one block, while the chain goes on.

use crate::{
    AccountInfo, EvmError, SealedBlock,
    chain::{Durable, Shared},
    state::{Changes, StateError, StateSource},
};
use alloy_primitives::{
    Address, B256, Bytes, U256,
    map::{AddressMap, HashMap},
};
use revm::bytecode::Bytecode;
use std::{collections::BTreeMap, sync::Arc};

/// How far below the head a view may start.
pub const MAX_VIEW_BLOCKS: u64 = 16_384;
/// Old values a view may hold.
const MAX_VIEW_VALUES: usize = 500_000;

/// The state after a block. Reads fail once the chain is more blocks further on than it keeps in memory, or the block
/// was reverted.
#[derive(Clone)]
pub struct StateView {
    shared: Arc<Shared>,
    block: Arc<SealedBlock>,
    /// What the blocks after `block` and up to `anchor` overwrote; later ones are asked one by one.
    old: Arc<OldValues>,
    anchor: u64,
    epoch: u64,
}

/// Values before a run of blocks.
#[derive(Default)]
struct OldValues {
    accounts: AddressMap<Option<AccountInfo>>,
    slots: HashMap<(Address, U256), U256>,
}

impl OldValues {
    /// Takes in what a block overwrote that lies before all blocks so far.
    fn add(&mut self, changes: &Changes) {
        for change in &changes.accounts {
            self.accounts.insert(change.address, change.old);
        }
        for change in &changes.slots {
            self.slots.insert((change.address, change.slot), change.old);
        }
    }

    fn len(&self) -> usize {
        self.accounts.len() + self.slots.len()
    }
}

impl std::fmt::Debug for StateView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateView").field("block", &self.block.number()).finish()
    }
}

impl StateView {
    pub(crate) fn latest(shared: Arc<Shared>) -> Self {
        let (block, epoch) = {
            let durable = shared.durable.read();
            (durable.head().clone(), durable.epoch)
        };
        Self { shared, anchor: block.number(), block, epoch, old: Arc::default() }
    }

    /// Blocks that left memory are read from the log: the further below the head, the longer it takes.
    pub(crate) fn new(shared: Arc<Shared>, number: u64) -> Result<Self, EvmError> {
        let (head, first, epoch) = {
            let durable = shared.durable.read();
            (durable.head().number(), durable.first(), durable.epoch)
        };
        if number > head {
            return Err(EvmError::NoSuchBlock(number));
        }
        let unavailable = EvmError::StateUnavailable(number);
        let (true, Ok(block)) = (head - number <= MAX_VIEW_BLOCKS, shared.recent(number)) else {
            return Err(unavailable);
        };
        let mut old = OldValues::default();
        let mut anchor = number;
        if let (Some(history), true) = (shared.history()?, number + 1 < first) {
            // Some blocks past the first in memory, so that it may go on a while.
            anchor = (first + (head - first) / 2).max(number);
            for later in (number + 1..=anchor).rev() {
                let recent = shared.durable.read().recent(later).map(|recent| recent.changes.clone());
                match recent {
                    Some(changes) => old.add(&changes),
                    None => old.add(&history.changes(later)?),
                }
                if old.len() > MAX_VIEW_VALUES {
                    return Err(unavailable);
                }
            }
        }
        let view = Self { shared, block: block.block, old: Arc::new(old), anchor, epoch };
        view.check(&view.shared.durable.read())?;
        Ok(view)
    }

    /// The block after which this is the state.
    pub const fn block(&self) -> &Arc<SealedBlock> {
        &self.block
    }

    /// An account.
    ///
    /// # Errors
    /// [`EvmError::StateUnavailable`].
    pub fn account(&self, address: &Address) -> Result<Option<AccountInfo>, EvmError> {
        Ok(StateSource::account(self, address)?)
    }

    /// A storage slot.
    ///
    /// # Errors
    /// [`EvmError::StateUnavailable`].
    pub fn storage(&self, address: &Address, slot: &U256) -> Result<U256, EvmError> {
        Ok(self.slot(address, slot)?)
    }

    /// Code; empty where there is none.
    ///
    /// # Errors
    /// [`EvmError::StateUnavailable`].
    pub fn code(&self, address: &Address) -> Result<Bytes, EvmError> {
        match StateSource::account(self, address)?.filter(AccountInfo::has_code) {
            None => Ok(Bytes::new()),
            Some(info) => Ok(StateSource::code(self, &info.code_hash)?.original_bytes()),
        }
    }

    /// Whether every block after the anchor is still in memory, and none was reverted.
    fn check(&self, durable: &Durable) -> Result<(), StateError> {
        let there = durable.epoch == self.epoch && durable.first() <= self.anchor + 1;
        if there { Ok(()) } else { Err(StateError::Unavailable(self.block.number())) }
    }

    /// Looks a value up: as the first later block that changed it found it, else as it is now.
    fn read<T>(
        &self,
        old: Option<T>,
        then: impl Fn(&Changes) -> Option<T>,
        now: impl FnOnce(&Durable) -> T,
    ) -> Result<T, StateError> {
        let durable = self.shared.durable.read();
        self.check(&durable)?;
        if let Some(old) = old {
            return Ok(old);
        }
        let later = self.anchor + 1..=durable.head().number();
        let found = later.filter_map(|number| durable.recent(number)).find_map(|recent| then(&recent.changes));
        Ok(found.unwrap_or_else(|| now(&durable)))
    }
}

impl From<StateError> for EvmError {
    fn from(err: StateError) -> Self {
        match err {
            StateError::Unavailable(number) => Self::StateUnavailable(number),
            StateError::MissingCode(hash) => Self::Corrupt { what: "code", place: hash.to_string() },
        }
    }
}

impl StateSource for StateView {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        self.read(
            self.old.accounts.get(address).copied(),
            |changes| changes.account(address).map(|change| change.old),
            |durable| durable.flat.accounts.get(address).copied(),
        )
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.read(
            self.old.slots.get(&(*address, *slot)).copied(),
            |changes| changes.slot(address, slot).map(|change| change.old),
            |durable| durable.flat.slot(address, slot),
        )
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        self.shared.durable.read().flat.codes.get(hash).cloned().ok_or(StateError::MissingCode(*hash))
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        if number > self.block.number() || self.block.number() - number >= 256 {
            return Ok(B256::ZERO);
        }
        let recent = self.shared.durable.read().hashes.get(number);
        let old = || self.shared.hash(number).map_err(|_| StateError::Unavailable(number));
        if recent.is_zero() { old() } else { Ok(recent) }
    }

    fn slots(&self, address: &Address) -> Result<Vec<(U256, U256)>, StateError> {
        let durable = self.shared.durable.read();
        self.check(&durable)?;
        let flat = durable.flat.storages.get(address).cloned();
        let mut slots: BTreeMap<U256, U256> = flat.into_iter().flatten().collect();
        let later = (self.anchor + 1..=durable.head().number()).rev();
        for changes in later.filter_map(|number| durable.recent(number)).map(|recent| &recent.changes) {
            let from = changes.slots.partition_point(|change| change.address < *address);
            for change in changes.slots[from..].iter().take_while(|change| change.address == *address) {
                slots.insert(change.slot, change.old);
            }
        }
        let old = self.old.slots.iter().filter(|((of, _), _)| of == address);
        slots.extend(old.map(|((_, slot), value)| (*slot, *value)));
        Ok(slots.into_iter().filter(|(_, value)| !value.is_zero()).collect())
    }
}
