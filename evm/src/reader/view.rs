//! The state after one block, while the chain goes on.

use crate::{
    AccountInfo, EvmError, SealedBlock,
    chain::{Durable, Shared},
    state::{StateError, StateSource},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::bytecode::Bytecode;
use std::{collections::BTreeMap, sync::Arc};

/// The state after a block. Reads fail once the chain is more blocks ahead than it keeps undo records in memory, or
/// the block was reverted.
#[derive(Clone)]
pub struct StateView {
    shared: Arc<Shared>,
    block: Arc<SealedBlock>,
    epoch: u64,
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
        Self { shared, block, epoch }
    }

    pub(crate) fn new(shared: Arc<Shared>, number: u64) -> Result<Self, EvmError> {
        let found = {
            let durable = shared.durable.read();
            if number > durable.head().number() {
                return Err(EvmError::NoSuchBlock(number));
            }
            durable.recent(number).map(|recent| (recent.block.clone(), durable.epoch))
        };
        let (block, epoch) = found.ok_or(EvmError::StateUnavailable(number))?;
        Ok(Self { shared, block, epoch })
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

    /// Looks a value up: as the first later block that changed it found it, else as it is now.
    fn read<T>(
        &self,
        old: impl Fn(&crate::state::Changes) -> Option<T>,
        now: impl FnOnce(&Durable) -> T,
    ) -> Result<T, StateError> {
        let durable = self.shared.durable.read();
        let number = self.block.number();
        let unavailable = StateError::Unavailable(number);
        if durable.epoch != self.epoch || durable.first() > number + 1 {
            return Err(unavailable);
        }
        for later in number + 1..=durable.head().number() {
            let recent = durable.recent(later).ok_or(unavailable)?;
            if let Some(value) = old(&recent.changes) {
                return Ok(value);
            }
        }
        Ok(now(&durable))
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
            |changes| changes.account(address).map(|change| change.old),
            |durable| durable.flat.accounts.get(address).copied(),
        )
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.read(
            |changes| changes.slot(address, slot).map(|change| change.old),
            |durable| durable.flat.slot(address, slot),
        )
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        self.shared.durable.read().flat.codes.get(hash).cloned().ok_or(StateError::MissingCode(*hash))
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        let below = number < self.block.number() && self.block.number() - number <= 256;
        Ok(if below { self.shared.durable.read().hashes.get(number) } else { B256::ZERO })
    }

    fn slots(&self, address: &Address) -> Result<Vec<(U256, U256)>, StateError> {
        let number = self.block.number();
        let durable = self.shared.durable.read();
        let unavailable = StateError::Unavailable(number);
        if durable.epoch != self.epoch || durable.first() > number + 1 {
            return Err(unavailable);
        }
        let flat = durable.flat.storages.get(address).cloned();
        let mut slots: BTreeMap<U256, U256> = flat.into_iter().flatten().collect();
        for later in (number + 1..=durable.head().number()).rev() {
            let changes = &durable.recent(later).ok_or(unavailable)?.changes;
            let from = changes.slots.partition_point(|change| change.address < *address);
            for change in changes.slots[from..].iter().take_while(|change| change.address == *address) {
                slots.insert(change.slot, change.old);
            }
        }
        Ok(slots.into_iter().filter(|(_, value)| !value.is_zero()).collect())
    }
}
