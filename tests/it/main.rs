//! Whole-system tests: one file a behaviour, on real parts.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bench;
mod clients;
mod damage;
mod fail_points;
mod kill;
mod nodes;
mod recount;
mod settle;
mod settlement;
mod sim;
mod wallets;
