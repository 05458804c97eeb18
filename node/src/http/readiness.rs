//! Why the node is not ready, if it is not.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Reasons that `/readyz` answers 503 for. Shared by whoever can hold the node back.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<BTreeMap<&'static str, String>>);

impl Readiness {
    /// `part` is not ready because of `why`. A part has one reason at a time.
    pub fn hold(&self, part: &'static str, why: impl Into<String>) {
        self.0.lock().insert(part, why.into());
    }

    /// `part` is ready.
    pub fn clear(&self, part: &'static str) {
        self.0.lock().remove(part);
    }

    /// What holds the node back, by part.
    pub fn reasons(&self) -> BTreeMap<&'static str, String> {
        self.0.lock().clone()
    }
}
