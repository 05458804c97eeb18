//! The node: opens the ledger, sequences the rollups it was given, and serves them.
//!
//! Start: ledger (a private PostgreSQL if none was named) → L1 (its chain must be the one
//! the ledger belongs to) → keys → everything whose settings can be wrong → rollups →
//! listeners. A rollup that cannot be opened is left out, and `/readyz` says so; it is tried
//! again, as is one whose sequencer failed. Stop is
//! the same backwards: the public listener drains first, then each sequencer ends its last
//! block, then the operator's listener, then the ledger and its server.

mod admin;
pub(crate) mod files;
mod heal;
pub(crate) mod known;
mod ledger;
mod pulse;
mod recreate;
mod rollup;
mod start;
mod usage;
mod watch;

pub use start::Node;
