//! How a command names the key it wants.

use std::{fmt, path::PathBuf, str::FromStr};

/// `dev:N`, `env:VARIABLE`, a path (anything with a `/`), or a name in the key store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Anvil's N-th account; refused away from the development chain.
    Dev(usize),
    /// A hex secret in an environment variable.
    Env(String),
    /// An encrypted keystore file.
    File(PathBuf),
    /// A key of the key store.
    Name(String),
}

impl FromStr for KeySource {
    type Err = String;

    fn from_str(text: &str) -> Result<KeySource, String> {
        if let Some(index) = text.strip_prefix("dev:") {
            return index.parse().map(KeySource::Dev).map_err(|_| format!("{index:?} is no account number"));
        }
        if let Some(variable) = text.strip_prefix("env:") {
            return if variable.is_empty() {
                Err("env: without a name".into())
            } else {
                Ok(KeySource::Env(variable.into()))
            };
        }
        if text.contains('/') {
            return Ok(KeySource::File(text.into()));
        }
        let hex = text.strip_prefix("0x").unwrap_or(text);
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            // Not echoed: it is a secret, and now it is in the shell's history.
            return Err("a secret on the command line; use env:VARIABLE, a keystore file or a key's name".into());
        }
        super::store::check_name(text)?;
        Ok(KeySource::Name(text.into()))
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::Dev(index) => write!(f, "dev:{index}"),
            KeySource::Env(variable) => write!(f, "env:{variable}"),
            KeySource::File(path) => write!(f, "{}", path.display()),
            KeySource::Name(name) => f.write_str(name),
        }
    }
}

impl serde::Serialize for KeySource {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for KeySource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<KeySource, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        assert_eq!("dev:3".parse(), Ok(KeySource::Dev(3)));
        assert_eq!("env:A_KEY".parse(), Ok(KeySource::Env("A_KEY".into())));
        assert_eq!("./a.json".parse(), Ok(KeySource::File("./a.json".into())));
        assert_eq!("poster".parse(), Ok(KeySource::Name("poster".into())));
    }

    #[test]
    fn refuses_a_secret_without_repeating_it() {
        let secret = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let error = secret.parse::<KeySource>().err().unwrap_or_default();
        assert!(!error.is_empty() && !error.contains("ac0974"));
    }

    #[test]
    fn refuses_names_that_leave_the_directory() {
        assert!("..".parse::<KeySource>().is_err());
        assert!("a b".parse::<KeySource>().is_err());
        assert!("dev:x".parse::<KeySource>().is_err());
        assert!("env:".parse::<KeySource>().is_err());
    }
}
