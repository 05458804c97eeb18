//! mayfly-sequencer
pub mod admission;
mod error;
mod fail;
mod origin;
pub use error::*;
pub use origin::Origin;
