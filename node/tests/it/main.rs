//! The node over real sockets, and the binary as a user meets it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod admin;
mod calls;
mod chain;
mod cli;
mod database;
mod debug;
mod dev;
mod errors;
mod foreign;
mod hostile;
mod http;
mod imported;
mod local;
mod mayfly;
mod node;
mod openrpc;
mod reads;
mod recreate;
mod sequenced;
mod server;
mod stand;
mod traces;
mod ws;
