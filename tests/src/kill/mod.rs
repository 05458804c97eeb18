//! Kill cycles: a node under load is killed, at random and at every crash point in turn, and started again; after each
//! cycle everything that was answered must be there once, posted once, and equal to what L1 alone gives.
//!
//! [`Torture`] runs cycles; [`World`] is what outlives the node (PostgreSQL, L1, a verifier that needs neither), a
//! [`NodeProcess`] what is killed, [`Wallets`] who use it and remember each answer, `audit` what is asked afterwards.

mod audit;
mod cycle;
mod l1;
mod node;
mod plan;
mod report;
mod rpc;
mod side;
mod torture;
mod wallets;
mod world;

pub use node::{Death, NodeProcess};
pub use plan::{Plan, Schedule};
pub use report::{Report, Violation};
pub use torture::Torture;
pub use wallets::{Answered, Wallets};
pub use world::{Batches, World};
