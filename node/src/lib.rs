//! The `mayfly` program as a library: command line, configuration, keys, the
//! development stack and the node that wires ledger, sequencer and servers together.
//! It holds no business rule: what a rollup is stands in `mayfly-rollup`, how blocks
//! are built in `mayfly-sequencer`, what L1 says in `mayfly-l1`.
//!
//! Invariants:
//! * a command's result goes to stdout, everything else to stderr;
//! * no secret is ever printed or logged;
//! * every child process is recorded before it is needed and stopped by pid and start time.

pub mod archive;
pub mod cli;
pub mod config;
pub mod dev;
pub mod doctor;
mod error;
pub mod http;
pub mod keys;
pub mod logging;
pub mod metrics;
pub mod node;
pub mod rpc;
pub mod statetest;

pub use error::NodeError;
