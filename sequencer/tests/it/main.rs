//! The sequencer against a real L1 and a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::panic)]

mod answers;
mod backlog;
mod batches;
mod crash;
mod end;
mod env;
mod faults;
mod held;
mod lost;
mod poison;
mod posting;
mod proxy;
mod queue;
mod rebase;
mod reorg;
mod seals;
