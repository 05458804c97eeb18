//! What a rollup is: its configuration and genesis, the bytes its batches are made of, how its
//! chain follows from L1, and what everybody owns when it ends.

mod error;

pub mod batch;

pub use error::BatchError;
