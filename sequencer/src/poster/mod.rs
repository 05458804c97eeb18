//! Blocks to L1.
//!
//! [`batch`](self) turns unposted blocks into one post; the ledger's outbox keeps it; [`decide`] says, from what L1
//! and the ledger know, what the next step of a post is; the driver takes that step and nothing else. One batch is
//! under way at a time, since a header names the hash of the one before, which L1 fills in.
//!
//! Whatever the step, it can be repeated: a post has one key and one nonce for ever, its signed bytes are stored
//! before they are sent, and the receipts of every attempt are looked at before anything else.

mod batch;
mod call;
mod decide;
mod drive;
mod due;
mod forced;
mod gap;
mod refused;
mod run;
mod runway;
mod trouble;
mod wanted;

pub use run::PosterStatus;
pub(crate) use run::{Poster, PosterParts};
