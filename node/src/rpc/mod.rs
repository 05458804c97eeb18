//! JSON-RPC: what wallets, tools and dapps talk to.
//!
//! A body is read without copying ([`request`]), each call is looked up in one
//! table ([`methods`]) and handed to a function of its noun (`blocks`,
//! `accounts`, …) that parses parameters strictly ([`params`]), asks the
//! rollup ([`backend`]) and answers with ready JSON. Every error a client can
//! see is made in [`errors`].
//!
//! The transport is not here: `crate::http` feeds bodies in and carries
//! answers out, over HTTP and WebSocket.

pub mod backend;
pub mod directory;
pub mod dispatch;
pub mod errors;
pub mod limits;
pub mod methods;
pub mod params;
pub mod request;

mod accounts;
mod blocks;
mod call;
mod config;
mod debug;
mod fees;
mod fill;
mod filter;
mod filters;
mod heads;
mod heavy;
mod logs;
mod mayfly;
mod messages;
mod name;
mod net;
mod openrpc;
mod proof;
mod settled;
mod shapes;
mod simulate;
mod submit;
mod subscribe;
mod testing;
mod trace;
mod transactions;
mod txpool;

pub use backend::{Marks, Rollup, Stage};
pub use directory::{Directory, MAX_ROLLUPS};
pub use dispatch::{Caller, Service};
pub use errors::RpcError;
pub use heads::{HeadEvent, Heads};
pub use limits::{RateLimiter, RpcLimits};
pub use name::RollupName;
pub use settled::Settled;
pub use subscribe::{Lagged, Subscriptions};
