//! Which path names which rollup.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::backend::Rollup;

/// Rollups one node serves at once.
pub const MAX_ROLLUPS: usize = 1_024;

/// The rollups of a node, by name, chain id and address; one of them answers at `/`.
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
        let keys = [rollup.name.to_ascii_lowercase(), id.to_string(), format!("{:?}", rollup.info.rollup)];
        let taken = keys.iter().any(|key| entries.by_key.get(key).is_some_and(|other| other.chain_id != id));
        let known = entries.by_key.contains_key(&keys[1]);
        if taken || (!known && entries.by_key.len() / keys.len() >= MAX_ROLLUPS) {
            return false;
        }
        entries.by_key.retain(|_, other| other.chain_id != id);
        for key in keys {
            entries.by_key.insert(key, Arc::clone(&rollup));
        }
        if entries.default.as_ref().is_none_or(|default| default.chain_id == id) {
            entries.default = Some(rollup);
        }
        true
    }

    /// Makes a served rollup the default. False if it is unknown.
    pub fn set_default(&self, key: &str) -> bool {
        let mut entries = self.0.write();
        let found = entries.by_key.get(&key.to_ascii_lowercase()).cloned();
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
            Some(key) => match entries.by_key.get(key) {
                Some(rollup) => Some(Arc::clone(rollup)),
                None => entries.by_key.get(&key.to_ascii_lowercase()).cloned(),
            },
            None => entries.default.clone(),
        }
    }

    /// All of them, by chain id.
    pub fn all(&self) -> Vec<Arc<Rollup>> {
        let entries = self.0.read();
        let by_id = entries.by_key.iter().filter(|(key, rollup)| **key == rollup.chain_id.to_string());
        let mut all: Vec<_> = by_id.map(|(_, rollup)| Arc::clone(rollup)).collect();
        all.sort_by_key(|rollup| rollup.chain_id);
        all
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rpc::backend::tests::rollup;
    use alloy_primitives::Address;

    #[test]
    fn a_directory_refuses_a_taken_name_and_finds_by_every_key() {
        let directory = Directory::default();
        let (_chain, first) = rollup("Night", 1, 7, 0);
        let (_chain, clash) = rollup("night", 2, 8, 0);
        let (_chain, second) = rollup("day", 3, 9, 0);
        assert!(directory.get(None).is_none());
        assert!(directory.insert(Arc::clone(&first)) && directory.insert(Arc::clone(&second)));
        assert!(!directory.insert(clash));
        let address = format!("{:?}", Address::repeat_byte(1));
        for key in ["night", "NIGHT", "7", address.as_str()] {
            assert_eq!(directory.get(Some(key)).unwrap().chain_id, 7, "{key}");
        }
        assert_eq!(directory.get(None).unwrap().chain_id, 7);
        assert!(directory.set_default("day") && !directory.set_default("nobody"));
        assert_eq!(directory.get(None).unwrap().chain_id, 9);
        directory.remove(9);
        assert_eq!(directory.all().len(), 1);
        assert_eq!(directory.get(None).unwrap().chain_id, 7);
    }
}
