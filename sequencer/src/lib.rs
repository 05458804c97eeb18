//! The sequencer of one rollup: it takes transactions, builds blocks, answers when they are durable, and posts them
//! to L1.
//!
//! ```text
//! submit → intake (decode, recover, admit; own threads) → executor (pool, blocks; one thread owns the chain)
//!                                                           ↓ durable: answers      ↑ L1 blocks
//!                                                         unposted blocks → poster → L1 → mirror → recorder (ledger)
//! ```
//!
//! Invariants:
//! * an answer is given for durable blocks only, and an answered transaction is either on the chain, in the rescue
//!   file, or reported as lost;
//! * L1 decides: a batch of somebody else, a reorganisation or the end take blocks back, and what was answered is put
//!   on top again in its order;
//! * what goes to L1 is in the ledger's outbox, signed, before it is sent; one batch is under way at a time;
//! * every queue has a limit, and who meets it is told why.
//!
//! Parts: [`admission`] (who is paid for), `intake`, `pool`, `executor` (blocks, rebase, rescue), `mirror` (L1 in),
//! `poster` (L1 out), `receipts` (signed), `handle` (what others hold).
//!
//! ```no_run
//! # async fn example(config: mayfly_sequencer::SequencerConfig, raw: alloy_primitives::Bytes)
//! #     -> Result<(), Box<dyn std::error::Error>> {
//! use mayfly_sequencer::{Origin, Sequencer};
//! let sequencer = Sequencer::spawn(config).await?;
//! let hash = sequencer.submit_one(raw, Origin::Local).await?;
//! let included = sequencer.wait_receipt(hash, std::time::Duration::from_secs(2)).await?;
//! println!("in block {}", included.block.header.number);
//! sequencer.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod admission;
mod answers;
mod clock;
mod condition;
mod config;
mod error;
mod executor;
mod handle;
mod intake;
mod metrics;
mod mirror;
mod origin;
mod packing;
mod pool;
mod poster;
mod posting_pace;
mod receipts;
mod sequencer;
mod shared;
#[cfg(feature = "simulation")]
pub mod stepped;
mod tasks;
mod terms;
mod unposted;
mod view;
mod waiters;

pub use answers::LostAnswers;
pub use condition::{Condition, Mode};
pub use config::SequencerSettings;
pub use error::{SequencerError, SubmitError, WaitError};
pub use executor::{forget_stands, last_stand, leave_for_rescue};
pub use handle::{SequencerHandle, Status};
pub use intake::MAX_TRANSACTION_BYTES;
pub use origin::Origin;
pub use pool::PoolLimits;
pub use poster::PosterStatus;
pub use sequencer::{Sequencer, SequencerConfig, SequencerKeys};
pub use shared::Arrival;
pub use view::{Head, LostTransaction, PauseReason, Stage};
pub use waiters::Included;
