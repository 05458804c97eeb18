//! Transactions that wait for a block: bounded, a nonce queue per sender, served in turn.
//!
//! The executor owns the pool; nothing here locks, waits or reads a clock. Nonces and balances are those of the
//! executed head, passed in with each insertion.

mod queue;
#[cfg(test)]
mod tests;
mod turn;

pub use turn::PoolLimits;
pub(crate) use turn::{Account, Pool, Pooled};
