//! What can go wrong in the library part of the node.

use std::path::PathBuf;

/// An error of configuration, keys or the node's own files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration file is not what it should be.
    #[error("{path}: {reason}")]
    Config {
        /// The file, or `<default>`.
        path: PathBuf,
        /// What is wrong, with the value.
        reason: String,
    },
    /// A key could not be made, read or stored. Never carries the secret.
    #[error("key {name}: {reason}")]
    Key {
        /// The key's name or source.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The data directory belongs to a running process.
    #[error("data directory {path} is in use by another mayfly (pid {pid})")]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process that holds it; 0 if unknown.
        pid: u32,
    },
}

impl NodeError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> NodeError {
        let path = path.into();
        move |source| NodeError::File { path, source }
    }

    pub(crate) fn key(name: impl Into<String>, reason: impl ToString) -> NodeError {
        NodeError::Key { name: name.into(), reason: reason.to_string() }
    }
}
