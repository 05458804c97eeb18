//! Tokens for demos and tests, and receivers that misbehave.
#![allow(missing_docs)]

use alloy_sol_types::sol;

sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    DemoCollection,
    "artifacts/DemoCollection.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    DemoToken,
    "artifacts/DemoToken.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    DemoItems,
    "artifacts/DemoItems.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    TestERC20,
    "artifacts/TestERC20.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    TestERC721,
    "artifacts/TestERC721.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    TestERC1155,
    "artifacts/TestERC1155.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    RevertingReceiver,
    "artifacts/RevertingReceiver.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    ReturnBomb,
    "artifacts/ReturnBomb.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    GasBurner,
    "artifacts/GasBurner.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    FeeOnTransferERC20,
    "artifacts/FeeOnTransferERC20.json"
);
sol!(
    #[sol(all_derives, extra_derives(serde::Serialize, serde::Deserialize))]
    BadMetadataERC20,
    "artifacts/BadMetadataERC20.json"
);
