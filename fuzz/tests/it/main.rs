//! The fuzz targets on stable Rust: the committed corpus of each, and seeded mutations of it.
//!
//! `MAYFLY_FUZZ_ROUNDS` makes the mutations more; `MAYFLY_WRITE_CORPUS=1` adds the seeds to the corpus, for when a
//! target reads its input in another way.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod mutate;
mod replay;
mod seeds;
#[path = "../../../rollup/tests/it/workload.rs"]
#[allow(dead_code)]
mod workload;
