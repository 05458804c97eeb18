//! From what L1 says about a rollup to what derivation needs.

use alloy_primitives::Address;
use mayfly_l1::{Creation, L1Client, RollupContracts};
use mayfly_rollup::RollupInfo;

use crate::VerifierError;

/// How far back a rollup's creation is looked for: more than the longest lifetime.
pub const CREATION_LOOKBACK_BLOCKS: u64 = 150_000;

/// Finds a rollup by its address. Name the factory unless the address itself is trusted.
pub async fn locate(l1: &L1Client, rollup: Address, factory: Option<Address>) -> Result<RollupInfo, VerifierError> {
    Ok(rollup_info(&l1.find_creation(rollup, factory, CREATION_LOOKBACK_BLOCKS).await?))
}

/// Everything derivation needs, from the creation log.
pub fn rollup_info(creation: &Creation) -> RollupInfo {
    RollupInfo {
        rollup: creation.rollup,
        settlement: creation.settlement,
        vault: creation.vault,
        chain_id: creation.chain_id,
        l1_chain_id: creation.l1_chain_id,
        config: creation.config.clone(),
        genesis: creation.genesis.clone(),
        l1_number: creation.header.number,
        l1_hash: creation.header.hash(),
        l1_time: creation.header.timestamp,
    }
}

/// The rollup's contracts on L1.
pub fn contracts(info: &RollupInfo) -> RollupContracts {
    RollupContracts { inbox: info.rollup, settlement: info.settlement, vault: info.vault }
}
