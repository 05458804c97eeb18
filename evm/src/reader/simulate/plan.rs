//! Which blocks a simulation has: gaps filled, numbers and times set, header fields inherited.

use super::{MAX_SIMULATED_BLOCKS, SimulationBlock, SimulationError};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256};

/// Seconds between blocks that name no time.
const BLOCK_SECONDS: u64 = 12;

/// A block that will be simulated.
#[derive(Debug)]
pub(super) struct Planned<'a> {
    pub(super) number: u64,
    pub(super) timestamp: u64,
    pub(super) gas_limit: u64,
    pub(super) beneficiary: Address,
    pub(super) prev_randao: B256,
    /// What was asked for; `None` fills a gap.
    pub(super) asked: Option<&'a SimulationBlock>,
}

/// Orders the blocks after `base`.
pub(super) fn plan<'a>(base: &Header, blocks: &'a [SimulationBlock]) -> Result<Vec<Planned<'a>>, SimulationError> {
    let mut plan = Vec::with_capacity(blocks.len());
    let mut number = base.number;
    let mut timestamp = base.timestamp;
    let mut gas_limit = base.gas_limit;
    let mut beneficiary = base.beneficiary;
    for asked in blocks {
        let wanted = asked.header.number.unwrap_or_else(|| number.saturating_add(1));
        if wanted <= number {
            return Err(SimulationError::BlockNumber { number: wanted, previous: number });
        }
        if wanted - base.number > MAX_SIMULATED_BLOCKS {
            return Err(SimulationError::TooManyBlocks(wanted - base.number));
        }
        for gap in number + 1..wanted {
            timestamp = timestamp.saturating_add(BLOCK_SECONDS);
            let prev_randao = B256::ZERO;
            plan.push(Planned { number: gap, timestamp, gas_limit, beneficiary, prev_randao, asked: None });
        }
        timestamp = match asked.header.timestamp {
            None => timestamp.saturating_add(BLOCK_SECONDS),
            Some(wanted) if wanted > timestamp => wanted,
            Some(wanted) => return Err(SimulationError::Timestamp { timestamp: wanted, previous: timestamp }),
        };
        number = wanted;
        gas_limit = asked.header.gas_limit.unwrap_or(gas_limit);
        beneficiary = asked.header.beneficiary.unwrap_or(beneficiary);
        let prev_randao = asked.header.prev_randao.unwrap_or_default();
        plan.push(Planned { number, timestamp, gas_limit, beneficiary, prev_randao, asked: Some(asked) });
    }
    Ok(plan)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::BlockOverrides;

    fn block(number: Option<u64>, timestamp: Option<u64>) -> SimulationBlock {
        let header = BlockOverrides { number, timestamp, ..Default::default() };
        SimulationBlock { header, ..Default::default() }
    }

    fn base() -> Header {
        Header { number: 10, timestamp: 100, gas_limit: 7, ..Default::default() }
    }

    #[test]
    fn gaps_are_filled_and_fields_inherited() {
        let mut first = block(Some(13), None);
        first.header.gas_limit = Some(9);
        first.header.beneficiary = Some(Address::repeat_byte(1));
        first.header.prev_randao = Some(B256::repeat_byte(2));
        let blocks = [first, block(None, Some(200)), block(Some(16), None)];
        let plan = plan(&base(), &blocks).unwrap();
        let places: Vec<_> = plan.iter().map(|p| (p.number, p.timestamp, p.gas_limit)).collect();
        assert_eq!(places, [(11, 112, 7), (12, 124, 7), (13, 136, 9), (14, 200, 9), (15, 212, 9), (16, 224, 9)]);
        assert_eq!(plan[5].beneficiary, Address::repeat_byte(1));
        assert_eq!((plan[2].prev_randao, plan[3].prev_randao), (B256::repeat_byte(2), B256::ZERO));
        assert!(plan[1].asked.is_none() && plan[3].asked.is_some());
    }

    #[test]
    fn order_and_count_are_checked() {
        let number = |blocks: &[SimulationBlock]| plan(&base(), blocks).unwrap_err();
        assert!(matches!(
            number(&[block(Some(12), None), block(Some(12), None)]),
            SimulationError::BlockNumber { number: 12, previous: 12 }
        ));
        assert!(matches!(
            number(&[block(Some(12), Some(112))]),
            SimulationError::Timestamp { timestamp: 112, previous: 112 }
        ));
        assert!(plan(&base(), &[block(Some(266), None)]).is_ok());
        assert!(matches!(number(&[block(Some(267), None)]), SimulationError::TooManyBlocks(257)));
    }
}
