//! L1 as it comes: read ahead of derivation, the next block with its data.

use alloy_primitives::B256;
use mayfly_l1::{BlockRef, FollowEvent, L1Block, L1Error, L1Follower};
use mayfly_rollup::derive::Lookahead;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::feed::{FedBlock, Feed};

/// L1 blocks read ahead of derivation.
const BLOCKS_AHEAD: usize = 256;
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
    next: Option<Result<FollowEvent, L1Error>>,
    fed: Option<(BlockRef, FedBlock)>,
}

impl Coming {
    /// Begins to read, until stopped; the head that was seen last stands beside.
    pub(crate) fn read(follower: L1Follower, stop: CancellationToken) -> (Self, watch::Receiver<BlockRef>) {
        let (events, head) = read_ahead(follower, stop);
        (Self { events, next: None, fed: None }, head)
    }

    /// What comes next; none once stopped, whatever is there already.
    pub(crate) async fn next(&mut self, stop: &CancellationToken) -> Option<Result<FollowEvent, L1Error>> {
        if stop.is_cancelled() {
            return None;
        }
        if let Some(next) = self.next.take() {
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
        if self.next.is_none() {
            self.next = self.events.recv().await;
        }
        let Some(Ok(FollowEvent::Block(block))) = &self.next else { return };
        if let Ok(mut fed) = feed.prepare(block).await {
            lookahead.begin(&mut fed.block);
            self.fed = Some((block.block_ref(), fed));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn nothing_comes_once_stopped_though_it_is_there() {
        let (sender, events) = mpsc::channel(2);
        let reorg = || Ok(FollowEvent::Reorg { common: UNKNOWN_HEAD });
        sender.send(reorg()).await.unwrap();
        let mut coming = Coming { events, next: Some(reorg()), fed: None };
        let stop = CancellationToken::new();
        assert!(coming.next(&stop).await.is_some());
        coming.next = Some(reorg());
        stop.cancel();
        assert!(coming.next(&stop).await.is_none());
    }
}
