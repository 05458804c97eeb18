//! What goes into a rollup: its queue, its batches, its clock. A rollup's address is its Inbox's.
#![allow(missing_docs)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    Inbox,
    "artifacts/Inbox.json"
);
