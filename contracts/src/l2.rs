//! Contracts in every rollup's genesis; their addresses are in [`crate::predeploys`].
#![allow(missing_docs)]

bind!(L2Bridge, "artifacts/L2Bridge.json");
bind!(L2Messenger, "artifacts/L2Messenger.json");
bind!(L2Registry, "artifacts/L2Registry.json");
bind!(BridgedERC20, "artifacts/BridgedERC20.json");
bind!(BridgedERC721, "artifacts/BridgedERC721.json");
bind!(BridgedERC1155, "artifacts/BridgedERC1155.json");
