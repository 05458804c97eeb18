//! New and removed blocks, told once to every subscriber.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use mayfly_evm::SealedBlock;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::shapes;

/// Events a subscriber may lag behind before it is closed as too slow.
const MAX_LAG_EVENTS: usize = 4_096;
/// Blocks that are remembered, to name them when they are removed.
const MAX_RECENT_BLOCKS: usize = 256;

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
    recent: Mutex<VecDeque<Arc<SealedBlock>>>,
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
        while let Some(last) = recent.back().filter(|last| last.header.number >= block.header.number) {
            if last.hash == block.hash {
                return;
            }
            let removed = HeadEvent::new(Arc::clone(last), true);
            recent.pop_back();
            self.send(removed);
        }
        if recent.len() == MAX_RECENT_BLOCKS {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(block));
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
    use alloy_primitives::B256;

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
        assert!(heads.recent.lock().len() == 2);
    }
}
