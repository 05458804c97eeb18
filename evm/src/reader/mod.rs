//! Reading a chain: what RPC needs.
//!
//! A [`ChainReader`] sees durable blocks only. Reads never hold the writer up: a lock is held for one look-up, and a
//! [`StateView`] that lasts longer stays at its block through the undo records of the blocks after it.

mod blocks;
mod view;

pub use blocks::ChainReader;
pub use view::StateView;
