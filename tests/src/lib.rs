//! What the whole-system tests share: wallets, random histories, a served chain.
//!
//! The tests themselves are in `it/`, one file a behaviour; `architecture.rs` checks the shape of the workspace;
//! `clients/` holds the unmodified JavaScript clients, `recount/` an independent recount in Python.
// Solidity names its fields in its own case.
#![allow(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, non_snake_case)]

pub mod environment;
pub mod history;
pub mod kill;
pub mod program;
pub mod puppet;
pub mod serve;
pub mod sim;
pub mod wallet;
