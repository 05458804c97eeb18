//! The one thread that owns the chain: it takes transactions in, builds blocks, follows L1 and gives way to it.
//!
//! Nothing else writes. Answers go out when a block is durable; what others need to know is published as one
//! [`ChainView`](crate::view::ChainView).

mod backlog;
mod build;
mod cadence;
mod enter;
mod events;
mod held;
mod lead;
mod mailbox;
mod rebase;
mod rescue;
mod run;
mod show;
mod stands;
#[cfg(test)]
mod tests;
mod window;

pub(crate) use mailbox::Mailbox;
pub use rescue::leave_for_rescue;
pub(crate) use run::{Executor, ExecutorParts, GoOn, L1Message, Message, Note, PostingHealth};
pub(crate) use stands::Stands;
pub use stands::{forget_stands, last_stand};
