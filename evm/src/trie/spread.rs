//! Pieces of work that do not depend on each other.

/// Does pieces of work in any order, or at the same time; the core itself uses no threads.
pub(crate) trait Spread: Sync {
    /// What each piece comes to, in the order of the pieces.
    fn map<T: Send, R: Send>(&self, pieces: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R>;
}

/// One piece after the other.
#[cfg(test)]
pub(crate) struct InTurn;

#[cfg(test)]
impl Spread for InTurn {
    fn map<T: Send, R: Send>(&self, pieces: Vec<T>, work: impl Fn(T) -> R + Send + Sync) -> Vec<R> {
        pieces.into_iter().map(work).collect()
    }
}
