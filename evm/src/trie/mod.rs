//! Merkle Patricia tries in memory.
//!
//! One [`Trie`] holds the accounts and one the storage of each contract; [`StateTrie`] keeps them together. Nodes
//! live in arenas and remember their encoded reference, so that a root costs what changed since the last one.
//! Keys are hashes, so every leaf is at the end of 64 nibbles. Pure: no threads, clocks or files.

mod arena;
mod hash;
mod spread;
mod state;
mod tree;

pub(crate) use spread::Spread;
pub(crate) use state::{Direction, StateTrie};
pub use tree::{Trie, TrieValue};
