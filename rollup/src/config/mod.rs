//! What an organiser writes down, and what becomes of it on L1.

mod file;
mod rules;
mod units;

pub use file::{DaMode, GenesisEntry, Launch, RollupConfig};
pub use rules::{DEV_CHAIN_ID, LIFETIME_LIMIT_SECONDS, PROTOCOL_VERSION, lifetime_seconds, validate};
pub use units::{Span, Wei};
