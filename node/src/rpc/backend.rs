//! What the RPC serves: rollups, and which path names which.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

/// Rollups one node serves at once.
pub const MAX_ROLLUPS: usize = 1_024;

/// One rollup as the RPC sees it.
#[derive(Debug)]
pub struct Rollup {
    /// Its name in paths: `/{name}`.
    pub name: String,
    /// Its chain id; `/{chain id}` names it too.
    pub chain_id: u64,
}

impl Rollup {
    /// What the operator sees of it.
    pub fn status(&self) -> serde_json::Value {
        serde_json::json!({ "name": self.name, "chainId": self.chain_id })
    }
}

/// The rollups of a node, by name and chain id; one of them answers at `/`.
#[derive(Debug, Default)]
pub struct Directory(RwLock<Entries>);

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<String, Arc<Rollup>>,
    default: Option<Arc<Rollup>>,
}

impl Directory {
    /// Adds a rollup, replacing one of the same chain id. The first is the default.
    /// False if there is no room, or another rollup has the name.
    pub fn insert(&self, rollup: Arc<Rollup>) -> bool {
        let mut entries = self.0.write();
        let id = rollup.chain_id;
        let taken = entries.by_key.get(&rollup.name).is_some_and(|other| other.chain_id != id);
        let known = entries.by_key.contains_key(&id.to_string());
        if taken || (!known && entries.by_key.len() / 2 >= MAX_ROLLUPS) {
            return false;
        }
        entries.by_key.retain(|_, other| other.chain_id != id);
        entries.by_key.insert(rollup.name.clone(), Arc::clone(&rollup));
        entries.by_key.insert(id.to_string(), Arc::clone(&rollup));
        if entries.default.as_ref().is_none_or(|default| default.chain_id == id) {
            entries.default = Some(rollup);
        }
        true
    }

    /// Makes a served rollup the default. False if it is unknown.
    pub fn set_default(&self, key: &str) -> bool {
        let mut entries = self.0.write();
        let found = entries.by_key.get(key).cloned();
        let known = found.is_some();
        entries.default = found.or(entries.default.take());
        known
    }

    /// Stops serving a rollup.
    pub fn remove(&self, chain_id: u64) {
        let mut entries = self.0.write();
        entries.by_key.retain(|_, rollup| rollup.chain_id != chain_id);
        if entries.default.as_ref().is_some_and(|rollup| rollup.chain_id == chain_id) {
            entries.default = entries.by_key.values().next().cloned();
        }
    }

    /// The rollup that a path segment names; `None` asks for the default.
    pub fn get(&self, key: Option<&str>) -> Option<Arc<Rollup>> {
        let entries = self.0.read();
        match key {
            Some(key) => entries.by_key.get(key).cloned(),
            None => entries.default.clone(),
        }
    }

    /// All of them, by chain id.
    pub fn all(&self) -> Vec<Arc<Rollup>> {
        let entries = self.0.read();
        let mut all: Vec<_> = entries
            .by_key
            .iter()
            .filter(|(key, rollup)| **key == rollup.name)
            .map(|(_, rollup)| Arc::clone(rollup))
            .collect();
        all.sort_by_key(|rollup| rollup.chain_id);
        all
    }
}
