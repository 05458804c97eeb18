//! The one door through which a transaction is paid for.
//!
//! Today there is one payer: the rollup's free budget of gas and bytes per second. Fresh keys cost nothing, so the
//! budget is one for all, and senders and address prefixes only divide it: while it is plentiful anybody may take
//! it, when it runs short nobody gets more than a fair share. Sponsors will stand at this same door.

mod door;
mod shares;

pub use door::{Admission, AdmissionConfig, Grant, Refusal, Submission};
