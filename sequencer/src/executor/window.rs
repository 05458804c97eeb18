//! The stretch of L1 that the executor remembers: blocks, queue items with their rolling hash, and the end's times.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::B256;
use mayfly_rollup::derive::{BatchData, Checkpoint, CloseState, InboxEvent, L1Block, QueueItem, rolling_hash};

use crate::error::SequencerError;

/// Derivation goes on from the origin of the last batch's last block, however long ago that was: a month of slots.
const MAX_BLOCKS: usize = 1 << 18;

/// Ethereum's slot. Where blocks are further apart, some were missed.
const MAX_SLOT_SECONDS: u64 = 12;

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    blocks: VecDeque<L1Block>,
    /// Items from `base` on, each with the rolling hash after it.
    items: BTreeMap<u64, (QueueItem, B256)>,
    base: (u64, B256),
    /// The clock as L1 had it from a block on.
    clocks: Vec<(u64, CloseState)>,
    /// Logs up to this block are in the first clock already.
    settled: u64,
}

impl Window {
    /// Starts empty where derivation once stood, so far back that L1 does not reorganise it; the first block to push is
    /// `at.replay_from()`.
    pub(super) fn new(at: &Checkpoint) -> Self {
        Self {
            blocks: VecDeque::new(),
            items: BTreeMap::new(),
            base: (at.consumed, at.consumed_hash),
            clocks: vec![(0, at.close)],
            settled: at.l1.number,
        }
    }

    /// Takes the next block in.
    pub(super) fn push(&mut self, block: L1Block) -> Result<(), SequencerError> {
        if let Some(head) = self.blocks.back()
            && (block.number != head.number + 1 || block.parent_hash != head.hash)
        {
            return Err(SequencerError::L1(format!("block {} does not follow block {}", block.number, head.number)));
        }
        for event in &block.events {
            match event {
                InboxEvent::QueueItem(item) => self.push_item(item)?,
                other if block.number > self.settled => {
                    let mut clock = self.clock();
                    clock.apply(other);
                    if clock != self.clock() {
                        self.clocks.push((block.number, clock));
                    }
                }
                _ => {}
            }
        }
        self.blocks.push_back(block);
        while self.blocks.len() > MAX_BLOCKS {
            self.blocks.pop_front();
        }
        Ok(())
    }

    fn push_item(&mut self, item: &QueueItem) -> Result<(), SequencerError> {
        let next = self.queued();
        if item.index < next {
            return Ok(());
        }
        if item.index > next {
            return Err(SequencerError::L1(format!("queue item {} where {next} is next", item.index)));
        }
        let hash = rolling_hash(self.hash_at(next).unwrap_or_default(), item);
        self.items.insert(item.index, (item.clone(), hash));
        Ok(())
    }

    /// The data of a batch in the newest block.
    pub(super) fn batch_data(&self, seq: u64) -> Option<&BatchData> {
        self.blocks.back()?.events.iter().find_map(|event| match event {
            InboxEvent::Batch(batch) if batch.header.seq == seq => Some(&batch.data),
            _ => None,
        })
    }

    /// Batch data is not needed again once its block was dealt with.
    pub(super) fn forget_batches(&mut self) {
        if let Some(block) = self.blocks.back_mut() {
            block.events.retain(|event| !matches!(event, InboxEvent::Batch(_)));
        }
    }

    /// L1 went back to block `number`.
    pub(super) fn truncate(&mut self, number: u64) {
        while self.blocks.pop_back_if(|b| b.number > number).is_some() {}
        self.items.retain(|_, (item, _)| item.l1_number <= number);
        self.clocks.retain(|(since, _)| *since <= number);
    }

    /// Blocks below `number` and items before `consumed` are not needed any more.
    pub(super) fn prune(&mut self, number: u64, consumed: u64) {
        while self.blocks.len() > 1 && self.blocks.pop_front_if(|b| b.number < number).is_some() {}
        if let Some(hash) = self.hash_at(consumed).filter(|_| consumed > self.base.0) {
            self.items = self.items.split_off(&consumed);
            self.base = (consumed, hash);
        }
    }

    pub(super) fn head(&self) -> Option<&L1Block> {
        self.blocks.back()
    }

    pub(super) fn block(&self, number: u64) -> Option<&L1Block> {
        let first = self.blocks.front()?.number;
        self.blocks.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// Seconds between L1's blocks, by the two newest ones.
    pub(super) fn slot_seconds(&self) -> u64 {
        let mut times = self.blocks.iter().rev().map(|b| b.timestamp);
        let newest = times.next().unwrap_or(0);
        newest.saturating_sub(times.next().unwrap_or(0)).clamp(1, MAX_SLOT_SECONDS)
    }

    /// The newest block with at least `depth` blocks on top of it.
    pub(super) fn deep(&self, depth: u64) -> Option<&L1Block> {
        self.block(self.head()?.number.checked_sub(depth)?)
    }

    /// All blocks from `number` on.
    pub(super) fn blocks_from(&self, number: u64) -> impl Iterator<Item = &L1Block> {
        self.blocks.iter().skip_while(move |b| b.number < number)
    }

    /// Queue items on L1, from 0.
    pub(super) fn queued(&self) -> u64 {
        self.base.0 + self.items.len() as u64
    }

    pub(super) fn item(&self, index: u64) -> Option<&QueueItem> {
        self.items.get(&index).map(|(item, _)| item)
    }

    /// Items from index `from` on that stand in L1 blocks up to `l1_number`. None if `from` itself is not kept: an item
    /// is never taken in another's place.
    pub(super) fn items(&self, from: u64, l1_number: u64) -> impl Iterator<Item = &QueueItem> {
        let items = self.items.range(from..).map(|(_, (item, _))| item).zip(from..);
        items.take_while(move |(item, at)| item.index == *at && item.l1_number <= l1_number).map(|(item, _)| item)
    }

    /// The rolling hash of the first `count` items, if it is kept.
    pub(super) fn hash_at(&self, count: u64) -> Option<B256> {
        if count == self.base.0 {
            return Some(self.base.1);
        }
        self.items.get(&count.checked_sub(1)?).map(|(_, hash)| *hash)
    }

    /// The clock now.
    pub(super) fn clock(&self) -> CloseState {
        self.clocks.last().map_or(CloseState { end_time: u64::MAX, close_time: u64::MAX, frozen: false }, |(_, c)| *c)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use mayfly_rollup::RollupInfo;
    use mayfly_rollup::derive::{Derivation, L2Ref};

    use super::*;

    /// Slots of twelve seconds in a month.
    const MONTH: u64 = 30 * 24 * 300;

    fn block(number: u64) -> L1Block {
        let hash = |number: u64| B256::left_padding_from(&number.to_be_bytes());
        L1Block {
            number,
            hash: hash(number),
            parent_hash: hash(number - 1),
            timestamp: 12 * number,
            prev_randao: B256::ZERO,
            parent_beacon_root: None,
            events: Vec::new(),
        }
    }

    #[test]
    fn a_month_without_a_batch_can_be_derived_from() {
        let genesis =
            *Derivation::new(Arc::new(RollupInfo::default()), L2Ref { number: 0, hash: B256::ZERO }).checkpoint();
        let mut window = Window::new(&genesis);
        (1..=MONTH).for_each(|number| window.push(block(number)).unwrap());
        assert_eq!(window.blocks_from(1).next().map(|block| block.number), Some(1));
        assert!(window.push(block(MONTH + 2)).is_err(), "a gap");
    }
}
