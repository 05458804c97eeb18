//! The crate's one error.

use alloy_primitives::B256;
use std::path::PathBuf;

/// Why a chain could not be read, built, opened or moved.
///
/// A transaction that cannot be executed is not an error but a [`crate::Refusal`].
#[derive(Debug, thiserror::Error)]
pub enum EvmError {
    /// The rollup's protocol version is not known to this build.
    #[error("unknown protocol version {0}")]
    UnknownVersion(u32),
    /// Block attributes break a header rule of the chain's [`crate::ChainSpec`].
    #[error("invalid block attributes: {0}")]
    Attributes(String),
    /// The genesis names an account twice, or code that cannot be.
    #[error("invalid genesis: {0}")]
    Genesis(String),
    /// A block of another chain's export is not what it says.
    #[error("{place}: {reason}")]
    Import {
        /// Which block.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A contract that a block has to call failed.
    #[error("{0}")]
    SystemCall(String),
    /// Blocks past the head, or below the first one kept, were asked for.
    #[error("block {0} is not in the chain")]
    NoSuchBlock(u64),
    /// The state of that block is no longer (or was never) at hand.
    #[error("state of block {0} is not available")]
    StateUnavailable(u64),
    /// Reading an old state took more of the index than one call may read.
    #[error("so old a state takes more reads than one call may make")]
    TooManyReads,
    /// A filter matches more than a caller may have.
    #[error("more than {0} results")]
    TooManyResults(usize),
    /// A filter spans more blocks than a caller may have.
    #[error("range of {0} blocks exceeds {1}")]
    RangeTooWide(u64, u64),
    /// A simulated message was refused before execution.
    #[error(transparent)]
    Refused(#[from] Box<crate::Refusal>),
    /// A simulated message failed however much gas it was given.
    #[error("{}", .0.message())]
    Failed(Box<crate::CallResult>),
    /// A trace grew beyond what a caller may have.
    #[error("trace of more than {0} bytes")]
    TraceTooLarge(usize),
    /// A tracer that does not exist, or options it does not take.
    #[error("tracer: {0}")]
    Tracer(String),
    /// The data directory holds no chain.
    #[error("no chain in {0}")]
    NoChain(PathBuf),
    /// The data directory already holds a chain.
    #[error("{0} already holds a chain")]
    ChainExists(PathBuf),
    /// Another process has the data directory open.
    #[error("{0} is in use by another process")]
    InUse(PathBuf),
    /// The data directory was written by a newer version of this program.
    #[error("schema version {found} is newer than {known}")]
    NewerSchema {
        /// What the directory says.
        found: u32,
        /// The newest this build can read.
        known: u32,
    },
    /// The data directory holds another chain than the one asked for.
    #[error("directory holds another chain: {0}")]
    OtherChain(String),
    /// Stored bytes are not what was written.
    #[error("corrupt {what} at {place}")]
    Corrupt {
        /// What was being read.
        what: &'static str,
        /// File and offset, or key.
        place: String,
    },
    /// Replaying a stored block gave another state root.
    #[error("state root of block {number} is {computed}, its header says {header}")]
    RootMismatch {
        /// The block.
        number: u64,
        /// What was computed.
        computed: B256,
        /// What the header says.
        header: B256,
    },
    /// The log thread stopped; its reason.
    #[error("block log stopped: {0}")]
    LogStopped(String),
    /// The EVM failed in a way no transaction can cause.
    #[error("evm: {0}")]
    Evm(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The embedded store failed.
    #[error("store: {0}")]
    Store(#[from] fjall::Error),
}

impl EvmError {
    /// Whether a chain's files are not what was written: no later try reads them either, but [`crate::salvage`] may read
    /// a part.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Corrupt { .. } | Self::RootMismatch { .. } => true,
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// Attaches a path to an I/O error.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// Why bytes are not a transaction of this chain, or have no sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The bytes do not decode.
    #[error("malformed transaction: {0}")]
    Malformed(String),
    /// Bytes remain after the transaction, or it has another, canonical form.
    #[error("transaction is not in canonical form")]
    NotCanonical,
    /// The type is known to no fork of this chain (or is a blob transaction).
    #[error("transaction type {0:#04x} is not supported")]
    UnsupportedType(u8),
    /// A legacy transaction without chain id.
    #[error("only replay-protected (EIP-155) transactions are allowed")]
    Unprotected,
    /// The signature recovers to no address, or has a high s (EIP-2).
    #[error("invalid signature")]
    Signature,
}
