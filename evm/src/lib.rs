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

mod block;
mod chain;
mod error;
mod execute;
mod fold;
mod genesis;
mod log;
mod reader;
mod receipt;
mod receipt_tree;
mod spec;
mod state;
mod store;
mod transaction;
mod trie;

pub use block::{BlockAttributes, SealedBlock, transactions_root};
pub use chain::{BlockBuilder, Chain};
pub use error::{EvmError, TransactionError};
pub use execute::{Refusal, TxOutcome};
pub use fold::{
    BRIDGED_ERC20_IMPLEMENTATION, Fold, TRANSFER_BATCH_TOPIC, TRANSFER_SINGLE_TOPIC, TRANSFER_TOPIC, TokenKind,
    clone_code,
};
pub use genesis::{Genesis, GenesisAccount};
pub use reader::{
    AccessListResult, AccountOverride, AccountProof, BlockContext, BlockOverrides, CallMessage, CallResult, CallStatus,
    ChainReader, LogEntry, LogFilter, MAX_CALL_GAS, MAX_LOG_RANGE_BLOCKS, MAX_OVERRIDES, MAX_PROOF_SLOTS,
    MAX_VIEW_BLOCKS, StateView,
};
pub use receipt::{DEPOSIT_RECEIPT_VERSION, Receipt, logs_hash, receipts_root};
pub use receipt_tree::{RECEIPT_TREE_DEPTH, ReceiptTree, receipt_leaf};
pub use spec::{
    Activation, BEACON_ROOTS_ADDRESS, BaseFeeRule, BlockReward, ChainSpec, Fork, HISTORY_ADDRESS, HeaderRules,
    PROTOCOL_VERSIONS, SystemCall, SystemInput, TX_GAS_LIMIT_CAP,
};
pub use state::AccountInfo;
pub use transaction::{BLOB_TX_TYPE, DEPOSIT_TX_TYPE, RecoveredTx, Transaction};
pub use trie::{Trie, TrieValue};
