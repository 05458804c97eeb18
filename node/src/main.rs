//! The `mayfly` binary; see `mayfly --help`.

use std::process::ExitCode;

/// Gives back what a burst took, so that resident memory says what is in use (`docs/decisions/0006`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    small_pages();
    mayfly_node::cli::main()
}

/// Keeps Linux from backing memory with pages of 2 MiB, which it has to clear whole for the little that is used of each
/// (`docs/decisions/0006`).
fn small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(target_os = "linux")]
    fn pages_are_small() {
        super::small_pages();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let huge = status.lines().find_map(|line| line.strip_prefix("THP_enabled:"));
        // Older kernels do not say.
        assert!(huge.is_none_or(|huge| huge.trim() == "0"), "{huge:?}");
    }
}
