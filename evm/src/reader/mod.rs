//! Reading a chain: what RPC needs.
//!
//! A [`ChainReader`] sees durable blocks only. Reads never hold the writer up: a lock is held for one look-up, and a
//! [`StateView`] that lasts longer stays at its block through the undo records of the blocks after it. Only the state root
//! of a simulated block takes the chain's tries for a moment.

mod blocks;
mod bounded;
mod call;
mod intrinsic;
mod logs;
mod message;
mod parity;
mod proof;
mod replay;
mod simulate;
mod trace;
mod view;

pub use blocks::ChainReader;
pub use call::{MAX_CALL_GAS, MAX_OVERRIDES};
pub use logs::{LogEntry, LogFilter, MAX_LOG_RANGE_BLOCKS};
pub use message::{
    AccessListResult, AccountOverride, BlockContext, BlockOverrides, CallMessage, CallResult, CallStatus, revert_reason,
};
pub use proof::{AccountProof, MAX_PROOF_SLOTS};
pub use simulate::{
    MAX_SIMULATED_BLOCKS, MAX_SIMULATED_CALLS, MAX_SIMULATED_CALLS_OF_BLOCK, SimulatedBlock, SimulatedCall,
    SimulatedTx, Simulation, SimulationBlock, SimulationCall, SimulationError,
};
pub use view::StateView;
