//! From raw bytes to checked transactions, off the async runtime: decode, static rules, signature recovery by a bounded
//! number of threads, admission. What passes goes to the executor with its answer channel.

mod check;
mod inbox;
mod intrinsic;
mod recover;
#[cfg(test)]
mod tests;

pub use check::MAX_TRANSACTION_BYTES;
pub(crate) use check::Rules;
#[cfg(test)]
pub(crate) use check::describe;
pub(crate) use recover::{Checked, Intake, IntakeParts};
