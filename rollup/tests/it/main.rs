//! Integration tests of mayfly-rollup.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod codec;
mod derivation;
mod hostile;
mod hostile_pace;
mod hostile_tokens;
mod l1_contracts;
mod settlement;
mod sim;
mod vectors;
mod workload;
