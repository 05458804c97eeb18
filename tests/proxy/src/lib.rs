//! A proxy between a node and its L1, execution and beacon API alike, that fails and lies on command.
//!
//! [`Proxy`] listens and forwards; a [`Fault`] says what happens to a request, and [`Proxy::script`] draws one for each
//! request from a seed. Faults that change an answer leave everything else as the endpoint behind it said.
//!
//! ```no_run
//! # async fn example() {
//! use mayfly_proxy::{Fault, Proxy};
//! let proxy = Proxy::start("http://127.0.0.1:8545").await;
//! proxy.set(Fault::Status(503));
//! proxy.script(7, vec![(20, Fault::Hangup), (10, Fault::Lag(3))]);
//! # }
//! ```
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod answer;
mod fault;
mod forge;
mod proxy;
mod wire;

pub use fault::{Fault, HeadLie};
pub use forge::{give_receipts, make_up_time, repeat_logs};
pub use proxy::Proxy;
