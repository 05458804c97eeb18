//! From raw bytes to checked transactions, off the async runtime: decode, static rules, signature recovery on a
//! bounded thread pool in micro-batches, admission. What passes goes to the executor with its answer channel.

mod check;
mod intrinsic;
mod recover;
#[cfg(test)]
mod tests;

pub use check::MAX_TRANSACTION_BYTES;
pub(crate) use check::Rules;
#[cfg(test)]
pub(crate) use check::describe;
pub(crate) use recover::{Checked, Intake, IntakeParts};
