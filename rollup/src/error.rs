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

/// Why a rollup's configuration cannot stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file does not parse.
    #[error("config: {0}")]
    Toml(String),
    /// Not a length of time.
    #[error("`{0}` is not a length of time; write it like 90s, 1h30m or 20ms")]
    Span(String),
    /// Not a sum of money.
    #[error("`{0}` is not a sum; write it like 0.1 ether, 5 gwei or 7 wei")]
    Wei(String),
    /// Both ways to say when it ends are used.
    #[error("give either end_time or ends_in, not both")]
    TwoEnds,
    /// A value breaks a rule.
    #[error("{name} is {value}, must be {rule}")]
    Value {
        /// Its name in the file.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        rule: String,
    },
    /// The rollup could outlive its data on L1.
    #[error(
        "the rollup could take {lifetime} s until everything is claimed, the limit is {limit} s: shorten ends_in or the windows"
    )]
    Lifetime {
        /// Sum of the lifetime formula.
        lifetime: u128,
        /// The limit.
        limit: u64,
    },
}

/// Why a rollup's description cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// The JSON is of another shape.
    #[error("rollup description: {0}")]
    Json(String),
}

/// Why leaves, a leaf file or a proof are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// The file does not start as leaf files do.
    #[error("not a leaf file of this version")]
    Magic,
    /// The file's length does not fit its count.
    #[error("leaf file of {size} bytes for {count} leaves")]
    Length {
        /// Bytes there.
        size: usize,
        /// Leaves declared.
        count: u64,
    },
    /// More leaves than the tree takes.
    #[error("{0} leaves, at most {max}", max = crate::settlement::MAX_LEAVES)]
    TooMany(usize),
    /// A row is not sorted, or holds nothing.
    #[error("leaf {index}: {why}")]
    Row {
        /// Its position.
        index: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// There is no such leaf.
    #[error("no leaf {index} among {count}")]
    NoLeaf {
        /// The position asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The compressed file does not decompress within its bounds.
    #[error("leaf file does not decompress: {0}")]
    Compression(String),
    /// Balances do not add up.
    #[error("amounts of one leaf sum past 2^256")]
    Overflow,
    /// The state could not be read.
    #[error("state: {0}")]
    State(String),
}
