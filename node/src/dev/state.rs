//! `dev.json`: what the development stack is made of, for its next start and for the
//! other commands.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};

use super::ProcessRecord;
use crate::NodeError;

/// The version of the file that this program reads and writes.
const VERSION: u32 = 1;
/// Its name in the data directory.
const FILE: &str = "dev.json";

/// A funded account of the development chain. Its key is public knowledge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevAccount {
    /// What the stack uses it for; `user` if for nothing.
    pub role: String,
    /// How commands name it.
    pub key: String,
    /// Its address.
    pub address: Address,
    /// Its secret.
    pub private_key: String,
}

/// Seconds since 1970.
pub(super) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// The development stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevState {
    /// The file's version.
    pub version: u32,
    /// Whether the stack is up.
    pub running: bool,
    /// Public JSON-RPC; a rollup answers below it at `/NAME`. Empty without a node.
    pub rpc_url: String,
    /// The operator's API. Empty without a node.
    pub admin_url: String,
    /// L1, execution and beacon API.
    pub l1_url: String,
    /// L1's chain id.
    pub l1_chain_id: u64,
    /// When L1 began, in Unix seconds: it must be told at each start.
    pub l1_genesis_time: u64,
    /// The `RollupFactory`.
    pub factory: Address,
    /// PostgreSQL.
    pub database_url: String,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Funded accounts on L1.
    pub accounts: Vec<DevAccount>,
    /// The stack's processes.
    pub processes: Vec<ProcessRecord>,
}

impl DevState {
    /// A stack of which nothing is known yet.
    #[must_use]
    pub fn new(data_dir: &Path) -> DevState {
        DevState {
            version: VERSION,
            running: false,
            rpc_url: String::new(),
            admin_url: String::new(),
            l1_url: String::new(),
            l1_chain_id: super::CHAIN_ID,
            l1_genesis_time: unix_now(),
            factory: Address::ZERO,
            database_url: String::new(),
            data_dir: data_dir.to_owned(),
            accounts: Vec::new(),
            processes: Vec::new(),
        }
    }

    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    /// If it is unreadable, damaged, or of a newer version.
    pub fn read(data_dir: &Path) -> Result<Option<DevState>, NodeError> {
        let path = data_dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
                return Ok(None);
            }
            Err(e) => return Err(NodeError::file(path)(e)),
        };
        let bad = |reason: String| NodeError::Config { path: path.clone(), reason };
        let state: DevState = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
        if state.version != VERSION {
            return Err(bad(format!("version {}, this program knows {VERSION}", state.version)));
        }
        Ok(Some(state))
    }

    /// Replaces the file in one step.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self) -> Result<(), NodeError> {
        let path = self.data_dir.join(FILE);
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.data_dir)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(NodeError::file(&path))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn survives_the_round_trip_and_refuses_a_newer_file() {
        let dir = tempfile::tempdir().unwrap();
        assert!(DevState::read(dir.path()).unwrap().is_none());
        let mut state = DevState::new(dir.path());
        state.write().unwrap();
        assert_eq!(DevState::read(dir.path()).unwrap(), Some(state.clone()));
        state.version = 2;
        state.write().unwrap();
        assert!(DevState::read(dir.path()).is_err());
    }
}
