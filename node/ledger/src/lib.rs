//! The node's ledger: the only SQL of the workspace, on PostgreSQL.
//!
//! Invariants, each refused by the database itself:
//! * a post has one nonce for ever, and a sender's nonce one post; nonce and signed transaction are stored together,
//!   before anything is broadcast ([`Lease`]);
//! * what L1 caused is tied to the L1 block's hash and goes, or is compensated, when that block goes ([`Ledger::reorg`]);
//! * every transfer sums to zero for every asset, nothing booked changes, a payer's balance is never negative;
//! * every write has an idempotency key: repeating it changes nothing, other content under it is refused.
//!
//! Parts: `connection` (schema), `l1`, `rollups`, `outbox`, `batches`, `answers`, `claims`, `submissions`, `money`,
//! `epoch`, and `server`, which runs a private PostgreSQL for a node that was given none.
//!
//! ```no_run
//! # async fn run() -> Result<(), mayfly_ledger::LedgerError> {
//! use mayfly_ledger::{Ledger, Server, ServerOptions};
//! let server = Server::start(std::path::Path::new("/var/lib/mayfly/postgres"), &ServerOptions::default()).await?;
//! let ledger = Ledger::connect(&server.create_database("mayfly").await?).await?;
//! assert!(ledger.rollups().await?.is_empty());
//! ledger.close().await;
//! server.stop().await?;
//! # Ok(())
//! # }
//! ```

mod answers;
mod batches;
mod claims;
mod connection;
mod convert;
mod epoch;
mod error;
mod l1;
mod money;
mod outbox;
mod rollups;
mod server;
mod submissions;

pub use answers::{Answered, LostAnswers};
pub use batches::{Batch, BatchContent, BatchFields, BatchInclusion, BatchState, MAX_BATCHES};
pub use claims::{Claim, ClaimEvent, ClaimSeen, ClaimState, MAX_CLAIMS};
pub use connection::Ledger;
pub use epoch::{Epoch, MAX_USAGE_ROWS};
pub use error::LedgerError;
pub use l1::{L1Block, L1Log, MAX_L1_BLOCKS, Reorged};
pub use money::{
    AccountKey, AccountKind, MAX_ENTRIES, MAX_EXPIRED, NewTransfer, Reservation, ReservationState, TransferId,
    Transferred,
};
pub use outbox::{
    Attempt, BLOB_BYTES, Enqueued, Inclusion, Lease, MAX_ATTEMPTS, MAX_BLOBS, MAX_INPUT_BYTES, MAX_RAW_BYTES, NewPost,
    Outbox, Post, PostBlob, PostCost, PostId, PostState, Purpose,
};
#[cfg(feature = "simulation")]
pub use outbox::{MemoryOutbox, Now};
pub use rollups::{Cause, Role, Rollup, Stage, Step};
pub use server::{Server, ServerError, ServerOptions};
pub use submissions::{MAX_SUBMISSIONS, Submission, SubmissionTotals};
