//! Custody, and what it pays out through.
#![allow(missing_docs)]

bind!(Vault, "artifacts/Vault.json");
bind!(CallExecutor, "artifacts/CallExecutor.json");
bind!(ISettlementMinter, "artifacts/ISettlementMinter.json");
bind!(SettledERC721, "artifacts/SettledERC721.json");
bind!(SettledERC1155, "artifacts/SettledERC1155.json");
