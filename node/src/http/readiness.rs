//! Why the node is not ready, if it is not.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// Reasons that `/readyz` answers 503 for. Shared by whoever can hold the node back. Everybody can read them: a reason
/// says what is missing, the log says why.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<BTreeMap<String, String>>);

impl Readiness {
    /// `part` is not ready because of `why`. A part has one reason at a time.
    pub fn hold(&self, part: impl Into<String>, why: impl Into<String>) {
        self.0.lock().insert(part.into(), why.into());
    }

    /// `part` is ready.
    pub fn clear(&self, part: &str) {
        self.0.lock().remove(part);
    }

    /// What holds the node back, by part.
    pub fn reasons(&self) -> BTreeMap<String, String> {
        self.0.lock().clone()
    }
}
