//! Finding PostgreSQL.

use crate::server::ServerError;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian keeps its versions.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The directory with `initdb` and `postgres`: `MAYFLY_PG_BIN`, or the newest of Debian's, or what `pg_config` says.
pub(super) fn find() -> Result<PathBuf, ServerError> {
    find_in(std::env::var_os("MAYFLY_PG_BIN").map(PathBuf::from))
}

fn find_in(chosen: Option<PathBuf>) -> Result<PathBuf, ServerError> {
    let mut looked = Vec::new();
    // Whoever sets it means it: no looking elsewhere.
    let candidates = match chosen {
        Some(dir) => vec![dir],
        None => debian_versions(Path::new(DEBIAN)).into_iter().chain(pg_config()).collect(),
    };
    for dir in candidates {
        if is_executable(&dir.join("initdb")) && is_executable(&dir.join("postgres")) {
            return Ok(dir);
        }
        looked.push(dir.display().to_string());
    }
    if looked.is_empty() {
        looked.extend([format!("{DEBIAN}/*/bin"), "pg_config --bindir".to_owned()]);
    }
    Err(ServerError::NoBinaries(looked.join(", ")))
}

/// The major version of the binaries, e.g. `15`.
pub(super) fn major(bin: &Path) -> Result<String, ServerError> {
    let postgres = bin.join("postgres");
    let output = Command::new(&postgres).arg("--version").output().map_err(ServerError::io("run", &postgres))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // "postgres (PostgreSQL) 15.14 (Debian …)"
    let version = text.split(") ").nth(1).unwrap_or_default();
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    if digits.is_empty() {
        Err(ServerError::Failed { program: "postgres --version", output: text })
    } else {
        Ok(digits)
    }
}

fn debian_versions(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, path)| path).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let dir = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !dir.trim().is_empty()).then(|| PathBuf::from(dir.trim()))
}

fn is_executable(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok() && path.is_file()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn prefers_the_newest_version_as_a_number() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9", "15", "16", "x"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let found = debian_versions(root.path());
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(root.path()).unwrap().to_owned()).collect();
        assert_eq!(names, [Path::new("16/bin"), Path::new("15/bin"), Path::new("9/bin")]);
    }

    #[test]
    fn refuses_a_chosen_directory_without_postgresql() {
        let root = tempfile::tempdir().unwrap();
        let refused = find_in(Some(root.path().to_owned())).unwrap_err().to_string();
        assert!(refused.contains(&root.path().display().to_string()), "{refused}");
    }

    #[test]
    fn finds_binaries_and_their_version() {
        let version: u32 = major(&find().unwrap()).unwrap().parse().unwrap();
        assert!(version >= 15);
    }
}
