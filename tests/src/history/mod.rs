//! Random histories of a rollup: deposits of all kinds, some of which fail; tokens bridged and born; contracts with and
//! without a beneficiary; delegated accounts; burns, lies and withdrawals. The same seed gives the same history.

mod actions;
pub(crate) use actions::bridged;
mod rollup;
mod tally;

pub use rollup::{History, Included};
pub use tally::{Asset, Tally};
