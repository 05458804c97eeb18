//! Transactions that wait for a block: bounded, a nonce queue per sender. Origins are served in turn, and the senders
//! behind each; who holds most gives way in a full pool. Keys are free, so senders alone would share nothing.
//!
//! The executor owns the pool; nothing here locks, waits or reads a clock. Nonces and balances are those of the
//! executed head, passed in with each insertion.

mod queue;
mod share;
#[cfg(test)]
mod tests;
mod turn;

pub use turn::PoolLimits;
pub(crate) use turn::{Account, Pool, Pooled};
