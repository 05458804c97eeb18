//! The state after one block, while the chain goes on.
//!
//! A value is what the first later block that changed it found, else what it is now. Later blocks are in memory, or the
//! index on disk says which of them changed it: so every block's state can be read, at any time, and nothing is kept
//! for it beyond the log and the index.

use crate::{
    AccountInfo, EvmError, SealedBlock,
    chain::{Durable, Shared},
    state::{Changes, StateError, StateSource},
    store::{ReadBudget, Tag},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::bytecode::Bytecode;
use std::{collections::BTreeMap, sync::Arc};

/// The state after a block. Reads fail once the block was reverted, or, of a chain in memory, forgotten.
#[derive(Clone)]
pub struct StateView {
    shared: Arc<Shared>,
    block: Arc<SealedBlock>,
    epoch: u64,
    /// Of all who read this view.
    budget: Arc<ReadBudget>,
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
        Self { shared, block, epoch, budget: Arc::default() }
    }

    pub(crate) fn new(shared: Arc<Shared>, number: u64) -> Result<Self, EvmError> {
        let (head, epoch) = {
            let durable = shared.durable.read();
            (durable.head().number(), durable.epoch)
        };
        if number > head {
            return Err(EvmError::NoSuchBlock(number));
        }
        let Ok(recent) = shared.recent(number) else { return Err(EvmError::StateUnavailable(number)) };
        let view = Self { shared, block: recent.block, epoch, budget: Arc::default() };
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

    /// Whether no block was reverted, and every later one can be read.
    fn check(&self, durable: &Durable) -> Result<(), StateError> {
        let in_memory = durable.first() <= self.block.number() + 1;
        let there = durable.epoch == self.epoch && (in_memory || self.shared.is_on_disk());
        if there { Ok(()) } else { Err(self.unavailable()) }
    }

    fn unavailable(&self) -> StateError {
        StateError::Unavailable(self.block.number())
    }

    /// Visits the later blocks that may have changed what a tag stands for, the oldest first, until it has what it looks
    /// for; then, or once there are no more, asks the state as it is now.
    fn read<T>(
        &self,
        tag: Tag,
        mut find: impl FnMut(&Changes) -> Option<T>,
        now: impl FnOnce(&Durable) -> T,
    ) -> Result<T, StateError> {
        let mut next = self.block.number() + 1;
        loop {
            let first = {
                let durable = self.shared.durable.read();
                self.check(&durable)?;
                if durable.first() <= next {
                    let later = (next..=durable.head().number()).filter_map(|number| durable.recent(number));
                    let found = later.map(|recent| find(&recent.changes)).find_map(|found| found);
                    return Ok(found.unwrap_or_else(|| now(&durable)));
                }
                durable.first()
            };
            // What is not in memory is in the index. While it is read, more may leave memory.
            let found = match self.shared.history() {
                Ok(Some(history)) => history.first_change(tag, (next, first - 1), &self.budget, &mut find),
                _ => return Err(self.unavailable()),
            };
            if let Some(found) = found.map_err(|error| self.failed(&error))? {
                self.check(&self.shared.durable.read())?;
                return Ok(found);
            }
            next = first;
        }
    }

    fn failed(&self, error: &EvmError) -> StateError {
        if matches!(error, EvmError::TooManyReads) {
            return StateError::TooManyReads(self.block.number());
        }
        tracing::error!(%error, block = self.block.number(), "an old state could not be read");
        self.unavailable()
    }
}

impl From<StateError> for EvmError {
    fn from(err: StateError) -> Self {
        match err {
            StateError::Unavailable(number) => Self::StateUnavailable(number),
            StateError::TooManyReads(_) => Self::TooManyReads,
            StateError::MissingCode(hash) => Self::Corrupt { what: "code", place: hash.to_string() },
        }
    }
}

impl StateSource for StateView {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        self.read(
            Tag::account(address),
            |changes| changes.account(address).map(|change| change.old),
            |durable| durable.flat.accounts.get(address).copied(),
        )
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        self.read(
            Tag::slot(address, slot),
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
        let mut old: BTreeMap<U256, U256> = BTreeMap::new();
        let visit = |changes: &Changes| {
            let from = changes.slots.partition_point(|change| change.address < *address);
            for change in changes.slots[from..].iter().take_while(|change| change.address == *address) {
                old.entry(change.slot).or_insert(change.old);
            }
            None
        };
        let now = |durable: &Durable| durable.flat.storages.get(address).cloned();
        let flat = self.read(Tag::storage(address), visit, now)?;
        for (slot, value) in flat.into_iter().flatten() {
            old.entry(slot).or_insert(value);
        }
        Ok(old.into_iter().filter(|(_, value)| !value.is_zero()).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{BlockAttributes, Chain, ChainSpec, Genesis, GenesisAccount, RecoveredTx, Transaction};
    use alloy_consensus::{SignableTransaction, TxEip1559};
    use alloy_primitives::{Signature, TxKind};

    const RICH: Address = Address::repeat_byte(1);

    fn pay(nonce: u64) -> Arc<RecoveredTx> {
        let (to, value) = (TxKind::Call(Address::repeat_byte(2)), U256::ONE);
        let tx = TxEip1559 { chain_id: 1, nonce, gas_limit: 21_000, to, value, ..Default::default() };
        let unsigned = Signature::new(U256::ZERO, U256::ZERO, false);
        Arc::new(RecoveredTx { tx: Transaction::Signed(tx.into_signed(unsigned).into()), sender: RICH })
    }

    #[test]
    fn a_view_that_reads_too_much_of_the_past_says_so() {
        let (dir, spec) = (tempfile::tempdir().unwrap(), ChainSpec::rollup(1, 1).unwrap());
        let spec = ChainSpec { system_calls: Vec::new(), ..spec };
        let rich = GenesisAccount { address: RICH, balance: U256::from(100), ..Default::default() };
        let genesis = Genesis { accounts: vec![rich], gas_limit: 30_000_000, ..Genesis::default() };
        let open = || Chain::open_or_create(dir.path(), spec.clone(), &genesis).unwrap();
        // Each start leaves a checkpoint, and has its head in memory and nothing else.
        for nonce in 0..4 {
            let mut chain = open();
            let attributes = BlockAttributes::of(&chain.head().header.clone(), Vec::new(), Vec::new());
            let mut block = chain.begin(attributes).unwrap();
            block.execute(&pay(nonce)).unwrap();
            block.seal().unwrap();
        }
        let chain = open();
        let view = |rows| StateView { budget: Arc::new(ReadBudget::of(rows)), ..chain.reader().at(0).unwrap() };
        assert_eq!(view(1_000).account(&RICH).unwrap().unwrap().balance, U256::from(100));
        assert!(matches!(view(100).account(&RICH), Err(EvmError::TooManyReads)), "rows and a block");
        assert!(matches!(view(0).account(&RICH), Err(EvmError::TooManyReads)));
    }
}
