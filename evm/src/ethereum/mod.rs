//! Ethereum's own chains: their rules from a `genesis.json`, their blocks from what other nodes export, and single
//! transactions of the public state tests. All of it is executed by what executes rollups.

mod alone;
mod blocks;
mod config;
mod import;

pub use alone::{AloneOutcome, AloneTransaction};
pub use blocks::{ForeignBlock, ForeignBlocks};
pub use config::{EthereumFork, ethereum_genesis};
