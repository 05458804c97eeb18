//! Why a simulation was not carried out.

use crate::{EvmError, Refusal, state::StateError};
use alloy_primitives::Address;

/// Why a simulation was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum SimulationError {
    /// More blocks than a simulation may have, those that fill gaps included.
    #[error("too many blocks: {0}")]
    TooManyBlocks(u64),
    /// More calls than a block, or the simulation, may have.
    #[error("too many calls: {0}")]
    TooManyCalls(usize),
    /// More accounts and slots changed than a state root may be computed for.
    #[error("too many changes: {values} accounts and slots, at most {max}")]
    TooManyChanges {
        /// What changed.
        values: usize,
        /// The most.
        max: usize,
    },
    /// Block numbers must rise.
    #[error("block numbers must be in order: {number} <= {previous}")]
    BlockNumber {
        /// The block's.
        number: u64,
        /// Its predecessor's.
        previous: u64,
    },
    /// Timestamps must rise.
    #[error("block timestamps must be in order: {timestamp} <= {previous}")]
    Timestamp {
        /// The block's.
        timestamp: u64,
        /// Its predecessor's.
        previous: u64,
    },
    /// Only a precompiled contract can be moved.
    #[error("account {0} is not a precompile")]
    NotPrecompile(Address),
    /// A precompiled contract cannot go where the same block changes the state.
    #[error("account {0} is already overridden")]
    Overridden(Address),
    /// A call whose fields contradict each other or the chain.
    #[error("{0}")]
    Call(String),
    /// A call that no block could hold.
    #[error(transparent)]
    Refused(Refusal),
    /// The simulation itself failed.
    #[error(transparent)]
    Evm(EvmError),
}

impl From<EvmError> for SimulationError {
    /// What a changed contract causes is its caller's doing.
    fn from(err: EvmError) -> Self {
        match err {
            EvmError::SystemCall(why) => Self::Call(why),
            err => Self::Evm(err),
        }
    }
}

impl From<StateError> for SimulationError {
    fn from(err: StateError) -> Self {
        Self::Evm(err.into())
    }
}

impl From<Refusal> for SimulationError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fatal(err) => Self::Evm(err),
            refusal => Self::Refused(refusal),
        }
    }
}
