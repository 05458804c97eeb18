//! What the sequencer answers when it says no, and what can go wrong inside it.

use alloy_primitives::{B256, U256};
use mayfly_evm::TransactionError;

/// Why a transaction was not taken. Each message carries the value that was wrong, in words that wallets know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The nonce was used already.
    #[error("nonce too low: next nonce {state}, tx nonce {tx}")]
    NonceTooLow {
        /// The transaction's nonce.
        tx: u64,
        /// The account's next nonce.
        state: u64,
    },
    /// The nonce leaves a gap that is larger than the pool keeps.
    #[error("nonce too high: next nonce {state}, tx nonce {tx}")]
    NonceTooHigh {
        /// The transaction's nonce.
        tx: u64,
        /// The first nonce that is free for this sender, counting what is pending.
        state: u64,
    },
    /// The very same transaction waits in the pool.
    #[error("already known")]
    AlreadyKnown,
    /// Another transaction with this sender and nonce waits, and this one does not pay enough more to replace it.
    #[error("replacement transaction underpriced: fee {have}, needed {want}")]
    Underpriced {
        /// The fee per gas offered.
        have: u128,
        /// The fee per gas that would replace the waiting transaction.
        want: u128,
    },
    /// The balance does not cover value and fees.
    #[error("insufficient funds for gas * price + value: balance {have}, tx cost {want}")]
    InsufficientFunds {
        /// The sender's balance in wei.
        have: U256,
        /// Value plus gas limit times fee cap, in wei.
        want: U256,
    },
    /// The gas limit is below what the transaction costs before it runs.
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas {
        /// The gas limit.
        have: u64,
        /// The intrinsic cost.
        want: u64,
    },
    /// The gas limit is above what one transaction or one block may have.
    #[error("exceeds block gas limit: tx gas limit {limit}, max {max}")]
    GasLimit {
        /// The transaction's gas limit.
        limit: u64,
        /// The highest allowed.
        max: u64,
    },
    /// No sender can be recovered from the signature.
    #[error("invalid signature: {0}")]
    InvalidSignature(String),
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {tx}, want {chain}")]
    WrongChainId {
        /// The transaction's chain id; 0 where it carries none.
        tx: u64,
        /// The rollup's chain id.
        chain: u64,
    },
    /// A transaction type that the rollup does not take.
    #[error("transaction type not supported: {0:#04x}")]
    UnsupportedType(u8),
    /// Larger than one transaction may be.
    #[error("oversized data: transaction size {size}, limit {max}")]
    Oversized {
        /// The encoded size in bytes.
        size: usize,
        /// The highest allowed.
        max: usize,
    },
    /// The bytes are no transaction.
    #[error("invalid transaction: {0}")]
    Invalid(String),
    /// No room, and nothing in the pool has to yield to this transaction.
    #[error("txpool is full: {0} transactions")]
    PoolFull(usize),
    /// Admission says no: no budget covers the transaction.
    #[error("refused by rule {rule}")]
    Refused {
        /// The rule's name, and its numbers where it has some.
        rule: String,
    },
    /// Blocks are not being built at the moment; the reason names what is missing.
    #[error("sequencer is paused: {reason}")]
    Paused {
        /// What the sequencer waits for.
        reason: String,
    },
    /// The rollup's end is near: new transactions are no longer taken.
    #[error("rollup is draining: no new transactions since {since}")]
    Draining {
        /// Unix time from which transactions are refused.
        since: u64,
    },
    /// The rollup is closed or frozen.
    #[error("rollup is closed")]
    Closed,
    /// The sequencer failed; the log says how.
    #[error("internal error")]
    Internal,
}

impl From<TransactionError> for SubmitError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::UnsupportedType(ty) => Self::UnsupportedType(ty),
            TransactionError::Signature => Self::InvalidSignature("no sender can be recovered".to_owned()),
            TransactionError::Malformed(why) => Self::Invalid(why),
            TransactionError::NotCanonical | TransactionError::Unprotected => Self::Invalid(error.to_string()),
        }
    }
}

/// What ends the sequencer, or one of its tasks.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// A setting that cannot work.
    #[error("invalid sequencer setting: {0}")]
    Config(String),
    /// The chain's store or executor failed.
    #[error("chain: {0}")]
    Chain(String),
    /// Derivation found a bug or a broken disk.
    #[error("derivation: {0}")]
    Derive(String),
    /// L1 did not answer, or answered nonsense.
    #[error("l1: {0}")]
    L1(String),
    /// The ledger did not answer.
    #[error("ledger: {0}")]
    Ledger(String),
    /// The batch codec refused what we built.
    #[error("batch: {0}")]
    Batch(String),
    /// The file that keeps answered transactions over a rebase.
    #[error("rescue file {path}: {reason}")]
    Rescue {
        /// Where it lies.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The machine said no.
    #[error("io: {0}")]
    Io(#[from] std::io::Error),
    /// The executor is gone.
    #[error("the executor has stopped")]
    Stopped,
}

/// Why waiting for a receipt ended without one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaitError {
    /// The time was up.
    #[error("transaction {0} was not included in time")]
    Timeout(B256),
    /// The transaction left the pool without being included.
    #[error(transparent)]
    Dropped(#[from] SubmitError),
    /// Too many calls wait.
    #[error("too many waiting calls: limit {0}")]
    TooManyWaiters(usize),
}
