//! Block execution over any state that can be read. Pure: no threads, clocks or files.
//!
//! [`BlockRun`] runs a block's system calls, transactions and deposits on revm and hands back what they changed. There
//! is one path for every chain: whatever differs stands in [`crate::ChainSpec`].

mod around;
mod block;
mod collision;
mod deposit;
mod env;
mod inspect;
mod outcome;
mod precompiles;
mod refusal;
mod requests;

pub(crate) use around::Around;
pub(crate) use block::{BlockRun, Evm, EvmContext, Finished, Parent, Place};
pub(crate) use collision::transact;
pub(crate) use env::{block_env, build_evm, cfg_env, tx_env};
pub(crate) use inspect::{Before, Inspected};
pub use outcome::TxOutcome;
pub(crate) use precompiles::PricedPrecompiles;
pub use refusal::Refusal;
pub(crate) use refusal::from_evm;
