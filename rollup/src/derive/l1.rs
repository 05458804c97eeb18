//! Stage 1: contiguous L1 blocks, and the origins that rollup blocks may still refer to.

use super::events::InboxEvent;
use crate::error::DeriveError;
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// L1 blocks pushed and not yet derived; who pushes more steps first.
const MAX_PENDING: usize = 4_096;

/// A block's place on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1Ref {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its timestamp.
    pub timestamp: u64,
}

/// What rollup blocks take from an L1 block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1Origin {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its timestamp.
    pub timestamp: u64,
    /// Its `mixHash`.
    pub prev_randao: B256,
    /// Its parent beacon block root; 0 where L1 has none.
    pub parent_beacon_root: B256,
}

/// An L1 block with the Inbox's logs, in log order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// Its timestamp.
    pub timestamp: u64,
    /// Its `mixHash`.
    pub prev_randao: B256,
    /// Its parent beacon block root, where L1 has one.
    pub parent_beacon_root: Option<B256>,
    /// What the Inbox logged in it.
    pub events: Vec<InboxEvent>,
}

impl L1Block {
    /// The part that rollup blocks refer to.
    pub fn origin(&self) -> L1Origin {
        L1Origin {
            number: self.number,
            hash: self.hash,
            timestamp: self.timestamp,
            prev_randao: self.prev_randao,
            parent_beacon_root: self.parent_beacon_root.unwrap_or_default(),
        }
    }

    /// Number, hash and time.
    pub const fn as_ref(&self) -> L1Ref {
        L1Ref { number: self.number, hash: self.hash, timestamp: self.timestamp }
    }
}

impl L1Origin {
    /// Number, hash and time.
    pub const fn as_ref(&self) -> L1Ref {
        L1Ref { number: self.number, hash: self.hash, timestamp: self.timestamp }
    }
}

/// Blocks waiting, and the origins of blocks taken.
#[derive(Debug, Default)]
pub(super) struct L1Stage {
    pending: VecDeque<L1Block>,
    /// Contiguous, oldest first.
    origins: VecDeque<L1Origin>,
}

impl L1Stage {
    /// Queues a block behind `last`, the newest taken one (none before the first).
    pub(super) fn push(&mut self, block: L1Block, last: Option<L1Ref>) -> Result<(), DeriveError> {
        let newest = self.pending.back().map(L1Block::as_ref).or(last);
        if let Some(newest) = newest {
            if block.number != newest.number + 1 {
                return Err(DeriveError::Gap { expected: newest.number + 1, number: block.number });
            }
            if newest.hash != block.parent_hash {
                return Err(DeriveError::Reorganised { number: newest.number, hash: newest.hash });
            }
        }
        if self.pending.len() >= MAX_PENDING {
            return Err(DeriveError::Full(MAX_PENDING));
        }
        self.pending.push_back(block);
        Ok(())
    }

    /// The newest block waiting.
    pub(super) fn newest(&self) -> Option<L1Ref> {
        self.pending.back().map(L1Block::as_ref)
    }

    /// Takes the next block; its origin becomes known.
    pub(super) fn take(&mut self) -> Option<L1Block> {
        let block = self.pending.pop_front()?;
        self.origins.push_back(block.origin());
        Some(block)
    }

    /// The origin with this number, if it is known.
    pub(super) fn origin(&self, number: u64) -> Option<&L1Origin> {
        let first = self.origins.front()?.number;
        self.origins.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// Forgets origins below `number`.
    pub(super) fn prune(&mut self, number: u64) {
        while self.origins.pop_front_if(|origin| origin.number < number).is_some() {}
    }

    /// Forgets blocks and origins above `number`.
    pub(super) fn truncate(&mut self, number: u64) {
        while self.pending.pop_back_if(|block| block.number > number).is_some() {}
        while self.origins.pop_back_if(|origin| origin.number > number).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn block(number: u64, parent: u8) -> L1Block {
        L1Block {
            number,
            hash: B256::repeat_byte(number as u8),
            parent_hash: B256::repeat_byte(parent),
            timestamp: number,
            prev_randao: B256::ZERO,
            parent_beacon_root: None,
            events: Vec::new(),
        }
    }

    #[test]
    fn only_contiguous_blocks_enter() {
        let mut stage = L1Stage::default();
        stage.push(block(5, 4), None).unwrap();
        stage.push(block(6, 5), None).unwrap();
        assert!(matches!(stage.push(block(8, 7), None), Err(DeriveError::Gap { expected: 7, .. })));
        assert!(matches!(stage.push(block(7, 9), None), Err(DeriveError::Reorganised { number: 6, .. })));
        assert!(stage.origin(5).is_none());
        assert_eq!(stage.take().unwrap().number, 5);
        assert_eq!(stage.origin(5).unwrap().number, 5);
        assert!(stage.origin(4).is_none() && stage.origin(6).is_none());
    }

    #[test]
    fn the_stage_is_bounded_and_forgets_what_it_is_told_to() {
        let mut stage = L1Stage::default();
        let mut last: Option<L1Ref> = None;
        for number in 0..MAX_PENDING as u64 {
            let mut next = block(number, 0);
            next.hash = B256::from(alloy_primitives::U256::from(number + 1));
            next.parent_hash = last.map_or(B256::ZERO, |last| last.hash);
            last = Some(next.as_ref());
            stage.push(next, None).unwrap();
        }
        let mut more = block(MAX_PENDING as u64, 0);
        more.parent_hash = last.unwrap().hash;
        assert!(matches!(stage.push(more, None), Err(DeriveError::Full(_))));
        (0..10).for_each(|_| assert!(stage.take().is_some()));
        stage.prune(4);
        assert!(stage.origin(3).is_none() && stage.origin(4).is_some());
        stage.truncate(6);
        assert!(stage.origin(7).is_none() && stage.origin(6).is_some() && stage.take().is_none());
    }
}
