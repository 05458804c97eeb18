//! The machine's cores, for what the core leaves to whoever calls it.

use crate::trie::Spread;
use rayon::prelude::*;

/// Pieces of work on all cores at once.
pub(super) struct AllCores;

impl Spread for AllCores {
    fn map<T: Send, R: Send>(&self, pieces: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
        pieces.into_par_iter().map(work).collect()
    }
}
