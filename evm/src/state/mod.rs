//! The flat state: accounts, slots and code, how a block changes them, and how a block sees them while it runs.
//!
//! [`Changes`] are what a block did, with the old values beside the new: the same record replays a block and undoes
//! it. [`Overlay`] sits between a [`StateSource`] and the EVM. Pure: no threads, clocks or files.

mod account;
mod changes;
mod flat;
mod overlay;
mod source;

pub use account::AccountInfo;
pub(crate) use changes::{AccountChange, Changes, SlotChange};
pub(crate) use flat::Flat;
pub use flat::StateSize;
pub(crate) use overlay::Overlay;
pub(crate) use source::{HashRing, StateError, StateSource};
