//! What a rollup is: its configuration and genesis, the bytes its batches are made of, how its chain follows from L1,
//! and what everybody owns when it ends. Pure: no network, no clock, no keys.
//!
//! * [`config`] turns the organiser's file into the struct that L1 takes, and checks the factory's rules first.
//! * [`batch`] is the payload codec: columns in one zstd frame, signatures beside it, packed into blobs.
//! * [`mod@derive`] rebuilds the chain from L1 blocks, stage by stage; it resumes from a checkpoint and goes back over L1
//!   reorganisations.
//! * [`settlement`] computes leaves, trees, proofs and the leaf file; claims and their hashes stand at the root.
//!
//! # Invariants
//! * The chain is a function of L1 alone. Whatever a sequencer posts, derivation goes on: a payload that breaks a rule
//!   gives the same blocks as none.
//! * Everything read is decoded strictly and within the caps of [`batch`] before memory is spent on it.
//! * The same blocks encode to the same bytes; what decodes is what was encoded.
//! * Leaves and open withdrawals add up to what L1 holds.
//!
//! ```
//! use alloy_primitives::B256;
//! use mayfly_rollup::batch::{BatchBlock, decode, encode};
//!
//! let block =
//!     BatchBlock { origin: 7, timestamp: 1_000, queue_items: 0, transactions: Vec::new(), sponsors: Vec::new() };
//! let payload = encode(B256::ZERO, &[block.clone()])?;
//! assert_eq!(decode(&payload)?.blocks, [block]);
//! # Ok::<(), mayfly_rollup::BatchError>(())
//! ```

mod claim;
mod error;
mod estimate;
mod genesis;
mod info;

pub mod batch;
pub mod config;
pub mod derive;
pub mod settlement;

pub use claim::{
    RECEIPT_TREE_DEPTH, ReceiptRow, attestation_digest, batch_claim, claim_hash, closing_claim, receipt_proof,
};
pub use error::{BatchError, ConfigError, DeriveError, InfoError, SettlementError, Severity};
pub use estimate::{Estimate, Expectation, GasTable, estimate};
pub use genesis::{chain_spec, genesis};
pub use info::RollupInfo;
pub use mayfly_contracts::types::{Allocation, BatchHeader, Claim, Config, Message, Windows};
