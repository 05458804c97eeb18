//! The node's HTTP side, over real sockets.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod admin;
mod calls;
mod chain;
mod errors;
mod hostile;
mod http;
mod mayfly;
mod reads;
mod sequenced;
mod server;
mod ws;
