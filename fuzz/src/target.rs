//! The table of targets, and where their corpora are.

use crate::{batch, derivation, l1, log, rpc};
use std::path::PathBuf;

/// Something to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also of its directory in `corpus/`.
    pub name: &'static str,
    /// Runs one input.
    pub run: fn(&[u8]),
}

/// Every target there is.
pub const TARGETS: &[Target] = &[
    Target { name: "batch", run: batch::run },
    Target { name: "derivation", run: derivation::run },
    Target { name: "l1", run: l1::run },
    Target { name: "log", run: log::run },
    Target { name: "rpc", run: rpc::run },
];

/// Looks a target up.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The directory of a target's committed corpus.
pub fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}
