//! The `mayfly` binary; see `mayfly --help`.

use std::process::ExitCode;

/// Gives back what a burst took, so that resident memory says what is in use (`docs/decisions/0006`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    mayfly_node::cli::main()
}
