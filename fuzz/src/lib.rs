//! What the fuzzers run, as plain functions of bytes that panic on a finding: `scripts/fuzz.sh` feeds them to libFuzzer,
//! coverage-guided; the tests replay the committed corpora and seeded mutations of them.
//!
//! * [`batch`]: payloads, blobs, leaf files, transactions: whatever decodes, encodes again to the same thing.
//! * [`derivation`]: hostile batches, queue items and reorganisations; three derivations of one L1 agree.
//! * [`log`]: a real block log, damaged: what is recovered is exactly what was written, or nothing is opened.
//! * [`rpc`]: bodies into the node's dispatcher: every answer is JSON-RPC, of bounded size.
//! * [`l1`]: answers of an L1 endpoint: nothing unproven is believed.
//!
//! # Invariants
//! * A target is a function of its bytes: no clock, no randomness decides what it does.
//! * A finding is a panic or an input over a second; its bytes go into `corpus/` with the fix.
//!
//! ```
//! (mayfly_fuzz::find("batch").expect("a target").run)(&[0, 1, 2]);
//! ```

#![allow(clippy::panic, reason = "a panic is a finding")]

mod input;

pub mod batch;
pub mod derivation;
pub mod l1;
pub mod log;
pub mod rpc;

mod target;

pub use target::{TARGETS, Target, corpus, find};
