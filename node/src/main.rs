//! The `mayfly` binary; see `mayfly --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mayfly_node::cli::main()
}
