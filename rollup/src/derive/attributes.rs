//! Stage 5: the inputs of a block, and the rules that a payload's block table must keep.

use super::l1::L1Origin;
use super::position::Position;
use super::queue::QueueItem;
use crate::info::RollupInfo;
use alloy_consensus::Header;
use mayfly_evm::BlockAttributes;

/// The inputs of the block after `parent`. A timestamp below the parent's is raised to it.
pub fn block_attributes(
    info: &RollupInfo,
    parent: &Header,
    origin: &L1Origin,
    timestamp: u64,
    queue_end: u64,
) -> BlockAttributes {
    BlockAttributes {
        timestamp: timestamp.max(parent.timestamp),
        prev_randao: origin.prev_randao,
        parent_beacon_block_root: origin.parent_beacon_root,
        extra_data: Position { origin: origin.number, queue_end }.encode(),
        gas_limit: info.config.blockGasLimit,
        beneficiary: info.config.organiser,
        consensus: Default::default(),
    }
}

/// What bounds the blocks of one batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The batch's origin.
    pub(super) origin: u64,
    /// L1 time of the batch's inclusion.
    pub(super) included_time: u64,
    /// The config's `maxDrift`.
    pub(super) max_drift: u64,
    /// The config's `blockGasLimit`, or what the window leaves if that is less.
    pub(super) gas_limit: u64,
}

impl Bounds {
    /// Checks origin and time of a block against its parent; `origin` is the L1 block it names, if that is known.
    pub(super) fn check(
        &self,
        parent: &Header,
        parent_origin: u64,
        number: u64,
        origin: Option<&L1Origin>,
        timestamp: u64,
    ) -> Result<L1Origin, String> {
        if number < parent_origin || number > self.origin {
            return Err(format!("origin {number} is not between {parent_origin} and {}", self.origin));
        }
        let origin = origin.ok_or_else(|| format!("origin {number} is not known"))?;
        let least = parent.timestamp.max(origin.timestamp);
        let most = origin.timestamp.saturating_add(self.max_drift).min(self.included_time);
        if timestamp < least || timestamp > most {
            return Err(format!("timestamp {timestamp} is not between {least} and {most}"));
        }
        Ok(*origin)
    }

    /// Checks the queue items of a block against its origin and the gas limit.
    pub(super) fn check_items(&self, items: &[QueueItem], origin: u64) -> Result<(), String> {
        if let Some(early) = items.iter().find(|item| item.l1_number > origin) {
            return Err(format!("queue item {} is of L1 block {}, past origin {origin}", early.index, early.l1_number));
        }
        let gas = items.iter().fold(0_u64, |sum, item| sum.saturating_add(item.gas_limit));
        if gas > self.gas_limit {
            return Err(format!("queue items may use {gas} gas, the block has {}", self.gas_limit));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use alloy_primitives::{Address, B256, Bytes};

    const BOUNDS: Bounds = Bounds { origin: 20, included_time: 1_000, max_drift: 50, gas_limit: 100 };

    fn origin(number: u64, timestamp: u64) -> L1Origin {
        let zero = B256::ZERO;
        L1Origin { number, hash: zero, timestamp, prev_randao: zero, parent_beacon_root: zero }
    }

    fn check(number: u64, origin_time: u64, timestamp: u64) -> bool {
        let parent = Header { timestamp: 900, ..Header::default() };
        BOUNDS.check(&parent, 10, number, Some(&origin(number, origin_time)), timestamp).is_ok()
    }

    #[test]
    fn origins_lie_between_the_parents_and_the_batchs() {
        assert!(check(10, 900, 900) && check(20, 900, 900));
        assert!(!check(9, 900, 900) && !check(21, 900, 900));
        assert!(BOUNDS.check(&Header::default(), 10, 15, None, 900).is_err());
    }

    #[test]
    fn times_lie_between_parent_origin_drift_and_inclusion() {
        assert!(check(15, 900, 900) && check(15, 900, 950));
        assert!(!check(15, 890, 899), "before the parent");
        assert!(!check(15, 910, 909), "before the origin");
        assert!(!check(15, 900, 951), "past the drift");
        assert!(check(15, 990, 1_000) && !check(15, 990, 1_001), "past the inclusion");
    }

    #[test]
    fn queue_items_are_of_the_origin_or_before_and_fit_the_block() {
        let item = |l1_number, gas_limit| QueueItem {
            index: 0,
            kind: 0,
            sender: Address::ZERO,
            gas_limit,
            payload: Bytes::new(),
            l1_number,
            l1_time: 0,
        };
        assert!(BOUNDS.check_items(&[item(15, 50), item(15, 50)], 15).is_ok());
        assert!(BOUNDS.check_items(&[item(16, 50)], 15).is_err());
        assert!(BOUNDS.check_items(&[item(15, 50), item(15, 51)], 15).is_err());
    }

    #[test]
    fn a_header_says_where_derivation_stands() {
        let info = RollupInfo::default();
        let attributes = block_attributes(&info, &Header { timestamp: 5, ..Header::default() }, &origin(7, 3), 4, 9);
        assert_eq!(Position::decode(&attributes.extra_data), Some(Position { origin: 7, queue_end: 9 }));
        assert_eq!(attributes.timestamp, 5);
    }
}
