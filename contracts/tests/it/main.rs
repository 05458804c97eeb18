//! The committed artifacts are what the sources compile to, and the compiler says what it lacks.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod artifacts;
mod shim;
