//! A directory of encrypted keystore files (Web3 Secret Storage, scrypt), one a key,
//! readable by their owner alone. The address stands beside the ciphertext, so that
//! listing needs no password.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use alloy::signers::{k256::elliptic_curve::rand_core::OsRng, local::PrivateKeySigner};
use alloy_primitives::Address;
use mayfly_l1::Key;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{KeySource, PasswordSource, dev_key};
use crate::NodeError;

/// The longest name of a key.
const MAX_NAME_BYTES: usize = 64;
/// The largest keystore file that is read.
const MAX_FILE_BYTES: u64 = 16 * 1024;
/// The dearest scrypt cost that is accepted from a file (geth's standard is 2^18).
const MAX_SCRYPT_N: u64 = 1 << 20;

/// What may be shown of a key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyInfo {
    /// Its name in the store.
    pub name: String,
    /// Its address.
    pub address: Address,
    /// The encrypted file.
    pub path: PathBuf,
}

/// A directory of keys.
#[derive(Clone, Debug)]
pub struct KeyStore {
    dir: PathBuf,
}

impl KeyStore {
    /// A store in `dir`, which is created when the first key is.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> KeyStore {
        KeyStore { dir: dir.into() }
    }

    /// Makes a new random key.
    ///
    /// # Errors
    /// If the name is taken or the file cannot be written.
    pub fn create(&self, name: &str, password: &str) -> Result<KeyInfo, NodeError> {
        self.write(name, &PrivateKeySigner::random(), password, false)
    }

    /// Stores an existing secret (64 hex digits).
    ///
    /// # Errors
    /// If it is no secret, the name is taken, or the file cannot be written.
    pub fn import(&self, name: &str, secret: &str, password: &str) -> Result<KeyInfo, NodeError> {
        let signer: PrivateKeySigner =
            secret.trim().parse().map_err(|_| NodeError::key(name, "not a private key of 64 hex digits"))?;
        self.write(name, &signer, password, false)
    }

    /// Encrypts a key anew, under another password. The old file is replaced only
    /// after the new one is on disk.
    ///
    /// # Errors
    /// If the old password does not open it, or the file cannot be written.
    pub fn rotate(&self, name: &str, old: &str, new: &str) -> Result<KeyInfo, NodeError> {
        let signer = decrypt(&self.path(name)?, name, old)?;
        self.write(name, &signer, new, true)
    }

    /// Every key, by name.
    ///
    /// # Errors
    /// If the directory or a file in it cannot be read.
    pub fn list(&self) -> Result<Vec<KeyInfo>, NodeError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(NodeError::file(&self.dir)(e)),
        };
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry.map_err(NodeError::file(&self.dir))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let address = read_file(&path, &name)?
                    .address
                    .ok_or_else(|| NodeError::key(&name, "the file does not say its address"))?;
                keys.push(KeyInfo { name, address, path });
            }
        }
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(keys)
    }

    /// Opens the key that `source` names. `dev_chain` says whether the well-known
    /// development keys are allowed.
    ///
    /// # Errors
    /// If it does not exist, the password is wrong, or it is a development key elsewhere.
    pub fn load(&self, source: &KeySource, password: &PasswordSource, dev_chain: bool) -> Result<Key, NodeError> {
        let name = source.to_string();
        let signer = match source {
            KeySource::Dev(_) if !dev_chain => {
                Err(NodeError::key(&name, "known to everybody: only for the development chain"))
            }
            KeySource::Dev(index) => dev_key(*index),
            KeySource::Env(variable) => {
                let secret = Zeroizing::new(std::env::var(variable).map_err(|e| NodeError::key(&name, e))?);
                secret.trim().parse().map_err(|_| NodeError::key(&name, "not a private key of 64 hex digits"))
            }
            KeySource::File(path) => decrypt(path, &name, &password.read(&format!("password of {name}"), false)?),
            KeySource::Name(key) => {
                decrypt(&self.path(key)?, &name, &password.read(&format!("password of {name}"), false)?)
            }
        }?;
        Key::from_bytes(signer.to_bytes()).map_err(|e| NodeError::key(name, e))
    }

    fn path(&self, name: &str) -> Result<PathBuf, NodeError> {
        check_name(name).map_err(|reason| NodeError::key(name, reason))?;
        Ok(self.dir.join(format!("{name}.json")))
    }

    fn write(
        &self,
        name: &str,
        signer: &PrivateKeySigner,
        password: &str,
        replace: bool,
    ) -> Result<KeyInfo, NodeError> {
        let path = self.path(name)?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir).map_err(NodeError::file(&self.dir))?;
        if !replace && path.exists() {
            return Err(NodeError::key(name, format!("exists already: {}", path.display())));
        }
        // The library writes with the process's umask: into a directory nobody else enters.
        let work = tempfile::Builder::new().prefix(".key").tempdir_in(&self.dir).map_err(NodeError::file(&self.dir))?;
        let secret = Zeroizing::new(signer.to_bytes().0);
        PrivateKeySigner::encrypt_keystore(work.path(), &mut OsRng, secret.as_slice(), password, Some("key"))
            .map_err(|e| NodeError::key(name, e))?;
        let text = fs::read_to_string(work.path().join("key")).map_err(NodeError::file(work.path()))?;
        let mut json: serde_json::Value = serde_json::from_str(&text).map_err(|e| NodeError::key(name, e))?;
        if let Some(object) = json.as_object_mut() {
            object.insert("address".into(), format!("{:x}", signer.address()).into());
        }
        let staged = work.path().join("staged");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&staged)
            .map_err(NodeError::file(&staged))?;
        file.write_all(json.to_string().as_bytes()).and_then(|()| file.sync_all()).map_err(NodeError::file(&staged))?;
        if replace {
            fs::rename(&staged, &path).map_err(NodeError::file(&path))?;
        } else {
            // A hard link refuses to overwrite, also when two processes race.
            fs::hard_link(&staged, &path).map_err(NodeError::file(&path))?;
        }
        fs::File::open(&self.dir).and_then(|d| d.sync_all()).map_err(NodeError::file(&self.dir))?;
        Ok(KeyInfo { name: name.to_owned(), address: signer.address(), path })
    }
}

