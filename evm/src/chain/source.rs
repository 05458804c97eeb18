//! The state at the executed head: layers of sealed blocks over the durable flat state.

use super::Shared;
use crate::state::{AccountInfo, Changes, HashRing, StateError, StateSource};
use alloy_primitives::{Address, B256, U256};
use revm::bytecode::Bytecode;
use std::{collections::BTreeMap, sync::Arc};

/// Reads the executed head. The flat state may move up to it meanwhile; a layer then says the same as the flat state.
#[derive(Clone)]
pub(crate) struct HeadSource {
    pub(crate) shared: Arc<Shared>,
    /// Newest last.
    pub(crate) layers: Vec<Arc<Changes>>,
    pub(crate) hashes: Arc<HashRing>,
}

impl StateSource for HeadSource {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        let layer = self.layers.iter().rev().find_map(|layer| layer.account(address));
        Ok(match layer {
            Some(change) => change.new,
            None => self.shared.durable.read().flat.accounts.get(address).copied(),
        })
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let layer = self.layers.iter().rev().find_map(|layer| layer.slot(address, slot));
        Ok(match layer {
            Some(change) => change.new,
            None => self.shared.durable.read().flat.slot(address, slot),
        })
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        // Sorted, as all changes are: whoever floods with small contracts must not make every look-up longer.
        let in_layer = |layer: &Arc<Changes>| {
            let at = layer.codes.binary_search_by(|(code, _)| code.cmp(hash)).ok()?;
            layer.codes.get(at).map(|(_, code)| code.clone())
        };
        if let Some(code) = self.layers.iter().find_map(in_layer) {
            return Ok(code);
        }
        self.shared.durable.read().flat.codes.get(hash).cloned().ok_or(StateError::MissingCode(*hash))
    }

    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(self.hashes.get(number))
    }

    fn slots(&self, address: &Address) -> Result<Vec<(U256, U256)>, StateError> {
        let flat = self.shared.durable.read().flat.storages.get(address).cloned();
        let mut slots: BTreeMap<U256, U256> = flat.into_iter().flatten().collect();
        for layer in &self.layers {
            let from = layer.slots.partition_point(|change| change.address < *address);
            for change in layer.slots[from..].iter().take_while(|change| change.address == *address) {
                slots.insert(change.slot, change.new);
            }
        }
        Ok(slots.into_iter().filter(|(_, value)| !value.is_zero()).collect())
    }
}
