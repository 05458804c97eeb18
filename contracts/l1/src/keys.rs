//! Private keys: read from hex or an encrypted keystore file, never printed.

use std::path::Path;

use alloy::signers::{SignerSync, k256::elliptic_curve::rand_core::OsRng, local::PrivateKeySigner};
use alloy_primitives::{Address, B256, Signature};

use crate::L1Error;

/// A secp256k1 key that signs. `Debug` shows its address only.
#[derive(Clone)]
pub struct Key(PrivateKeySigner);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Key").field(&self.address()).finish()
    }
}

impl Key {
    /// A fresh key from the system's randomness.
    pub fn random() -> Self {
        Self(PrivateKeySigner::random())
    }

    /// Reads 32 bytes of hex, with or without `0x`.
    pub fn from_hex(text: &str) -> Result<Self, L1Error> {
        let bytes: B256 = text.trim().parse().map_err(|_| L1Error::Key("not 32 bytes of hex".into()))?;
        Self::from_bytes(bytes)
    }

    /// Takes the secret scalar.
    pub fn from_bytes(bytes: B256) -> Result<Self, L1Error> {
        PrivateKeySigner::from_bytes(&bytes).map(Self).map_err(|_| L1Error::Key("not a valid secret key".into()))
    }

    /// Decrypts a keystore file (web3 secret storage, version 3). Slow on purpose: call it off
    /// the async threads.
    pub fn from_keystore(path: &Path, password: &str) -> Result<Self, L1Error> {
        let named = |reason: String| L1Error::Key(format!("{}: {reason}", path.display()));
        PrivateKeySigner::decrypt_keystore(path, password).map(Self).map_err(|error| named(error.to_string()))
    }

    /// Encrypts the key into `dir/name`, which must not exist yet.
    pub fn save_keystore(&self, dir: &Path, name: &str, password: &str) -> Result<(), L1Error> {
        let path = dir.join(name);
        let named = |reason: String| L1Error::Key(format!("{}: {reason}", path.display()));
        if path.exists() {
            return Err(named("exists already".into()));
        }
        let secret = self.0.to_bytes();
        PrivateKeySigner::encrypt_keystore(dir, &mut OsRng, secret, password, Some(name))
            .map(|_| ())
            .map_err(|error| named(error.to_string()))
    }

    /// The key's address.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a hash that the caller computed from domain-separated data. Never pass on a hash
    /// that came from outside.
    pub fn sign_hash(&self, hash: &B256) -> Result<Signature, L1Error> {
        self.0.sign_hash_sync(hash).map_err(|error| L1Error::Key(error.to_string()))
    }

    /// The secret itself, for handing a dev key to a user.
    pub fn expose_secret(&self) -> B256 {
        self.0.to_bytes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DEV_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn reads_hex_and_hides_it() {
        let key = Key::from_hex(DEV_KEY).unwrap();
        assert_eq!(key.address(), "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266".parse::<Address>().unwrap());
        assert!(!format!("{key:?}").contains("ac0974"));
        assert!(Key::from_hex("0x00").is_err());
        assert!(Key::from_bytes(B256::ZERO).is_err());
    }

    #[test]
    fn keystore_opens_with_its_password_only() {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::random();
        key.save_keystore(dir.path(), "poster", "correct").unwrap();
        let path = dir.path().join("poster");
        assert_eq!(Key::from_keystore(&path, "correct").unwrap().address(), key.address());
        assert!(Key::from_keystore(&path, "wrong").is_err());
        assert!(key.save_keystore(dir.path(), "poster", "correct").is_err(), "never overwrites");
    }
}
