//! Tokens for demos and tests, and receivers that misbehave.
#![allow(missing_docs)]

bind!(DemoCollection, "artifacts/DemoCollection.json");
bind!(DemoToken, "artifacts/DemoToken.json");
bind!(DemoItems, "artifacts/DemoItems.json");
bind!(TestERC20, "artifacts/TestERC20.json");
bind!(TestERC721, "artifacts/TestERC721.json");
bind!(TestERC1155, "artifacts/TestERC1155.json");
bind!(RevertingReceiver, "artifacts/RevertingReceiver.json");
bind!(ReturnBomb, "artifacts/ReturnBomb.json");
bind!(GasBurner, "artifacts/GasBurner.json");
bind!(FeeOnTransferERC20, "artifacts/FeeOnTransferERC20.json");
bind!(BadMetadataERC20, "artifacts/BadMetadataERC20.json");
