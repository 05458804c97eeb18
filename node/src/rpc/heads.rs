//! New and removed blocks, told once to every subscriber.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use mayfly_evm::SealedBlock;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::shapes;

/// Events a subscriber may lag behind before it is closed as too slow.
const MAX_LAG_EVENTS: usize = 4_096;
/// Blocks that are remembered, to name them when they are removed, at most.
const MAX_RECENT_BLOCKS: usize = 256;
/// Bytes of these blocks, about; the newest is remembered whatever its size.
const MAX_RECENT_BYTES: usize = 16 << 20;

/// A block that became the head, or stopped being part of the chain.
#[derive(Debug)]
pub struct HeadEvent {
    /// The block.
    pub block: Arc<SealedBlock>,
    /// It was undone.
    pub removed: bool,
    /// What `newHeads` tells; made once for all subscribers.
    json: OnceLock<String>,
}

impl HeadEvent {
    fn new(block: Arc<SealedBlock>, removed: bool) -> Arc<Self> {
        Arc::new(Self { block, removed, json: OnceLock::new() })
    }

    /// The header as JSON.
    pub(crate) fn json(&self) -> &str {
        self.json.get_or_init(|| serde_json::to_string(&shapes::head(&self.block)).unwrap_or_default())
    }
}

/// The hub of one rollup. Publishing never blocks.
#[derive(Debug)]
pub struct Heads {
    events: broadcast::Sender<Arc<HeadEvent>>,
    recent: Mutex<Recent>,
}

/// The newest blocks told.
#[derive(Debug, Default)]
struct Recent {
    blocks: VecDeque<Arc<SealedBlock>>,
    size_bytes: usize,
}

impl Recent {
    fn push(&mut self, block: Arc<SealedBlock>) {
        self.size_bytes += block.size_bytes();
        self.blocks.push_back(block);
        while self.blocks.len() > MAX_RECENT_BLOCKS || (self.size_bytes > MAX_RECENT_BYTES && self.blocks.len() > 1) {
            self.size_bytes -= self.blocks.pop_front().map_or(0, |oldest| oldest.size_bytes());
        }
    }

    /// Takes the newest away if it is at this height or above it.
    fn pop_from(&mut self, number: u64) -> Option<Arc<SealedBlock>> {
        let newest = self.blocks.pop_back_if(|newest| newest.header.number >= number)?;
        self.size_bytes -= newest.size_bytes();
        Some(newest)
    }
}

impl Default for Heads {
    fn default() -> Self {
        Self { events: broadcast::Sender::new(MAX_LAG_EVENTS), recent: Mutex::default() }
    }
}

impl Heads {
    /// Tells that `block` is durable and the new head. Blocks at or above its
    /// height were undone: they are told as removed first, newest first.
    pub fn publish(&self, block: &Arc<SealedBlock>) {
        let mut recent = self.recent.lock();
        while let Some(undone) = recent.pop_from(block.header.number) {
            if undone.hash == block.hash {
                return recent.push(undone);
            }
            self.send(HeadEvent::new(undone, true));
        }
        recent.push(Arc::clone(block));
        self.send(HeadEvent::new(Arc::clone(block), false));
    }

    fn send(&self, event: Arc<HeadEvent>) {
        // Nobody listening is no error.
        let _ = self.events.send(event);
    }

    /// Connections that listen.
    pub fn subscriber_count(&self) -> usize {
        self.events.receiver_count()
    }

    /// Every event from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<HeadEvent>> {
        self.events.subscribe()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy_consensus::Header;
    use alloy_primitives::{Address, B256, Bloom, Log};
    use mayfly_evm::Receipt;

    fn block(number: u64, salt: u8) -> Arc<SealedBlock> {
        let header = Header { number, ..Header::default() };
        let hash = B256::with_last_byte(salt);
        Arc::new(SealedBlock {
            header,
            hash,
            transactions: vec![],
            receipts: vec![],
            first_index: 0,
            ommers: vec![],
            withdrawals: vec![],
        })
    }

    /// A block whose one receipt has a log of so many bytes.
    fn logging(number: u64, bytes: usize) -> Arc<SealedBlock> {
        let log = Log::new_unchecked(Address::ZERO, vec![], vec![0; bytes].into());
        let receipt = Receipt {
            tx_hash: B256::ZERO,
            ty: 2,
            status: true,
            state_root: None,
            cumulative_gas_used: 0,
            gas_used: 0,
            logs: vec![log],
            bloom: Bloom::ZERO,
            contract_address: None,
            deposit_nonce: None,
            logs_hash: B256::ZERO,
        };
        Arc::new(SealedBlock { receipts: vec![receipt], ..SealedBlock::clone(&block(number, number as u8)) })
    }

    #[test]
    fn undone_blocks_are_removed_before_their_replacement() {
        let heads = Heads::default();
        let mut events = heads.subscribe();
        for (number, salt) in [(1, 1), (2, 2), (3, 3), (3, 3), (2, 9)] {
            heads.publish(&block(number, salt));
        }
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            told.push((event.block.header.number, event.block.hash[31], event.removed));
        }
        assert_eq!(told, [(1, 1, false), (2, 2, false), (3, 3, false), (3, 3, true), (2, 2, true), (2, 9, false)]);
        // Block 3 is not told again, and that 2 undid it is known.
        heads.publish(&block(1, 1));
        assert_eq!(events.try_recv().map(|event| (event.block.number(), event.removed)), Ok((2, true)));
        assert!(events.try_recv().is_err());
        let recent = heads.recent.lock();
        assert_eq!((recent.blocks.len(), recent.size_bytes), (1, block(1, 1).size_bytes()));
    }

    #[test]
    fn of_what_was_undone_only_the_remembered_is_told() {
        let heads = Heads::default();
        (1..=3).for_each(|number| heads.publish(&logging(number, MAX_RECENT_BYTES / 2)));
        let mut events = heads.subscribe();
        heads.publish(&block(1, 9));
        let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        let told: Vec<_> = told.iter().map(|event| (event.block.number(), event.removed)).collect();
        assert_eq!(told, [(3, true), (1, false)]);
    }

    #[test]
    fn what_is_remembered_is_bounded_by_count_and_bytes() {
        let remembered = |count: u64, logged_bytes: usize| {
            let heads = Heads::default();
            (1..=count).for_each(|number| heads.publish(&logging(number, logged_bytes)));
            let recent = heads.recent.lock();
            assert_eq!(recent.size_bytes, recent.blocks.iter().map(|block| block.size_bytes()).sum::<usize>());
            assert_eq!(recent.blocks.back().unwrap().number(), count);
            recent.blocks.len()
        };
        assert_eq!(remembered(300, 1), MAX_RECENT_BLOCKS);
        assert_eq!(remembered(300, MAX_RECENT_BYTES / 10), 9);
        assert_eq!(remembered(3, 2 * MAX_RECENT_BYTES), 1);
    }
}
