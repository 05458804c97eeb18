//! mayfly-sequencer
pub mod admission;
mod error;
mod fail;
mod intake;
mod origin;
mod pool;
mod waiters;
pub use error::*;
pub use origin::Origin;
