//! How a rollup is named in paths.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name, as of a DNS label.
const MAX_BYTES: usize = 63;
/// First path segments that are, or may become, routes of the node itself.
const ROUTES: [&str; 11] =
    ["admin", "api", "healthz", "livez", "mayfly", "metrics", "readyz", "rollups", "rpc", "status", "ws"];

/// A rollup's name: a path segment that nothing else is named by. Lower case letters, digits and dashes; no route of
/// the node, and nothing that could be a chain id or an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RollupName(String);

impl RollupName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RollupName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !plain || name.is_empty() || name.len() > MAX_BYTES || name.starts_with('-') {
            let name: String = name.chars().take(MAX_BYTES + 1).collect();
            return Err(format!("{name:?} is no name: 1 to {MAX_BYTES} of a-z, 0-9 and -, not starting with -"));
        }
        if name.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("{name:?} could be a chain id: a name needs a letter"));
        }
        if name.starts_with("0x") {
            return Err(format!("{name:?} could be an address: a name does not start with 0x"));
        }
        if ROUTES.contains(&name) {
            return Err(format!("{name:?} is a path of the node itself"));
        }
        Ok(Self(name.to_owned()))
    }
}

impl TryFrom<String> for RollupName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl fmt::Display for RollupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_path_segments_of_their_own() {
        for good in ["a", "mint-night", "2026-party", "admins"] {
            assert_eq!(good.parse::<RollupName>().unwrap().as_str(), good);
        }
        let address = format!("0x{}", "ab".repeat(20));
        let long = "x".repeat(64);
        for bad in ["", "-a", "A", "a/b", "31337", "a b", "ä", "readyz", "healthz", "metrics", "admin", &address, &long]
        {
            let error = bad.parse::<RollupName>().unwrap_err();
            assert!(error.contains(bad), "{error}");
        }
        assert!(serde_json::from_str::<RollupName>("\"metrics\"").is_err());
    }
}
