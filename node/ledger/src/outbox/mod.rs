//! The L1 outbox: everything this node sends to L1, stored before it is sent (docs/protocol/money.md, "Outbox").
//!
//! A [`Post`] is one intent under one idempotency key. It gets one nonce, with its first signed transaction and in the
//! same SQL transaction ([`Lease::record`]), and keeps it: replacements are further [`Attempt`]s under the same nonce.

mod lease;
#[cfg(feature = "simulation")]
mod memory;
mod outcome;
mod post;
mod store;

pub use lease::{Lease, MAX_ATTEMPTS, MAX_RAW_BYTES};
#[cfg(feature = "simulation")]
pub use memory::{MemoryOutbox, Now};
pub(crate) use outcome::reopen_posts;
pub use outcome::{Inclusion, PostCost};
pub(crate) use post::enqueue_in;
pub use post::{
    Attempt, BLOB_BYTES, Enqueued, MAX_BLOBS, MAX_INPUT_BYTES, NewPost, Post, PostBlob, PostId, PostState, Purpose,
};
pub use store::Outbox;
