//! Creates rollups; one on each L1.
#![allow(missing_docs)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    RollupFactory,
    "artifacts/RollupFactory.json"
);
