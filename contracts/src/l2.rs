//! Contracts in every rollup's genesis; their addresses are in [`crate::predeploys`].
#![allow(missing_docs)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    L2Bridge,
    "artifacts/L2Bridge.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    L2Messenger,
    "artifacts/L2Messenger.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    L2Registry,
    "artifacts/L2Registry.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    BridgedERC20,
    "artifacts/BridgedERC20.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    BridgedERC721,
    "artifacts/BridgedERC721.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    BridgedERC1155,
    "artifacts/BridgedERC1155.json"
);
