//! Blocks, execution, state and proofs of one rollup chain.
//!
//! [`Chain`] is the one writer: it builds blocks over revm ([`BlockBuilder`]), keeps flat state and Merkle Patricia
//! tries in memory, folds Transfer logs into token balances ([`Fold`]) and appends every receipt to a tree. A
//! [`ChainReader`] gives the durable chain to everybody else.
//!
//! # Invariants
//! * A block is a pure function of its parent, its [`BlockAttributes`] and its transactions; [`ChainSpec`] holds all
//!   rules that may differ between chains.
//! * A [`Refusal`] changes nothing.
//! * Readers only see blocks that survive a crash.
//! * `trie`, `state`, `execute`, `fold` and `receipt_tree` use no threads, clocks or files.
//!
//! # Parts
//! `spec`, `genesis`, `transaction`, `receipt`, `block`: the data · `state`, `trie`: flat state, overlay, undo, tries ·
//! `execute`: one block over revm · `fold`, `receipt_tree`: consensus state beside Ethereum's · `chain`: writer, layers,
//! directory · `log`, `store`: what lasts · `reader`: what RPC asks.
//!
//! # Example
//! ```
//! use mayfly_evm::{BlockAttributes, Chain, ChainSpec, Genesis, GenesisAccount};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rich = GenesisAccount { balance: "1".parse()?, ..Default::default() };
//! let genesis = Genesis { accounts: vec![rich], gas_limit: 1 << 24, ..Default::default() };
//! let mut chain = Chain::create(None, ChainSpec::rollup(1 << 44, 1)?, &genesis)?;
//! let attributes = BlockAttributes {
//!     timestamp: 12,
//!     gas_limit: 1 << 24,
//!     ..Default::default()
//! };
//! let block = chain.begin(attributes)?.seal()?;
//! assert_eq!(block.header.parent_hash, chain.reader().block_by_number(0)?.ok_or("no genesis")?.hash);
//! # Ok(())
//! # }
//! ```

mod block;
mod chain;
mod error;
mod ethereum;
mod execute;
mod fold;
mod genesis;
mod log;
mod prices;
mod reader;
mod receipt;
mod receipt_tree;
mod spec;
mod state;
mod store;
mod transaction;
mod trie;

pub use block::{BlockAttributes, Consensus, SealedBlock, transactions_root};
pub use chain::{BlockBuilder, BlockPreview, Chain, salvage, set_aside};
pub use error::{EvmError, TransactionError};
pub use ethereum::{AloneOutcome, AloneTransaction, EthereumFork, ForeignBlock, ForeignBlocks, ethereum_genesis};
pub use execute::{Refusal, TxOutcome};
pub use fold::{
    BRIDGED_ERC20_IMPLEMENTATION, Fold, TRANSFER_BATCH_TOPIC, TRANSFER_SINGLE_TOPIC, TRANSFER_TOPIC, TokenKind,
    clone_code,
};
pub use genesis::{Genesis, GenesisAccount};
pub use prices::Prices;
pub use reader::{
    AccessListResult, AccountOverride, AccountProof, BlockContext, BlockOverrides, CallMessage, CallResult, CallStatus,
    ChainReader, LogEntry, LogFilter, MAX_CALL_GAS, MAX_LOG_RANGE_BLOCKS, MAX_OVERRIDES, MAX_PROOF_SLOTS,
    MAX_SIMULATED_BLOCKS, MAX_SIMULATED_CALLS, MAX_SIMULATED_CALLS_OF_BLOCK, SimulatedBlock, SimulatedCall,
    SimulatedTx, Simulation, SimulationBlock, SimulationCall, SimulationError, StateView, revert_reason,
};
pub use receipt::{DEPOSIT_RECEIPT_VERSION, Receipt, logs_hash, receipts_root};
pub use receipt_tree::{RECEIPT_TREE_DEPTH, ReceiptTree, receipt_leaf};
pub use spec::{
    Activation, BEACON_ROOTS_ADDRESS, BaseFeeRule, BlobRule, BlockReward, ChainSpec, Fork, HISTORY_ADDRESS,
    HeaderRules, PROTOCOL_VERSIONS, RequestRule, RequestSource, SystemCall, SystemInput, TX_GAS_LIMIT_CAP,
};
pub use state::{AccountInfo, StateSize};
pub use transaction::{BLOB_TX_TYPE, DEPOSIT_TX_TYPE, RecoveredTx, Transaction};
pub use trie::{Trie, TrieValue};
