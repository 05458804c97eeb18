//! What stands on L1 and what stands on every rollup from its first block: typed calls and events, bytecode, and the
//! order in which it is deployed. No I/O.
//!
//! * The bindings come from `contracts/artifacts/`, which `scripts/contracts.sh` writes and a test compares with a
//!   fresh compile; building this crate needs no Solidity compiler.
//! * One module for each contract of L1 ([`factory`], [`inbox`], [`settlement`], [`vault`]), one for the rollup's own
//!   ([`l2`]), one for tokens of demos and tests ([`tokens`]).
//! * [`types`] names the structs once that several contracts share; use them, and convert at the edge.
//! * [`predeploys`] is the code in a rollup's genesis, [`plan`] the way to deploy L1's part.
//!
//! ```
//! use alloy_primitives::{Address, B256};
//! use alloy_sol_types::SolCall;
//! use mayfly_contracts::{inbox::Inbox, plan::Foundation};
//!
//! let foundation = Foundation::new(B256::ZERO);
//! assert_eq!(foundation.factory, foundation.steps.last().map(|step| step.address).unwrap());
//! let input = Inbox::depositETHCall { to: Address::ZERO }.abi_encode();
//! assert_eq!(input.len(), 4 + 32);
//! ```

#[macro_use]
mod bind;

pub mod factory;
pub mod inbox;
pub mod l2;
pub mod plan;
pub mod predeploys;
pub mod settlement;
pub mod tokens;
pub mod types;
pub mod vault;
