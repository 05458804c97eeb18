//! Integration tests of mayfly-rollup.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod codec;
mod derivation;
mod fuzz;
mod hostile;
mod hostile_pace;
mod hostile_tokens;
mod l1_contracts;
mod settlement;
mod sim;
#[path = "../../fuzz/targets.rs"]
mod targets;
mod vectors;
mod workload;
