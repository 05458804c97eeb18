//! Where a node keeps its data unless told.

use std::path::PathBuf;

/// The environment variable that overrides the default.
pub const DATA_DIR_ENV: &str = "MAYFLY_DATA_DIR";

/// `/var/lib/mayfly` for root (PostgreSQL runs as another user there and must be able
/// to reach its directory), else `$XDG_DATA_HOME/mayfly` or `~/.local/share/mayfly`.
#[must_use]
pub fn default_data_dir() -> PathBuf {
    if nix::unistd::Uid::effective().is_root() {
        return PathBuf::from("/var/lib/mayfly");
    }
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .unwrap_or_else(std::env::temp_dir)
        .join("mayfly")
}
