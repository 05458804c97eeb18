//! L1 as the sequencer sees it: followed block by block, batches with their data, everything also recorded.

mod follow;
mod record;

pub(crate) use follow::{Mirror, start_of};
pub(crate) use record::Recorder;
