//! Why a private server could not be run.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The private server could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No PostgreSQL on this machine.
    #[error("no PostgreSQL found (looked in: {0}): install the package postgresql, or set MAYFLY_PG_BIN")]
    NoBinaries(String),
    /// An operation on a file or process failed.
    #[error("{what} {path}: {source}")]
    Io {
        /// What was done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Running as root, and no other user to run PostgreSQL as.
    #[error("PostgreSQL does not run as root and there is no user {0}: set MAYFLY_PG_USER")]
    NoUser(String),
    /// The user who runs PostgreSQL cannot enter a directory on the way to its data.
    #[error("user {user} cannot enter {path}: choose a data directory elsewhere, such as /var/lib/mayfly")]
    NotTraversable {
        /// The user.
        user: String,
        /// The directory.
        path: PathBuf,
    },
    /// The data was written by another major version.
    #[error("{path} was written by PostgreSQL {data}, found is {binary}")]
    OtherMajor {
        /// The cluster.
        path: PathBuf,
        /// Its version.
        data: String,
        /// The version of the binaries.
        binary: String,
    },
    /// A program ended with an error.
    #[error("{program} failed: {output}")]
    Failed {
        /// Which.
        program: &'static str,
        /// The end of what it said.
        output: String,
    },
    /// The server did not answer in time.
    #[error("PostgreSQL did not {what} within {after:?}: {output}")]
    TimedOut {
        /// What it should have done.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
        /// The end of its log.
        output: String,
    },
    /// A path that cannot be part of a connection URL or of a command line.
    #[error("unusable path {0}")]
    Path(PathBuf),
    /// A name that cannot be that of a database.
    #[error("invalid database name {0:?}")]
    DatabaseName(String),
    /// Another process runs this server and is not ours to stop.
    #[error("{path} is in use by process {pid}")]
    InUse {
        /// The cluster.
        path: PathBuf,
        /// The process.
        pid: i32,
    },
    /// The server is there and refuses.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
}

impl ServerError {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}
