//! Behaviour of the crate as others see it.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
mod concurrency;
mod damage;
mod deposits;
mod durability;
mod execution;
mod folds;
mod forks;
mod history;
mod importing;
mod kills;
mod logs;
mod poison;
#[path = "../poison/mod.rs"]
mod poisons;
mod prices;
mod purity;
mod reading;
mod refusals;
mod reverting;
mod tracing;
mod transactions;
