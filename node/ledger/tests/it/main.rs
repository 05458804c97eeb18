//! The ledger against a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic)]

mod answers;
mod chain;
mod env;
mod launcher;
mod money;
mod outbox;
mod reservations;
mod schema;
mod usage;
