//! L1 with an Inbox on it, which refuses what the contract refuses.

use super::{L1_START, L1_TIME};
use alloy_primitives::{Address, B256, keccak256};
use mayfly_contracts::types::BatchHeader;
use mayfly_rollup::RollupInfo;
use mayfly_rollup::derive::{Ahead, BatchData, InboxEvent, L1Block, PostedBatch, QueueItem, batch_header_hash};

/// Time between two blocks.
const BLOCK_SECONDS: u64 = 12;

/// What the Inbox stores.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    /// The L1 block of each queue item.
    pub(super) items: Vec<u64>,
    /// Sequence number and hash of the last batch.
    pub(super) link: (u64, B256),
    /// The last batch's `queueUpTo` and origin.
    pub(super) consumed: u64,
    pub(super) origin: u64,
    close_time: u64,
    frozen: bool,
}

/// A chain of L1 blocks, and the one being built.
#[derive(Debug)]
pub(super) struct L1 {
    pub(super) blocks: Vec<L1Block>,
    /// The Inbox after each block.
    states: Vec<Inbox>,
    /// The Inbox now.
    pub(super) now: Inbox,
    events: Vec<InboxEvent>,
    /// How much later than usual the next block comes.
    delay: u64,
    fork: u64,
    drain: u64,
}

/// The hash of a block on a fork.
pub(super) fn hash(number: u64, fork: u64) -> B256 {
    keccak256([number.to_be_bytes(), fork.to_be_bytes()].concat())
}

impl L1 {
    /// The block that created the rollup.
    pub(super) fn new(info: &RollupInfo) -> Self {
        let now = Inbox {
            items: Vec::new(),
            link: (0, info.genesis_claim()),
            consumed: 0,
            origin: L1_START,
            close_time: info.planned_close_time(),
            frozen: false,
        };
        let drain = info.config.drain;
        let mut l1 = Self { blocks: Vec::new(), states: Vec::new(), now, events: Vec::new(), delay: 0, fork: 0, drain };
        l1.mine();
        l1
    }

    pub(super) fn next_number(&self) -> u64 {
        L1_START + self.blocks.len() as u64
    }

    fn next_time(&self) -> u64 {
        self.blocks.last().map_or(L1_TIME, |last| last.timestamp + BLOCK_SECONDS + self.delay)
    }

    /// Whether the Inbox still takes anything.
    pub(super) fn is_open(&self) -> bool {
        self.next_time() < self.now.close_time
    }

    /// The time of a block.
    pub(super) fn time_of(&self, number: u64) -> u64 {
        let at = number.saturating_sub(L1_START) as usize;
        self.blocks.get(at).map_or_else(|| self.next_time(), |block| block.timestamp)
    }

    /// The next block comes later, if nothing is in it yet.
    pub(super) fn wait(&mut self, seconds: u64) {
        if self.events.is_empty() {
            self.delay = seconds;
        }
    }

    pub(super) fn mine(&mut self) {
        let number = self.next_number();
        let hash = hash(number, self.fork);
        self.blocks.push(L1Block {
            number,
            hash,
            parent_hash: self.blocks.last().map_or(B256::ZERO, |last| last.hash),
            timestamp: self.next_time(),
            prev_randao: keccak256(hash),
            parent_beacon_root: number.is_multiple_of(2).then_some(hash),
            events: std::mem::take(&mut self.events),
        });
        self.delay = 0;
        self.states.push(self.now.clone());
    }

    /// Mines the block that closes the rollup, unless one did.
    pub(super) fn close(&mut self) {
        if !self.events.is_empty() {
            self.mine();
        }
        let last = self.blocks.last().map_or(0, |last| last.timestamp);
        if last < self.now.close_time {
            self.wait(self.now.close_time - last);
            self.mine();
        }
    }

    /// The last `depth` blocks never were. Returns the number of the last that stands.
    pub(super) fn reorganise(&mut self, depth: usize) -> u64 {
        let keep = self.blocks.len().saturating_sub(depth).max(1);
        self.blocks.truncate(keep);
        self.states.truncate(keep);
        self.events.clear();
        self.delay = 0;
        self.fork += 1;
        if let Some(state) = self.states.last() {
            self.now = state.clone();
        }
        self.next_number() - 1
    }

    pub(super) fn item(&mut self, kind: u8, gas_limit: u64, payload: Vec<u8>) {
        if !self.is_open() {
            return;
        }
        let item = QueueItem {
            index: self.now.items.len() as u64,
            kind,
            sender: Address::repeat_byte(3),
            gas_limit,
            payload: payload.into(),
            l1_number: self.next_number(),
            l1_time: self.next_time(),
        };
        self.now.items.push(item.l1_number);
        self.events.push(InboxEvent::QueueItem(item));
    }

    /// Most items that a batch with this origin may take.
    pub(super) fn most_items(&self, origin: u64) -> u64 {
        self.now.items.iter().take_while(|number| **number <= origin).count() as u64
    }

    pub(super) fn batch(&mut self, origin: u64, queue_up_to: u64, data: BatchData, data_hash: B256) {
        if !self.is_open() {
            return;
        }
        let (codec, blob_hashes) = match &data {
            BatchData::None => (0, Vec::new()),
            BatchData::Blobs(blobs) => (1, blobs.iter().map(keccak256).collect()),
            BatchData::Calldata(_) => (2, Vec::new()),
        };
        let header = BatchHeader {
            seq: self.now.link.0 + 1,
            parentHash: self.now.link.1,
            originNumber: origin,
            originHash: self.blocks[(origin - L1_START) as usize].hash,
            queueUpTo: queue_up_to,
            codec,
            dataHash: data_hash,
            extraRoot: B256::ZERO,
            includedNumber: self.next_number(),
            includedTime: self.next_time(),
        };
        let header_hash = batch_header_hash(&header);
        self.now.link = (header.seq, header_hash);
        (self.now.consumed, self.now.origin) = (queue_up_to, origin);
        self.events.push(InboxEvent::Batch(Box::new(PostedBatch {
            header,
            header_hash,
            blob_hashes,
            data,
            ahead: Ahead::default(),
        })));
    }

    pub(super) fn end(&mut self) {
        if !self.is_open() || self.now.frozen {
            return;
        }
        let end_time = self.next_time();
        self.now.close_time = end_time + self.drain;
        self.events.push(InboxEvent::Ended { end_time, close_time: self.now.close_time });
    }

    pub(super) fn freeze(&mut self, declared: bool) {
        if !self.is_open() {
            return;
        }
        let at = self.next_time();
        if declared {
            self.now.frozen = true;
            self.now.close_time = self.now.close_time.min(at + self.drain);
            self.events.push(InboxEvent::Frozen { close_time: self.now.close_time });
        } else {
            self.events.push(InboxEvent::FreezeRequested { by: Address::repeat_byte(4), at });
        }
    }

    pub(super) fn cancel_freeze(&mut self) {
        self.events.push(InboxEvent::FreezeCancelled);
    }
}
