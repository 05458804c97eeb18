//! What can go wrong, by part. Messages name the value that was wrong.

use alloy_primitives::{B256, U256};
use mayfly_evm::EvmError;

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
    /// No node of the tree has exactly these leaves.
    #[error("leaves {first} to {first} + {count} of {all} are no node of the tree")]
    NoRange {
        /// The first of them.
        first: usize,
        /// How many.
        count: usize,
        /// How many leaves there are.
        all: usize,
    },
    /// The file could not be read to its end.
    #[error("leaf file: {0}")]
    Read(String),
    /// The compressed file does not decompress within its bounds.
    #[error("leaf file does not decompress: {0}")]
    Compression(String),
    /// The state could not be read.
    #[error("state: {0}")]
    State(String),
}

/// What a derivation driver does about an error; it looks at nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Step, or wait for L1, and try again.
    Temporary,
    /// L1 is not what it was, or was read wrongly: reset to an L1 block that still stands and push again from there.
    Reset,
    /// A bug or a broken disk: stop.
    Critical,
}

/// Why derivation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// Too many L1 blocks were pushed without a step.
    #[error("{0} L1 blocks wait already")]
    Full(usize),
    /// An L1 block is missing.
    #[error("L1 block {number} was pushed, {expected} is next")]
    Gap {
        /// Number of the next block.
        expected: u64,
        /// Number of the one pushed.
        number: u64,
    },
    /// L1 reorganised.
    #[error("L1 block {number} is no longer {hash}")]
    Reorganised {
        /// Number of the block that changed.
        number: u64,
        /// Its hash before.
        hash: B256,
    },
    /// The data given for a batch is not what its header commits to.
    #[error("data of batch {seq} does not fit its header")]
    Data {
        /// The batch.
        seq: u64,
    },
    /// The state asked for is no longer kept; start anew.
    #[error("cannot go back to L1 block {number}, the oldest state kept is that of {oldest}")]
    TooFar {
        /// The block asked for.
        number: u64,
        /// The oldest that is kept.
        oldest: u64,
    },
    /// What L1 says contradicts itself: an endpoint made it up.
    #[error("l1 contradicts itself: {0}")]
    Inconsistent(String),
    /// Derivation contradicts itself or the chain: a bug.
    #[error("derivation is broken: {0}")]
    Broken(String),
    /// The executor failed.
    #[error(transparent)]
    Evm(#[from] EvmError),
}

impl DeriveError {
    /// What to do about it.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Full(_) => Severity::Temporary,
            Self::Gap { .. } | Self::Reorganised { .. } | Self::Data { .. } | Self::Inconsistent(_) => Severity::Reset,
            Self::TooFar { .. } | Self::Broken(_) | Self::Evm(_) => Severity::Critical,
        }
    }
}
