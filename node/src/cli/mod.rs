//! The command line. A command's result is printed on stdout, as text or with `--json`
//! as one document; progress, warnings and errors go to stderr. Exit codes: 0 done,
//! 1 failed, 2 not understood.

mod args;
mod config;
mod dev;
mod doctor;
mod import;
mod keys;
pub(crate) mod launch;
mod node;
mod output;
mod rollup;
mod run;
mod session;
mod signal;
mod statetest;
mod target;
mod verify;

pub use args::{Cli, Command};
pub use run::main;