/// Keys whose files others may read: `(file, mode)`; for `mayfly doctor`.
pub(crate) fn exposed_files(dir: &Path) -> Vec<(PathBuf, u32)> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| exposed_file(&entry.path())).collect()
}

/// The file and its mode, if others than its owner may touch it.
pub(crate) fn exposed_file(path: &Path) -> Option<(PathBuf, u32)> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then(|| (path.to_owned(), mode))
}

/// Letters, digits, `-` and `_`: a name is also a file name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len());
    if fits && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Ok(());
    }
    Err(format!("{name:?} is no name: 1 to {MAX_NAME_BYTES} of a-z, A-Z, 0-9, - and _"))
}

/// The parts of a keystore file that are checked before the library sees it.
#[derive(Deserialize)]
struct StoredKey {
    address: Option<Address>,
    crypto: StoredCrypto,
}

#[derive(Deserialize)]
struct StoredCrypto {
    cipherparams: StoredCipher,
    ciphertext: String,
    kdfparams: StoredKdf,
}

#[derive(Deserialize)]
struct StoredCipher {
    iv: String,
}

#[derive(Deserialize)]
struct StoredKdf {
    dklen: u64,
    #[serde(default)]
    n: u64,
    #[serde(default)]
    c: u64,
}

fn read_file(path: &Path, name: &str) -> Result<StoredKey, NodeError> {
    let size = fs::metadata(path).map_err(NodeError::file(path))?.len();
    if size > MAX_FILE_BYTES {
        return Err(NodeError::key(name, format!("keystore file of {size} bytes")));
    }
    let text = fs::read_to_string(path).map_err(NodeError::file(path))?;
    let key: StoredKey =
        serde_json::from_str(&text).map_err(|e| NodeError::key(name, format!("no keystore file: {e}")))?;
    let crypto = &key.crypto;
    // The lengths the cipher assumes; a file that lies about them must not panic us.
    if crypto.kdfparams.dklen != 32 || crypto.cipherparams.iv.len() != 32 || crypto.ciphertext.len() != 64 {
        return Err(NodeError::key(name, "not a keystore of one 32-byte key"));
    }
    if crypto.kdfparams.n > MAX_SCRYPT_N || crypto.kdfparams.c > 10 * MAX_SCRYPT_N {
        return Err(NodeError::key(name, format!("key derivation too dear (n {})", crypto.kdfparams.n)));
    }
    Ok(key)
}

