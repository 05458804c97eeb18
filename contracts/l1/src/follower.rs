//! L1 as a stream of blocks, with reorganisations told apart from slow endpoints.
//!
//! The follower remembers the hashes of the last [`FollowerConfig::memory`] blocks. A block whose
//! parent is not the last one it knows means that L1 reorganised: it walks back to the last common
//! block and says so. An endpoint that merely lags behind answers nothing, or a header we know.

use std::{collections::VecDeque, time::Duration};

use alloy_primitives::{Address, B256};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{BlockRef, BlockTag, L1Block, L1Client, L1Error, block::LogFilter};

/// Events read ahead of a slow receiver.
const EVENTS_AHEAD: usize = 256;

/// What to follow and how.
#[derive(Debug, Clone)]
pub struct FollowerConfig {
    /// The first block that is delivered.
    pub start: BlockRef,
    /// Contracts whose logs are delivered.
    pub addresses: Vec<Address>,
    /// First topics of interest; empty means all.
    pub topics: Vec<B256>,
    /// Pause between two looks at a head that has not moved, and after an error.
    pub poll: Duration,
    /// Blocks read in one go.
    pub range: u64,
    /// Stay this many blocks behind the head.
    pub depth: u64,
    /// Blocks remembered, so the deepest reorganisation that is survived.
    pub memory: usize,
}

impl FollowerConfig {
    /// Follows these contracts from a block on.
    pub fn new(start: BlockRef, addresses: Vec<Address>) -> Self {
        let poll = Duration::from_secs(2);
        Self { start, addresses, topics: Vec::new(), poll, range: 64, depth: 0, memory: 1024 }
    }
}

/// What the follower delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowEvent {
    /// The next block.
    Block(L1Block),
    /// The blocks after `common` are no longer part of L1. The next block is its child.
    Reorg {
        /// The last block that still stands.
        common: BlockRef,
    },
}

/// Pulls L1 blocks in order. One owner; [`L1Follower::next`] may be dropped at any await.
#[derive(Debug)]
pub struct L1Follower {
    client: L1Client,
    config: FollowerConfig,
    filter: LogFilter,
    /// Read, oldest first: delivered ones and those in `ready`.
    known: VecDeque<BlockRef>,
    ready: VecDeque<L1Block>,
    delivered: Option<BlockRef>,
    head: Option<BlockRef>,
    look_at: Instant,
}

enum Progress {
    Idle,
    Read,
    Reorg(BlockRef),
}

impl L1Follower {
    /// Starts at `config.start`; nothing is read yet.
    pub fn new(client: L1Client, config: FollowerConfig) -> Self {
        let filter = LogFilter { addresses: config.addresses.clone(), topics: config.topics.clone() };
        let (known, ready, look_at) = (VecDeque::new(), VecDeque::new(), Instant::now());
        Self { client, config, filter, known, ready, delivered: None, head: None, look_at }
    }

    /// L1's head when it was last looked at.
    pub fn head(&self) -> Option<BlockRef> {
        self.head
    }

    /// The last delivered block.
    pub fn position(&self) -> Option<BlockRef> {
        self.delivered
    }

    /// Waits for the next block or reorganisation. After an error the state is what it was: a
    /// temporary one is answered by calling again, which then waits one poll interval first.
    /// Dropping the future loses nothing, but a read that is always cut short never ends: give
    /// the follower a task of its own ([`L1Follower::spawn`]) where something else is waited for.
    pub async fn next(&mut self) -> Result<FollowEvent, L1Error> {
        loop {
            if let Some(event) = self.take_ready() {
                return Ok(event);
            }
            tokio::time::sleep_until(self.look_at).await;
            let result = self.try_next().await;
            if !matches!(result, Ok(Some(_))) {
                self.look_at = Instant::now() + self.config.poll;
            }
            if let Some(event) = result? {
                return Ok(event);
            }
        }
    }

