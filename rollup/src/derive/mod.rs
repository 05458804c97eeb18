//! The chain as a function of L1 (`docs/protocol/derivation.md`).
//!
//! One stage a file, pulled in this order by [`Derivation`]: `l1` (contiguous blocks) → `queue` (items and their
//! rolling hash) → `batches` (header chain, data check) → `payload` (decode, recover senders; `ahead` does so before its turn) → `attributes` (block
//! inputs and their rules) → `execute` (blocks on the chain) → `close` (queue blocks, the end). Everything is
//! synchronous; L1 blocks are pushed in and [`Derivation::step`] does one piece of work.
//!
//! What the sequencer builds and what derivation rebuilds comes from the same [`block_attributes`],
//! [`queue_transaction`] and [`execute_queue_item`].

mod ahead;
mod attributes;
mod batches;
mod checkpoint;
mod close;
mod driver;
mod events;
mod execute;
mod l1;
mod pace;
mod payload;
mod position;
mod queue;
mod work;

pub use ahead::{Ahead, Lookahead};
pub use attributes::block_attributes;
pub use batches::{BatchData, PostedBatch, batch_header_hash};
pub use checkpoint::{Checkpoint, L2Ref};
pub use close::{CloseState, queue_block_sizes};
pub use driver::{BatchOutcome, Derivation, Step};
pub use events::InboxEvent;
pub use execute::{execute_queue_item, payload_blocks};
pub use l1::{L1Block, L1Origin, L1Ref};
pub use pace::{BLOCK_COST, GAS_PER_SECOND, Pace, SIGNATURE_COST, WINDOW_SECONDS};
pub use position::Position;
pub use queue::{Queue, QueueItem, QueueKind, queue_transaction, rolling_hash};
