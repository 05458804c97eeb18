//! What can go wrong, by part. Messages name the value that was wrong.

use alloy_primitives::U256;

/// Why bytes are not a batch payload, or blocks cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The first byte names a format that this version does not know.
    #[error("unknown payload format {0}")]
    Format(u8),
    /// Something ends too early.
    #[error("{what} is cut off: {need} bytes needed, {have} left")]
    Truncated {
        /// Where.
        what: &'static str,
        /// Bytes or rows needed.
        need: usize,
        /// Bytes or rows there.
        have: usize,
    },
    /// Something follows where nothing may.
    #[error("{count} bytes after the end of {what}")]
    Trailing {
        /// After what.
        what: &'static str,
        /// How many bytes.
        count: usize,
    },
    /// A size cap is passed.
    #[error("{what} of {size} bytes, at most {max}")]
    TooLarge {
        /// Which cap.
        what: &'static str,
        /// The size.
        size: usize,
        /// The cap.
        max: usize,
    },
    /// A count cap is passed.
    #[error("{count} {what}, at most {max}")]
    TooMany {
        /// Which cap.
        what: &'static str,
        /// The count.
        count: u128,
        /// The cap.
        max: usize,
    },
    /// A number is outside its type or table.
    #[error("{what} {value} is out of range")]
    OutOfRange {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: u128,
    },
    /// There is another, preferred way to say the same, or nothing to say.
    #[error("{what}: {why}")]
    NotCanonical {
        /// Where.
        what: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The zstd frame is not the plain one that is asked for.
    #[error("frame: {0}")]
    Frame(String),
    /// A transaction type that batches do not carry.
    #[error("transaction type {0} is not carried in batches")]
    UnsupportedType(u8),
    /// A transaction or one of its lists does not decode.
    #[error("transaction does not decode: {0}")]
    Transaction(String),
    /// A signature that no chain accepts.
    #[error("signature out of range: r {r}, s {s}")]
    Signature {
        /// The `r` value.
        r: U256,
        /// The `s` value.
        s: U256,
    },
}
