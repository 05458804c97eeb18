//! L1 as it comes: read ahead of derivation, the next block with its data.

use alloy_primitives::B256;
use mayfly_l1::{BlockRef, FollowEvent, L1Block, L1Error, L1Follower};
use mayfly_rollup::derive::Lookahead;
use std::collections::VecDeque;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::feed::{FedBlock, Feed};

/// L1 blocks read ahead of derivation.
const BLOCKS_AHEAD: usize = 256;
/// Events that are looked through for a reorganisation while a block's data is missing. L1 takes back no block that so many
/// follow.
const MAX_WAITING: usize = 4_096;
/// Higher than any block: nothing is in step with a head that was never seen.
pub(crate) const UNKNOWN_HEAD: BlockRef = BlockRef { number: u64::MAX, hash: B256::ZERO };

type Events = mpsc::Receiver<Result<FollowEvent, L1Error>>;

/// Reads L1 in a task of its own while blocks are derived; the head it saw last stands beside.
fn read_ahead(mut follower: L1Follower, stop: CancellationToken) -> (Events, watch::Receiver<BlockRef>) {
    let (sender, receiver) = mpsc::channel(BLOCKS_AHEAD);
    let (head, heads) = watch::channel(UNKNOWN_HEAD);
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                event = follower.next() => event,
            };
            head.send_replace(follower.head().unwrap_or(UNKNOWN_HEAD));
            let last = event.as_ref().is_err_and(L1Error::is_about_the_chain);
            if sender.send(event).await.is_err() || last {
                return;
            }
        }
    });
    (receiver, heads)
}

/// What L1 brings, and the next block of it as far as it was prepared.
pub(crate) struct Coming {
    events: Events,
    /// What was received and is not dealt with yet.
    waiting: VecDeque<Result<FollowEvent, L1Error>>,
    fed: Option<(BlockRef, FedBlock)>,
}

impl Coming {
    /// Begins to read, until stopped; the head that was seen last stands beside.
    pub(crate) fn read(follower: L1Follower, stop: CancellationToken) -> (Self, watch::Receiver<BlockRef>) {
        let (events, head) = read_ahead(follower, stop);
        (Self { events, waiting: VecDeque::new(), fed: None }, head)
    }

    /// What comes next; none once stopped, whatever is there already.
    pub(crate) async fn next(&mut self, stop: &CancellationToken) -> Option<Result<FollowEvent, L1Error>> {
        if stop.is_cancelled() {
            return None;
        }
        if let Some(next) = self.waiting.pop_front() {
            return Some(next);
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            event = self.events.recv() => event,
        }
    }

    /// The block with its data, if that was fetched already.
    pub(crate) fn prepared(&mut self, block: &L1Block) -> Option<FedBlock> {
        self.fed.take().and_then(|(at, fed)| (at == block.block_ref()).then_some(fed))
    }

    /// Fetches the data of the block that comes next and begins to read it. What fails is tried again in its turn; may be
    /// dropped at any point.
    pub(crate) async fn prepare(&mut self, feed: &Feed, lookahead: Lookahead) {
        if self.waiting.is_empty()
            && let Some(event) = self.events.recv().await
        {
            self.waiting.push_back(event);
        }
        let Some(Ok(FollowEvent::Block(block))) = self.waiting.front() else { return };
        if let Ok(mut fed) = feed.prepare(block).await {
            lookahead.begin(&mut fed.block);
            self.fed = Some((block.block_ref(), fed));
        }
    }

