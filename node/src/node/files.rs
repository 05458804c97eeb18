//! The node's own files: its lock and the operator's token.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use alloy_primitives::hex;
use rand::{TryRngCore, rngs::OsRng};

use crate::NodeError;

/// The longest token file that is read.
const MAX_TOKEN_BYTES: u64 = 1024;
/// Random bytes in a new token.
const TOKEN_BYTES: usize = 32;

/// Makes a directory that others may pass through: root's PostgreSQL runs as another
/// user. What is secret in it is closed by itself.
pub(crate) fn make_data_dir(path: &Path) -> Result<std::path::PathBuf, NodeError> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(NodeError::file(path))?;
    path.canonicalize().map_err(NodeError::file(path))
}

/// Holds `path` for as long as the returned file lives; the kernel lets go of it when
/// the process ends, however it ends.
pub(crate) fn lock(path: &Path) -> Result<File, NodeError> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(NodeError::file(path))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)
                .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()))
                .map_err(NodeError::file(path))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            Err(NodeError::InUse { path: path.parent().unwrap_or(path).to_owned(), pid })
        }
        Err(TryLockError::Error(e)) => Err(NodeError::file(path)(e)),
    }
}

/// The operator's token; a missing file is made with a random one, for its owner alone.
pub(crate) fn admin_token(path: &Path) -> Result<String, NodeError> {
    match File::options().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let mut bytes = [0; TOKEN_BYTES];
            OsRng.try_fill_bytes(&mut bytes).map_err(|e| NodeError::file(path)(std::io::Error::other(e)))?;
            let token = hex::encode(bytes);
            file.write_all(token.as_bytes()).and_then(|()| file.sync_all()).map_err(NodeError::file(path))?;
            Ok(token)
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            let size = fs::metadata(path).map_err(NodeError::file(path))?.len();
            if size > MAX_TOKEN_BYTES {
                let reason = format!("token file of {size} bytes");
                return Err(NodeError::Config { path: path.to_owned(), reason });
            }
            Ok(fs::read_to_string(path).map_err(NodeError::file(path))?.trim().to_owned())
        }
        Err(e) => Err(NodeError::file(path)(e)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_made_once_and_for_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        let token = admin_token(&path).unwrap();
        assert_eq!(token.len(), 2 * TOKEN_BYTES);
        assert_eq!(admin_token(&path).unwrap(), token);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn one_process_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.lock");
        let held = lock(&path).unwrap();
        let own = std::process::id();
        assert!(matches!(lock(&path), Err(NodeError::InUse { pid, .. }) if pid == own));
        drop(held);
        assert!(lock(&path).is_ok());
    }
}
