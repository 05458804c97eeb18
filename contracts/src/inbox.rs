//! What goes into a rollup: its queue, its batches, its clock. A rollup's address is its Inbox's.
#![allow(missing_docs)]

bind!(Inbox, "artifacts/Inbox.json");