    /// The next block or reorganisation, if L1 has one now.
    pub async fn try_next(&mut self) -> Result<Option<FollowEvent>, L1Error> {
        if let Some(event) = self.take_ready() {
            return Ok(Some(event));
        }
        Ok(match self.advance().await? {
            Progress::Idle => None,
            Progress::Read => self.take_ready(),
            Progress::Reorg(common) => self.step_back(common),
        })
    }

    /// The last delivered block could not be dealt with: it and what was read ahead are forgotten, and L1 is asked again
    /// what stands in its place.
    pub fn put_back(&mut self) {
        self.ready.clear();
        let Some(last) = self.delivered else { return };
        self.known.retain(|known| known.number < last.number);
        self.delivered = self.known.back().copied();
    }

    /// Follows in a task until `stop`, a permanent error (the last item) or a dropped receiver.
    pub fn spawn(mut self, stop: CancellationToken) -> mpsc::Receiver<Result<FollowEvent, L1Error>> {
        let (sender, receiver) = mpsc::channel(EVENTS_AHEAD);
        tokio::spawn(async move {
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = self.next() => event,
                };
                let last = event.as_ref().is_err_and(|error| !error.is_temporary());
                if sender.send(event).await.is_err() || last {
                    return;
                }
            }
        });
        receiver
    }

    fn take_ready(&mut self) -> Option<FollowEvent> {
        let block = self.ready.pop_front()?;
        self.delivered = Some(block.block_ref());
        Some(FollowEvent::Block(block))
    }

    async fn advance(&mut self) -> Result<Progress, L1Error> {
        let head = self.client.head(BlockTag::Latest).await?.block_ref();
        self.head = Some(head);
        let last = self.known.back().copied();
        if let Some(last) = last
            && head.number <= last.number
        {
            let known = self.known.iter().find(|known| known.number == head.number);
            return match known {
                Some(known) if known.hash != head.hash => self.walk_back(head.number).await,
                _ => Ok(Progress::Idle),
            };
        }
        let from = last.map_or(self.config.start.number, |last| last.number + 1);
        let to = head.number.saturating_sub(self.config.depth).min(from + self.config.range.max(1) - 1);
        if to < from {
            return Ok(Progress::Idle);
        }
        let headers = self.client.headers(from, to).await?;
        let Some(first) = headers.first() else { return Ok(Progress::Idle) };
        match last {
            Some(last) if first.parent_hash != last.hash => return self.walk_back(last.number).await,
            None if first.hash() != self.config.start.hash => return Err(self.start_replaced(first.hash())),
            _ => {}
        }
        let blocks = self.client.blocks(&headers, &self.filter).await?;
        for block in blocks {
            self.known.push_back(block.block_ref());
            self.ready.push_back(block);
        }
        while self.known.len() > self.config.memory.max(self.ready.len()).max(1) {
            self.known.pop_front();
        }
        Ok(Progress::Read)
    }

    /// Finds the last known block, at or below `from`, that L1 still has.
    async fn walk_back(&self, from: u64) -> Result<Progress, L1Error> {
        for known in self.known.iter().rev().filter(|known| known.number <= from) {
            let found = self.client.head(BlockTag::Number(known.number)).await?;
            if found.hash() == known.hash {
                return Ok(Progress::Reorg(*known));
            }
            if known.number == self.config.start.number {
                return Err(self.start_replaced(found.hash()));
            }
        }
        Err(L1Error::ReorgTooDeep { limit: self.config.memory })
    }

    fn start_replaced(&self, found: B256) -> L1Error {
        let BlockRef { number, hash } = self.config.start;
        L1Error::StartReplaced { number, expected: hash, found }
    }

    /// Forgets what is above `common`. Says so only if some of it was delivered.
    fn step_back(&mut self, common: BlockRef) -> Option<FollowEvent> {
        self.known.retain(|known| known.number <= common.number);
        self.ready.retain(|block| block.number <= common.number);
        match self.delivered {
            Some(delivered) if delivered.number > common.number => {
                tracing::info!(from = delivered.number, to = common.number, "l1 reorganised");
                self.delivered = Some(common);
                Some(FollowEvent::Reorg { common })
            }
            _ => None,
        }
    }
}
