//! `mayfly doctor`: looks at the machine, the database, L1 and the keys, and says what
//! an operator would have to mend; of a node that runs, what its rollups do and what would end that, and of one that
//! does not, what it would begin with. Nothing here changes anything.

mod rollups;

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, U256};
use mayfly_l1::{BlockTag, L1Client, L1Options};
use serde::Serialize;

use crate::{
    NodeError,
    config::NodeConfig,
    keys::{KeySource, KeyStore, PasswordSource, exposed_files},
};

/// Free space below which a node should not be started.
const MIN_FREE_BYTES: u64 = 2 << 30;
/// Open files a node wants: sockets, fjall's segments, PostgreSQL.
const MIN_OPEN_FILES: u64 = 4096;

/// L1 may not be further ahead of this machine's clock.
const MAX_CLOCK_LAG_SECONDS: u64 = 5;
/// A head older than this means that L1, or its endpoint, stands still.
const MAX_HEAD_AGE_SECONDS: u64 = 120;
/// Below this a poster cannot post for long: 0.05 ETH.
const MIN_POSTER_WEI: u64 = 50_000_000_000_000_000;

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
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub detail: String,
}

impl Check {
    pub(crate) fn new(name: impl Into<String>, verdict: Verdict, detail: impl Into<String>) -> Check {
        Check { name: name.into(), verdict, detail: detail.into() }
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

/// The checks that ask L1, the database, and the keys whose passwords need no terminal.
pub async fn remote_checks(config: &NodeConfig) -> Vec<Check> {
    let mut checks = vec![database(config).await];
    let l1 = match L1Client::new(&config.l1.urls, L1Options { attempts: 1, ..L1Options::default() }) {
        Ok(l1) => l1,
        Err(e) => {
            checks.push(Check::new("l1", Verdict::Fail, e.to_string()));
            return checks;
        }
    };
    let chain_id = match l1.chain_id().await {
        Ok(id) if config.l1.chain_id == 0 || config.l1.chain_id == id => {
            checks.push(Check::new("l1", Verdict::Ok, format!("answers; chain id {id}")));
            id
        }
        Ok(id) => {
            let detail = format!("chain id {id}, the configuration says {}", config.l1.chain_id);
            checks.push(Check::new("l1", Verdict::Fail, detail));
            return checks;
        }
        Err(e) => {
            checks.push(Check::new("l1", Verdict::Fail, e.to_string()));
            return checks;
        }
    };
    checks.push(clock(&l1).await);
    checks.push(factory(config, &l1).await);
    checks.push(poster(config, &l1, chain_id).await);
    checks.extend(rollups::rollups(config, &l1).await);
    checks
}

async fn database(config: &NodeConfig) -> Check {
    const NAME: &str = "database";
    if config.database.url.is_empty() {
        return Check::new(NAME, Verdict::Ok, "a private server, started with the node");
    }
    // Nothing is migrated here: connecting for real would.
    match mayfly_ledger::Ledger::inspect(&config.database.url).await {
        Ok(found) => {
            let supported = mayfly_ledger::Ledger::supported_schema();
            let verdict = if found > supported { Verdict::Fail } else { Verdict::Ok };
            Check::new(NAME, verdict, format!("answers; schema {found}, this program knows {supported}"))
        }
        Err(e) => Check::new(NAME, Verdict::Fail, e.to_string()),
    }
}

/// L1's time against this machine's: a sequencer stamps blocks by its own clock.
async fn clock(l1: &L1Client) -> Check {
    const NAME: &str = "clock";
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    match l1.head(BlockTag::Latest).await {
        Ok(head) if head.timestamp > now + MAX_CLOCK_LAG_SECONDS => {
            Check::new(NAME, Verdict::Fail, format!("L1 is {} s ahead of this machine", head.timestamp - now))
        }
        Ok(head) if now > head.timestamp + MAX_HEAD_AGE_SECONDS => {
            Check::new(NAME, Verdict::Warn, format!("L1's newest block is {} s old", now - head.timestamp))
        }
        Ok(head) => {
            Check::new(NAME, Verdict::Ok, format!("L1's newest block is {} s old", now.saturating_sub(head.timestamp)))
        }
        Err(e) => Check::new(NAME, Verdict::Fail, e.to_string()),
    }
}

async fn factory(config: &NodeConfig, l1: &L1Client) -> Check {
    const NAME: &str = "factory";
    let Some(address) = config.l1.factory else {
        return Check::new(NAME, Verdict::Warn, "l1.factory is not set: any factory's rollups are accepted");
    };
    match l1.code(address).await {
        Ok(code) if code.is_empty() => Check::new(NAME, Verdict::Fail, format!("{address} has no code on this L1")),
        Ok(_) => Check::new(NAME, Verdict::Ok, address.to_string()),
        Err(e) => Check::new(NAME, Verdict::Fail, e.to_string()),
    }
}

/// What the poster can pay. Its address stands in the key store; no password is needed.
async fn poster(config: &NodeConfig, l1: &L1Client, chain_id: u64) -> Check {
    const NAME: &str = "poster balance";
    let address = match poster_address(config, chain_id) {
        Ok(address) => address,
        Err(e) => return Check::new(NAME, Verdict::Fail, e.to_string()),
    };
    match l1.balance(address).await {
        Ok(wei) => {
            let verdict = if wei < U256::from(MIN_POSTER_WEI) { Verdict::Fail } else { Verdict::Ok };
            Check::new(NAME, verdict, format!("{address} has {} ETH", alloy_primitives::utils::format_ether(wei)))
        }
        Err(e) => Check::new(NAME, Verdict::Fail, e.to_string()),
    }
}

fn poster_address(config: &NodeConfig, chain_id: u64) -> Result<Address, NodeError> {
    let store = KeyStore::new(config.path(&config.keys.dir));
    if let KeySource::Name(name) = &config.keys.sequencer {
        let found = store.list()?.into_iter().find(|key| key.name == *name);
        return found
            .map(|key| key.address)
            .ok_or_else(|| NodeError::key(name, "is not in the key store; see `mayfly keys new`"));
    }
    let password = PasswordSource::current(config.keys.password_file.clone());
    let dev_chain = chain_id == crate::dev::CHAIN_ID;
    Ok(store.load(&config.keys.sequencer, &password, dev_chain)?.address())
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
