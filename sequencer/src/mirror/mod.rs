//! L1 as the sequencer sees it: followed block by block, batches with their data, everything also recorded.

mod claims;
mod follow;
mod record;

pub(crate) use follow::{Mirror, check_stands, first_block};
#[cfg(feature = "simulation")]
pub(crate) use record::Recorded;
pub(crate) use record::{Recorder, is_recorded};
