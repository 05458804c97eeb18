//! mayfly-verifier on a real anvil with the real contracts.
#![allow(clippy::unwrap_used, clippy::panic)]

mod claims;
mod disputes;
mod end;
mod faults;
mod follow;
mod payouts;
mod reorgs;
mod world;
