//! Integration tests of mayfly-rollup.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod codec;
mod derivation;
mod settlement;
mod sim;
mod workload;
