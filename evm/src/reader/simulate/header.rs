//! Headers of simulated blocks.

use super::{block::Rules, plan::Planned};
use alloy_consensus::{Header, constants::EMPTY_OMMER_ROOT_HASH};
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B64, B256, U256};
use revm::primitives::hardfork::SpecId;

/// A block's header before its calls.
pub(super) fn header(
    rules: Rules<'_>,
    fork: SpecId,
    (parent, parent_hash): (&Header, B256),
    planned: &Planned<'_>,
) -> Header {
    let from = |spec: SpecId| fork.is_enabled_in(spec);
    let asked = planned.asked;
    let own_fee = || {
        let next = rules.spec.next_base_fee(parent, fork);
        if rules.simulation.validation { next } else { next.map(|_| 0) }
    };
    let base_fee = asked.and_then(|asked| asked.header.base_fee).filter(|_| from(SpecId::LONDON)).or_else(own_fee);
    let beacon_root = asked.and_then(|asked| asked.beacon_root).unwrap_or_default();
    Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: planned.beneficiary,
        difficulty: if from(SpecId::MERGE) { U256::ZERO } else { parent.difficulty },
        number: planned.number,
        gas_limit: planned.gas_limit,
        timestamp: planned.timestamp,
        mix_hash: planned.prev_randao,
        nonce: B64::ZERO,
        base_fee_per_gas: base_fee,
        withdrawals_root: from(SpecId::SHANGHAI).then_some(B256::ZERO),
        excess_blob_gas: from(SpecId::CANCUN).then(|| rules.spec.next_excess_blob_gas(parent, planned.timestamp)),
        parent_beacon_block_root: from(SpecId::CANCUN).then_some(beacon_root),
        requests_hash: from(SpecId::PRAGUE).then_some(EMPTY_REQUESTS_HASH),
        ..Header::default()
    }
}
