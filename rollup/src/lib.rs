//! What a rollup is: its configuration and genesis, the bytes its batches are made of, how its
//! chain follows from L1, and what everybody owns when it ends.

mod abi;
mod claim;
mod error;
mod estimate;
mod info;

pub mod batch;
pub mod config;
pub mod settlement;

pub use abi::{Allocation, BatchHeader, Claim, Config, Message};
pub use claim::{RECEIPT_TREE_DEPTH, ReceiptRow, attestation_digest, claim_hash, receipt_proof};
pub use error::{BatchError, ConfigError, InfoError, SettlementError};
pub use estimate::{Estimate, Expectation, GasTable, estimate};
pub use info::RollupInfo;
