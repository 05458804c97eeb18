//! The crate's one error.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes};

/// What can go wrong between us and L1.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    /// The connection failed.
    #[error("{endpoint}: {reason}")]
    Transport {
        /// Host and port; never the path, which may hold a key.
        endpoint: String,
        /// What the HTTP client said.
        reason: String,
    },
    /// No answer in time.
    #[error("{endpoint}: no answer within {after:?}")]
    Timeout {
        /// Host and port.
        endpoint: String,
        /// The limit.
        after: Duration,
    },
    /// An HTTP status other than success.
    #[error("{endpoint}: http status {status}")]
    Http {
        /// Host and port.
        endpoint: String,
        /// The status.
        status: u16,
    },
    /// An answer longer than we read.
    #[error("{endpoint}: answer is longer than {limit_bytes} bytes")]
    AnswerTooLong {
        /// Host and port.
        endpoint: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// An answer that does not parse.
    #[error("{endpoint}: malformed answer to {method}: {reason}")]
    Malformed {
        /// Host and port.
        endpoint: String,
        /// JSON-RPC method or path.
        method: String,
        /// What the parser said.
        reason: String,
    },
    /// A JSON-RPC error that has no name of its own here.
    #[error("{method}: {message} (code {code})")]
    Rpc {
        /// JSON-RPC method.
        method: String,
        /// Its code.
        code: i64,
        /// Its message, cut short.
        message: String,
        /// Revert data, if there was any.
        data: Option<Bytes>,
    },
    /// An endpoint contradicts itself: a header that hashes to something else, logs the header
    /// does not commit to, a transaction that is not the one asked for.
    #[error("l1 contradicts itself: {0}")]
    Inconsistent(String),
    /// A block L1 does not know (yet, or any more).
    #[error("l1 has no block {0}")]
    NoBlock(String),
    /// A transaction L1 does not know.
    #[error("l1 has no transaction {0}")]
    NoTransaction(B256),
    /// No beacon endpoint had the blob.
    #[error("no endpoint has blob {0}")]
    BlobMissing(B256),
    /// The block to start from is not on L1's chain.
    #[error("l1 block {number} is {found}, not {expected}")]
    StartReplaced {
        /// Its number.
        number: u64,
        /// The hash we were given.
        expected: B256,
        /// The hash L1 has.
        found: B256,
    },
    /// A reorganisation deeper than what we remember.
    #[error("l1 reorganised more than {limit} blocks")]
    ReorgTooDeep {
        /// How many blocks are remembered.
        limit: usize,
    },
    /// The endpoint serves another chain.
    #[error("l1 chain id is {found}, not {expected}")]
    WrongChain {
        /// What was asked for.
        expected: u64,
        /// What it says.
        found: u64,
    },
    /// The nonce was already used.
    #[error("nonce too low: {0}")]
    NonceTooLow(String),
    /// There is a gap before the nonce, or too many transactions wait already.
    #[error("nonce too high: {0}")]
    NonceTooHigh(String),
    /// A replacement must pay more than it does.
    #[error("replacement transaction underpriced: {0}")]
    ReplacementUnderpriced(String),
    /// The fee is below what the pool takes.
    #[error("transaction underpriced: {0}")]
    Underpriced(String),
    /// The account holds a waiting transaction of the other kind (blobs or none).
    #[error("the account's pool slot is held by the other kind of transaction: {0}")]
    KindBlocked(String),
    /// The account cannot pay.
    #[error("insufficient funds: {0}")]
    InsufficientFunds(String),
    /// A call or transaction that reverts.
    #[error("{what} reverts: {reason}")]
    Reverted {
        /// What was called.
        what: String,
        /// Decoded reason, or its selector.
        reason: String,
        /// Revert data.
        data: Bytes,
    },
    /// Bumping the fee would pass the cap.
    #[error("a fee of {wanted} wei passes the cap of {cap} wei")]
    FeeCap {
        /// What the replacement would need.
        wanted: u128,
        /// The configured limit.
        cap: u128,
    },
    /// A transaction was not mined in time.
    #[error("transaction {hash} not mined within {after:?}")]
    NotMined {
        /// The last attempt.
        hash: B256,
        /// How long we waited.
        after: Duration,
    },
    /// A key that cannot be read.
    #[error("key: {0}")]
    Key(String),
    /// Blobs or commitments that cannot be built.
    #[error("kzg: {0}")]
    Kzg(String),
    /// Data that does not decode as the ABI says.
    #[error("abi: {0}")]
    Abi(String),
    /// No creation log for this address.
    #[error("no rollup was created at {0} in the blocks searched")]
    NoRollup(Address),
    /// The log describes another rollup than the one that stands there.
    #[error("the creation log of {factory} does not describe the rollup at {rollup}")]
    NotThisRollup {
        /// The rollup.
        rollup: Address,
        /// Who emitted the log.
        factory: Address,
    },
    /// A setting that makes no sense.
    #[error("{0}")]
    Config(String),
    /// The anvil child process.
    #[error("anvil: {0}")]
    Anvil(String),
}

/// JSON-RPC codes by which providers ask to come back later.
const BUSY_CODES: [i64; 3] = [-32005, -32016, 429];

impl L1Error {
    /// Whether L1 itself is another than the one that was followed. Any other error in reading may be the endpoint's
    /// fault, however final it sounds: asking again, or another endpoint, can mend it.
    pub const fn is_about_the_chain(&self) -> bool {
        matches!(self, Self::StartReplaced { .. } | Self::ReorgTooDeep { .. })
    }

    /// Whether the same request may succeed later or elsewhere, with nothing changed on our side.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Transport { .. }
            | Self::Timeout { .. }
            | Self::Malformed { .. }
            | Self::Inconsistent(_)
            | Self::NoBlock(_)
            | Self::NoTransaction(_)
            | Self::BlobMissing(_)
            | Self::NotMined { .. }
            | Self::KindBlocked(_) => true,
            Self::Http { status, .. } => *status == 429 || *status == 408 || *status >= 500,
            Self::Rpc { code, message, .. } => BUSY_CODES.contains(code) || says_busy(message),
            _ => false,
        }
    }
}

fn says_busy(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["rate limit", "too many requests", "timeout", "timed out", "header not found", "capacity", "try again"]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rpc(code: i64, message: &str) -> L1Error {
        L1Error::Rpc { method: "m".into(), code, message: message.into(), data: None }
    }

    #[test]
    fn only_what_time_can_heal_is_temporary() {
        assert!(rpc(-32005, "limit exceeded").is_temporary());
        assert!(rpc(-32000, "Rate limit reached").is_temporary());
        assert!(!rpc(-32601, "method not found").is_temporary());
        assert!(L1Error::Http { endpoint: "e".into(), status: 503 }.is_temporary());
        assert!(!L1Error::Http { endpoint: "e".into(), status: 401 }.is_temporary());
        assert!(!L1Error::NonceTooLow("1".into()).is_temporary());
        assert!(!L1Error::ReorgTooDeep { limit: 4 }.is_temporary());
    }
}
