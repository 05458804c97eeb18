//! What a rollup is: its configuration and genesis, the bytes its batches are made of, how its
//! chain follows from L1, and what everybody owns when it ends.

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
