//! One transaction on a state of its own, as the public state tests describe it: no block before it, no system calls, no
//! rewards.

use crate::{
    AccountInfo, BlockAttributes, ChainSpec, EvmError, Fold, Genesis, GenesisAccount, RecoveredTx, Refusal, TxOutcome,
    execute::{BlockRun, Place},
    receipt_tree::ReceiptTree,
    state::{Flat, StateError, StateSource},
    trie::{Direction, StateTrie},
};
use alloy_primitives::{Address, B256, U256, keccak256};
use revm::{bytecode::Bytecode, primitives::hardfork::SpecId};
use std::sync::Arc;

/// A transaction and where it runs.
#[derive(Clone, Debug)]
pub struct AloneTransaction {
    /// The state before.
    pub accounts: Vec<GenesisAccount>,
    /// Number of its block.
    pub number: u64,
    /// The block.
    pub attributes: BlockAttributes,
    /// Its base fee, from London on.
    pub base_fee: Option<u64>,
    /// Its excess blob gas.
    pub excess_blob_gas: u64,
    /// The transaction; `None` for one that does not even decode.
    pub tx: Option<Arc<RecoveredTx>>,
}

/// What became of it.
#[derive(Debug)]
pub struct AloneOutcome {
    /// What it did, or why it did nothing.
    pub result: Result<TxOutcome, Refusal>,
    /// The state root after it.
    pub state_root: B256,
}

impl AloneTransaction {
    /// Runs it.
    ///
    /// # Errors
    /// If the state cannot be, or the executor failed.
    pub fn run(self, spec: &ChainSpec) -> Result<AloneOutcome, EvmError> {
        let Self { accounts, number, attributes, base_fee, excess_blob_gas, tx } = self;
        let before = Genesis { accounts, keeps_empty: true, ..Genesis::default() }.changes()?;
        let (mut flat, mut trie) = (Flat::default(), StateTrie::default());
        flat.apply(&before, Direction::Forward);
        trie.apply(&before, Direction::Forward);
        let clears_empty = spec.spec_id(number, attributes.timestamp).is_enabled_in(SpecId::SPURIOUS_DRAGON);
        let beneficiary = attributes.beneficiary;
        let place = Place { number, parent_hash: B256::ZERO, first_index: 0, base_fee, excess_blob_gas };
        let mut run = BlockRun::at(spec, place, attributes, Alone(flat), ReceiptTree::default());
        let malformed = || Refusal::Invalid("it does not decode".into());
        let result = tx.ok_or_else(malformed).and_then(|tx| run.execute(&Fold::default(), &tx));
        run.reward_nothing(&beneficiary, clears_empty)?;
        trie.apply(&run.changes()?, Direction::Forward);
        match result {
            Err(Refusal::Fatal(err)) => Err(err),
            result => Ok(AloneOutcome { result, state_root: trie.root() }),
        }
    }
}

/// A state without a chain.
struct Alone(Flat);

impl StateSource for Alone {
    fn account(&self, address: &Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.0.accounts.get(address).copied())
    }

    fn slot(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        Ok(self.0.slot(address, slot))
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        self.0.codes.get(hash).cloned().ok_or(StateError::MissingCode(*hash))
    }

    /// What the tests put there.
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(keccak256(number.to_string()))
    }

    fn slots(&self, address: &Address) -> Result<Vec<(U256, U256)>, StateError> {
        Ok(self.0.storages.get(address).into_iter().flatten().map(|(slot, value)| (*slot, *value)).collect())
    }
}