    /// Waits until L1 has taken this block back, or cannot be followed any more: that comes next then, and what was built
    /// on the block does not come. May be dropped at any point.
    pub(crate) async fn taken_back(&mut self, block: u64) {
        let ends = |event: &Result<FollowEvent, L1Error>| match event {
            Ok(FollowEvent::Reorg { common }) => common.number < block,
            Ok(FollowEvent::Block(_)) => false,
            Err(error) => error.is_about_the_chain(),
        };
        let mut looked_at = 0;
        loop {
            if let Some(at) = self.waiting.iter().skip(looked_at).position(ends) {
                self.waiting.drain(..looked_at + at);
                return;
            }
            looked_at = self.waiting.len();
            if looked_at >= MAX_WAITING {
                return std::future::pending().await;
            }
            let Some(event) = self.events.recv().await else { return std::future::pending().await };
            // An endpoint that is away says so with every look: that is no event to keep.
            if event.as_ref().map_or_else(L1Error::is_about_the_chain, |_| true) {
                self.waiting.push_back(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Duration;

    fn block(number: u64) -> Result<FollowEvent, L1Error> {
        Ok(FollowEvent::Block(L1Block {
            number,
            hash: B256::with_last_byte(number as u8),
            parent_hash: B256::ZERO,
            timestamp: number,
            mix_hash: B256::ZERO,
            parent_beacon_root: None,
            logs: Vec::new(),
        }))
    }

    fn reorg(number: u64) -> Result<FollowEvent, L1Error> {
        Ok(FollowEvent::Reorg { common: BlockRef { number, hash: B256::ZERO } })
    }

    fn coming(events: impl IntoIterator<Item = Result<FollowEvent, L1Error>>) -> Coming {
        let (sender, receiver) = mpsc::channel(2 * MAX_WAITING);
        events.into_iter().for_each(|event| sender.try_send(event).unwrap());
        // It stays open.
        std::mem::forget(sender);
        Coming { events: receiver, waiting: VecDeque::new(), fed: None }
    }

    #[tokio::test]
    async fn nothing_comes_once_stopped_though_it_is_there() {
        let mut coming = coming([reorg(1)]);
        let stop = CancellationToken::new();
        assert!(coming.next(&stop).await.is_some());
        coming.waiting.push_back(reorg(1));
        stop.cancel();
        assert!(coming.next(&stop).await.is_none());
    }

    #[tokio::test]
    async fn what_was_built_on_a_block_that_is_taken_back_does_not_come() {
        let stop = CancellationToken::new();
        let mut coming = coming([block(6), reorg(5), block(6), block(7), reorg(4), block(5)]);
        // Seen already, as when the next block was prepared.
        let first = coming.events.recv().await.unwrap();
        coming.waiting.push_back(first);
        coming.taken_back(5).await;
        let next = coming.next(&stop).await.unwrap().unwrap();
        assert!(matches!(next, FollowEvent::Reorg { common } if common.number == 4));
        let next = coming.next(&stop).await.unwrap().unwrap();
        assert!(matches!(next, FollowEvent::Block(block) if block.number == 5));
    }

    #[tokio::test]
    async fn an_end_of_following_comes_next_too() {
        // However long an endpoint was away before.
        let away = (0..MAX_WAITING)
            .map(|_| Err(L1Error::Rpc { method: "".into(), code: -32_005, message: "away".into(), data: None }));
        let mut coming = coming(away.chain([block(6), Err(L1Error::ReorgTooDeep { limit: 9 })]));
        coming.taken_back(5).await;
        assert!(coming.next(&CancellationToken::new()).await.unwrap().is_err());
    }

    /// Dropped while it waits, it has lost nothing; and it does not collect without end.
    #[tokio::test]
    async fn a_block_that_stays_is_waited_for_and_everything_after_it_comes() {
        let stop = CancellationToken::new();
        let mut coming = coming((0..MAX_WAITING as u64 + 10).map(|number| block(6 + number)));
        for _ in 0..2 {
            let waited = tokio::time::timeout(Duration::from_millis(200), coming.taken_back(5)).await;
            assert!(waited.is_err());
        }
        assert_eq!(coming.waiting.len(), MAX_WAITING);
        for number in 0..MAX_WAITING as u64 + 10 {
            let next = coming.next(&stop).await.unwrap().unwrap();
            assert!(matches!(next, FollowEvent::Block(block) if block.number == 6 + number), "{number}");
        }
    }
}