fn decrypt(path: &Path, name: &str, password: &str) -> Result<PrivateKeySigner, NodeError> {
    let stored = read_file(path, name)?;
    let signer = PrivateKeySigner::decrypt_keystore(path, password)
        .map_err(|e| NodeError::key(name, format!("cannot be opened: {e}")))?;
    match stored.address {
        Some(address) if address != signer.address() => {
            Err(NodeError::key(name, format!("says it is {address}, but is {}", signer.address())))
        }
        _ => Ok(signer),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn store() -> (tempfile::TempDir, KeyStore) {
        let dir = tempfile::tempdir().unwrap();
        let store = KeyStore::new(dir.path().join("keys"));
        (dir, store)
    }

    fn file_password(dir: &Path, password: &str) -> PasswordSource {
        let path = dir.join("password");
        fs::write(&path, format!("{password}\n")).unwrap();
        PasswordSource::current(Some(path))
    }

    #[test]
    fn keeps_a_key_for_its_owner_alone() {
        let (dir, store) = store();
        let made = store.create("poster", "first").unwrap();
        assert_eq!(fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(exposed_files(&dir.path().join("keys")).is_empty());
        let source = KeySource::Name("poster".into());
        let key = store.load(&source, &file_password(dir.path(), "first"), false).unwrap();
        assert_eq!(key.address(), made.address);
        assert!(store.load(&source, &file_password(dir.path(), "second"), false).is_err());
        assert!(store.create("poster", "first").is_err(), "a taken name");
        assert_eq!(store.list().unwrap().len(), 1);
    }

    #[test]
    fn rotation_locks_out_the_old_password() {
        let (dir, store) = store();
        let secret = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
        let made = store.import("organiser", secret, "old").unwrap();
        assert!(store.rotate("organiser", "wrong", "new").is_err());
        assert_eq!(store.rotate("organiser", "old", "new").unwrap().address, made.address);
        let source = KeySource::Name("organiser".into());
        assert!(store.load(&source, &file_password(dir.path(), "old"), false).is_err());
        assert!(store.load(&source, &file_password(dir.path(), "new"), false).is_ok());
        let text = fs::read_to_string(&made.path).unwrap();
        assert!(!text.contains(secret));
    }

    #[test]
    fn development_keys_stay_on_the_development_chain() {
        let (_dir, store) = store();
        let password = PasswordSource::current(None);
        assert!(store.load(&KeySource::Dev(0), &password, true).is_ok());
        assert!(store.load(&KeySource::Dev(0), &password, false).is_err());
    }

    #[test]
    fn a_broken_file_is_an_error_not_a_panic() {
        let (dir, store) = store();
        let made = store.create("k", "pw").unwrap();
        let good = fs::read_to_string(&made.path).unwrap();
        for (from, to) in
            [("\"dklen\":32", "\"dklen\":3"), ("\"n\":8192", "\"n\":4294967295"), ("\"iv\":\"", "\"iv\":\"00")]
        {
            assert!(good.contains(from));
            fs::write(&made.path, good.replace(from, to)).unwrap();
            assert!(store.load(&KeySource::Name("k".into()), &file_password(dir.path(), "pw"), false).is_err(), "{to}");
        }
        fs::write(&made.path, good.replace(&format!("{:x}", made.address), &"0".repeat(40))).unwrap();
        assert!(store.load(&KeySource::Name("k".into()), &file_password(dir.path(), "pw"), false).is_err());
    }
}
