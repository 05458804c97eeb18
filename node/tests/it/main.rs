//! The node's HTTP side, over real sockets.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod admin;
mod hostile;
mod http;
mod server;
mod ws;
