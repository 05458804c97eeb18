//! The development stack: a private PostgreSQL, anvil as L1, the contracts and one node,
//! started and stopped together. Children are recorded, with pid and start time, before
//! anything relies on them, so that a start after kill -9 finds and stops its own orphans.

mod accounts;
mod deploy;
mod local;
mod process;
mod stack;
mod state;

pub use local::{LocalOptions, LocalRollup};
pub use process::ProcessRecord;
pub use stack::{Stack, StackOptions};
pub use state::{DevAccount, DevState};

/// The chain id of the development L1: contracts waive their minimum windows there.
pub const CHAIN_ID: u64 = 31337;
