//! Custody, and what it pays out through.
#![allow(missing_docs)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    Vault,
    "artifacts/Vault.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    CallExecutor,
    "artifacts/CallExecutor.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    ISettlementMinter,
    "artifacts/ISettlementMinter.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    SettledERC721,
    "artifacts/SettledERC721.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    SettledERC1155,
    "artifacts/SettledERC1155.json"
);
