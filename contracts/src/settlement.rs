//! Claims, attestations, disputes, and a committee that resolves them.
#![allow(missing_docs)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    Settlement,
    "artifacts/Settlement.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    CommitteeResolver,
    "artifacts/CommitteeResolver.json"
);
