//! The chain: one writer, many readers.
//!
//! [`Chain`] builds, appends and reverts blocks. What it has sealed reaches readers once it is durable: until then the
//! block's changes are a layer above the shared flat state, which only the writer sees.

mod builder;
mod cores;
mod disk;
mod durable;
mod mend;
mod shared;
mod source;
mod writer;

pub use builder::{BlockBuilder, BlockPreview};
pub(crate) use durable::{Durable, Recent};
pub use mend::{salvage, set_aside};
pub(crate) use shared::{Shared, Tries};
pub use writer::Chain;
