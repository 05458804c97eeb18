//! The embedded store behind the log: checkpoints of the state and indexes into the log.
//!
//! A checkpoint is one atomic batch: what changed since the last one, and the position in the log up to which it holds.
//! Opening a chain loads the newest checkpoint and replays the log from there, so that nothing in the store has to be
//! durable on its own.

mod ahead;
mod budget;
mod checkpointer;
mod db;
mod history;
mod places;
mod unsaved;

pub(crate) use budget::{ROWS_A_BLOCK, ReadBudget};
pub(crate) use checkpointer::Checkpointer;
pub(crate) use db::{Loaded, Store};
pub(crate) use history::History;
pub(crate) use places::{Place, SECTION_BLOCKS, Tag, Tags};
pub(crate) use unsaved::Unsaved;
