//! `mayfly doctor`: looks at the machine, the database, L1 and the keys, and says what
//! an operator would have to mend. Nothing here changes anything.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{config::NodeConfig, keys::exposed_files};

/// Free space below which a node should not be started.
const MIN_FREE_BYTES: u64 = 2 << 30;
/// Open files a node wants: sockets, fjall's segments, PostgreSQL.
const MIN_OPEN_FILES: u64 = 4096;

/// How one check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but should be looked at.
    Warn,
    /// A node would not work.
    Fail,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub detail: String,
}

impl Check {
    pub(crate) fn new(name: &'static str, verdict: Verdict, detail: impl Into<String>) -> Check {
        Check { name, verdict, detail: detail.into() }
    }
}

/// The checks that need neither network nor database.
#[must_use]
pub fn local_checks(config: &NodeConfig) -> Vec<Check> {
    vec![
        postgres(config),
        disk(&config.data_dir),
        port("rpc.listen", config.rpc.listen),
        port("admin.listen", config.admin.listen),
        open_files(),
        key_files(&config.path(&config.keys.dir), config.keys.password_file.as_deref()),
    ]
}

fn postgres(config: &NodeConfig) -> Check {
    const NAME: &str = "postgres binaries";
    if !config.database.url.is_empty() {
        return Check::new(NAME, Verdict::Ok, "not needed: database.url is set");
    }
    match find_postgres() {
        Some(dir) => Check::new(NAME, Verdict::Ok, dir.display().to_string()),
        None => Check::new(NAME, Verdict::Fail, "no initdb found; run scripts/setup.sh or set database.url"),
    }
}

fn find_postgres() -> Option<PathBuf> {
    let configured = std::env::var_os("MAYFLY_PG_BIN").map(PathBuf::from);
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|dirs| dirs.flatten().map(|d| d.path().join("bin")).collect())
        .unwrap_or_default();
    debian.sort();
    debian.reverse();
    let on_path = std::env::var_os("PATH").map(|p| std::env::split_paths(&p).collect::<Vec<_>>()).unwrap_or_default();
    configured
        .into_iter()
        .chain(debian)
        .chain(on_path)
        .find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
}

/// The nearest existing directory above a path: the data directory may not exist yet.
fn existing(path: &Path) -> &Path {
    path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"))
}

fn disk(data_dir: &Path) -> Check {
    const NAME: &str = "disk space";
    match nix::sys::statvfs::statvfs(existing(data_dir)) {
        Ok(stat) => {
            let free = stat.blocks_available().saturating_mul(stat.fragment_size());
            let verdict = if free < MIN_FREE_BYTES { Verdict::Fail } else { Verdict::Ok };
            Check::new(NAME, verdict, format!("{} MiB free at {}", free >> 20, data_dir.display()))
        }
        Err(e) => Check::new(NAME, Verdict::Fail, format!("{}: {e}", data_dir.display())),
    }
}

fn port(name: &'static str, address: SocketAddr) -> Check {
    match TcpListener::bind(address) {
        Ok(_) => Check::new(name, Verdict::Ok, format!("{address} is free")),
        Err(e) => Check::new(name, Verdict::Warn, format!("{address}: {e} (taken by a running node?)")),
    }
}

fn open_files() -> Check {
    const NAME: &str = "open files";
    match rlimit::Resource::NOFILE.get() {
        Ok((_, hard)) if hard < MIN_OPEN_FILES => {
            Check::new(NAME, Verdict::Warn, format!("at most {hard}; raise LimitNOFILE to {MIN_OPEN_FILES}"))
        }
        Ok((_, hard)) => Check::new(NAME, Verdict::Ok, format!("up to {hard}")),
        Err(e) => Check::new(NAME, Verdict::Warn, e.to_string()),
    }
}

fn key_files(dir: &Path, password_file: Option<&Path>) -> Check {
    const NAME: &str = "key files";
    let mut exposed = exposed_files(dir);
    exposed.extend(password_file.and_then(crate::keys::exposed_file));
    match exposed.first() {
        Some((path, mode)) => Check::new(
            NAME,
            Verdict::Fail,
            format!("{} has mode {mode:o}; type: chmod go= {}", path.display(), path.display()),
        ),
        None => Check::new(NAME, Verdict::Ok, format!("nobody else can read {}", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn sees_a_key_that_others_may_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("k.json");
        std::fs::write(&file, "{}").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(key_files(dir.path(), None).verdict, Verdict::Ok);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(key_files(dir.path(), None).verdict, Verdict::Fail);
        assert_eq!(key_files(&dir.path().join("none"), Some(&file)).verdict, Verdict::Fail);
    }

    #[test]
    fn sees_a_port_that_is_taken() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        assert_eq!(port("rpc.listen", taken.local_addr().unwrap()).verdict, Verdict::Warn);
    }
}
