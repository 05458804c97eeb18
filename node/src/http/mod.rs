//! The node's HTTP side: a public listener for JSON-RPC over HTTP and
//! WebSocket, and an admin listener for metrics and status.
//!
//! Nothing here knows what a method does; bodies go to [`crate::rpc::Service`].
//! Everything a client can make grow has a limit in [`HttpConfig`].

mod admin;
mod config;
mod cors;
mod listener;
mod readiness;
mod server;
mod ws;

pub use admin::{Admin, AdminToken, serve_admin};
pub use config::HttpConfig;
pub use readiness::Readiness;
pub use server::{Public, serve_public};
