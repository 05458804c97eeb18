//! The crate's one error.

use alloy_primitives::{Address, B256};
use mayfly_evm::EvmError;
use mayfly_l1::L1Error;
use mayfly_rollup::{DeriveError, SettlementError, Severity};

/// Why a rollup could not be verified, or an action on L1 not be taken.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// L1 could not be read or written.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The chain could not be executed or stored.
    #[error(transparent)]
    Evm(#[from] EvmError),
    /// Leaves or proofs could not be built.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// Derivation stopped.
    #[error(transparent)]
    Derivation(#[from] DeriveError),
    /// A worker thread failed.
    #[error("worker: {0}")]
    Worker(String),
    /// The rollup has not closed yet, so there are no leaves.
    #[error("the rollup has not closed")]
    NotClosed,
    /// The closing claim is not final yet.
    #[error("the rollup is not settled")]
    NotSettled,
    /// The leaves at hand do not make the settled root.
    #[error("the leaves make root {found}, settled is {settled}")]
    OtherLeaves {
        /// Root of these leaves.
        found: B256,
        /// Root on L1.
        settled: B256,
    },
    /// No message of this index is under the claim.
    #[error("message {0} is not under that claim")]
    NoMessage(u64),
    /// The closing claim carried no leaf file.
    #[error("claim {0} carries no leaf file")]
    NoLeafFile(B256),
    /// L1 took the creation back, and what it created under the address has other rules or balances.
    #[error("L1 created {0} again with other rules or balances: it is another rollup")]
    AnotherRollup(alloy_primitives::Address),
    /// A role needs an account to send from.
    #[error("no account to send from")]
    NoSender,
    /// A key that is not what its role needs.
    #[error("{address} is no {role} of this rollup")]
    WrongKey {
        /// The key's address.
        address: Address,
        /// What it should be.
        role: &'static str,
    },
    /// The verifier's task ended.
    #[error("the verifier has stopped")]
    Stopped,
}

impl VerifierError {
    /// Whether deriving again from the creation on can help: L1 is not what it was.
    pub fn wants_fresh_start(&self) -> bool {
        match self {
            Self::Derivation(DeriveError::TooFar { .. }) => true,
            Self::L1(error) if error.is_about_the_chain() => true,
            Self::Derivation(error) => error.severity() == Severity::Reset,
            _ => false,
        }
    }

    /// Whether reading L1 again later can help: a verifier that an endpoint could talk into stopping is none.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::L1(error) if !error.is_about_the_chain())
    }
}
