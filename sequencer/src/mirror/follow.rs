//! The task that follows L1 and hands its blocks to the executor and to the recorder.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{B256, Bytes};
use mayfly_l1::{
    BeaconClient, BlockRef, BlockTag, FollowEvent, FollowerConfig, L1Block, L1Client, L1Error, L1Follower, L1Log,
};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::derive::{self, BatchData, Checkpoint, InboxEvent, PostedBatch};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::claims::{SETTLEMENT_TOPICS, decode_settlement};
use super::record::{Logged, Recorded};
use crate::error::SequencerError;
use crate::executor::{GoOn, L1Message, Mailbox, Message, Stands};
use crate::shared::{Refused, Shared};

/// Errors of L1 are logged once in so many.
const LOG_EVERY: u32 = 30;
/// Longest pause after a block that was made up, and how often it doubles.
const MAX_PAUSE: Duration = Duration::from_secs(30);
const MAX_DOUBLINGS: u32 = 10;

/// See the module.
pub(crate) struct Mirror {
    pub(crate) info: Arc<RollupInfo>,
    pub(crate) client: L1Client,
    pub(crate) beacon: BeaconClient,
    /// The block to read first.
    pub(crate) start: BlockRef,
    /// The block to read again from, when the place is lost.
    pub(crate) again: Option<u64>,
    /// The data of batches up to this L1 block is not needed.
    pub(crate) settled: u64,
    pub(crate) poll: Duration,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) recorder: mpsc::Sender<Recorded>,
    /// The head for which safe and final blocks were asked.
    pub(crate) tagged: Option<BlockRef>,
    /// The last block that was handed on, with its parent.
    pub(crate) last: Option<(derive::L1Ref, B256)>,
    /// Blocks that were made up, in a row.
    pub(crate) refusals: u32,
}

/// Finds the newest stand that L1 and the chain still hold, and forgets those after it.
pub(crate) async fn check_stands(
    client: &L1Client,
    info: &RollupInfo,
    stands: &mut Stands,
    holds: impl Fn(&derive::L2Ref) -> Result<bool, SequencerError>,
) -> Result<(), SequencerError> {
    loop {
        let stand = *stands.last();
        let is_genesis = stand.l1.number < info.l1_number;
        let on_l1 = is_genesis || hash_at(client, stand.l1.number).await? == Some(stand.l1.hash);
        if on_l1 && holds(&stand.head)? {
            return Ok(());
        }
        tracing::warn!(l1_block = stand.l1.number, block = stand.head.number, "a stand no longer holds");
        if !stands.pop()? {
            if is_genesis {
                return Err(SequencerError::Chain("the chain does not have the rollup's genesis".to_owned()));
            }
            stands.restart()?;
        }
    }
}

/// The block to read first from `from` on. That is the oldest stand that is kept, not the newest: L1 may reorganise all
/// that came after it.
pub(crate) async fn first_block(
    client: &L1Client,
    info: &RollupInfo,
    from: &Checkpoint,
) -> Result<BlockRef, SequencerError> {
    block_at(client, info, from.replay_from().max(info.l1_number)).await
}

async fn block_at(client: &L1Client, info: &RollupInfo, number: u64) -> Result<BlockRef, SequencerError> {
    let hash = hash_at(client, number).await?;
    let hash = hash.ok_or_else(|| SequencerError::L1(format!("block {number} is missing")))?;
    if number == info.l1_number && hash != info.l1_hash {
        client.distrust();
        return Err(SequencerError::L1(format!(
            "block {number} is {hash}, the rollup was created in {}",
            info.l1_hash
        )));
    }
    Ok(BlockRef { number, hash })
}

async fn hash_at(client: &L1Client, number: u64) -> Result<Option<B256>, SequencerError> {
    let header = client.try_header(BlockTag::Number(number)).await.map_err(|e| SequencerError::L1(e.to_string()))?;
    Ok(header.map(|h| h.hash()))
}

impl Mirror {
    /// Runs until cancelled or the executor is gone.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let mut follower = self.follower();
        let mut failures = 0u32;
        loop {
            let step = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                step = self.step(&mut follower) => step,
            };
            match step {
                Ok(()) => {
                    if failures > 0 {
                        self.shared.l1_trouble.lock().clear();
                    }
                    failures = 0;
                }
                Err(SequencerError::Stopped) => return,
                Err(error) => {
                    if failures.is_multiple_of(LOG_EVERY) {
                        tracing::warn!(%error, failures, "following l1 failed");
                    }
                    *self.shared.l1_trouble.lock() = error.to_string();
                    failures = failures.saturating_add(1);
                    tokio::select! {
                        biased;
                        () = cancel.cancelled() => return,
                        () = tokio::time::sleep(self.poll) => {}
                    }
                }
            }
        }
    }

    fn follower(&self) -> L1Follower {
        let mut config = FollowerConfig::new(self.start, vec![self.info.rollup, self.info.settlement]);
        config.topics = InboxEvent::topics().into_iter().chain(SETTLEMENT_TOPICS).collect();
        config.poll = self.poll;
        L1Follower::new(self.client.clone(), config)
    }

    async fn step(&mut self, follower: &mut L1Follower) -> Result<(), SequencerError> {
        if let Some(number) = self.again {
            self.start = block_at(&self.client, &self.info, number).await?;
            *follower = self.follower();
            self.again = None;
        }
        let refused = self.shared.refused.lock().clone();
        if let Some(refused) = refused {
            return self.leave(refused).await;
        }
        let event = match follower.try_next().await {
            Err(error @ (L1Error::StartReplaced { .. } | L1Error::ReorgTooDeep { .. })) => {
                tracing::warn!(%error, "reading l1 again");
                let common = self.last_common().await?;
                return self.go_back(common, true).await;
            }
            event => event.map_err(l1_error)?,
        };
        match event {
            Some(FollowEvent::Block(block)) if self.is_not_what_stood(&block).await? => {
                tracing::warn!(l1_block = block.number, "l1 changed since the stands were checked");
                match self.last_common().await {
                    Ok(common) => self.go_back(common, true).await,
                    Err(error) => {
                        follower.put_back();
                        Err(error)
                    }
                }
            }
            Some(FollowEvent::Block(block)) => {
                let (derived, logs) = match self.with_data(&block).await {
                    Ok(with_data) => with_data,
                    Err(error) => {
                        // Without its data nothing can go on; and L1 may not hold the block itself any more.
                        follower.put_back();
                        return Err(error);
                    }
                };
                let (at, parent) = (derived.as_ref(), block.parent_hash);
                // First the record: what the executor notes about a batch comes after the batch.
                self.record(Recorded::Block { block: at, parent, logs }).await?;
                self.last = Some((at, parent));
                self.send(L1Message::Block(Box::new(derived))).await
            }
            Some(FollowEvent::Reorg { common }) => self.go_back(common.number, false).await,
            None => {
                if follower.head() != self.tagged {
                    if let Some((block, parent)) = self.last {
                        self.record(Recorded::Head { block, parent }).await?;
                    }
                    self.send_tags().await?;
                    self.send(L1Message::CaughtUp).await?;
                    self.refusals = 0;
                    self.tagged = follower.head();
                }
                tokio::time::sleep(self.poll).await;
                Ok(())
            }
        }
    }

    /// Whether derivation stood after another block of this number. What is read again after a start is new to the
    /// follower: it cannot tell that L1 changed between the check of the stands and now.
    async fn is_not_what_stood(&self, block: &L1Block) -> Result<bool, SequencerError> {
        if block.number > self.settled {
            return Ok(false);
        }
        let stands = self.mailbox.ask(|answer| Message::L1(L1Message::Stands(answer))).await?;
        Ok(stands.iter().any(|stand| stand.number == block.number && stand.hash != block.hash))
    }

    /// The newest L1 block after which derivation stood and that L1 still holds; before the creation, if none.
    async fn last_common(&self) -> Result<u64, SequencerError> {
        let stands = self.mailbox.ask(|answer| Message::L1(L1Message::Stands(answer))).await?;
        for stand in stands {
            if hash_at(&self.client, stand.number).await? == Some(stand.hash) {
                return Ok(stand.number);
            }
        }
        Ok(self.info.l1_number.saturating_sub(1))
    }

    /// An endpoint made a block up. Goes back to where derivation stood on what L1 holds, later each time: to find out
    /// what is wrong with a block costs work.
    async fn leave(&mut self, Refused { block, why }: Refused) -> Result<(), SequencerError> {
        self.client.distrust();
        let pause = self.poll.saturating_mul(1 << self.refusals).min(MAX_PAUSE);
        self.refusals = (self.refusals + 1).min(MAX_DOUBLINGS);
        *self.shared.l1_trouble.lock() = why.clone();
        tokio::time::sleep(pause).await;
        let common = self.last_common().await?;
        self.record(Recorded::Unreal(block.hash)).await?;
        self.go_back(common, true).await?;
        Err(SequencerError::L1(why))
    }

    async fn go_back(&mut self, common: u64, reopen: bool) -> Result<(), SequencerError> {
        self.record(Recorded::Reorg(common)).await?;
        let reorg = |answer: oneshot::Sender<GoOn>| Message::L1(L1Message::Reorg { common, reopen, answer });
        let GoOn { from, settled } = self.mailbox.ask(reorg).await?;
        (self.again, self.settled, self.last, self.tagged) = (from, settled, None, None);
        Ok(())
    }

    async fn record(&self, recorded: Recorded) -> Result<(), SequencerError> {
        self.recorder.send(recorded).await.map_err(|_| SequencerError::Stopped)
    }

    async fn send_tags(&self) -> Result<(), SequencerError> {
        let number =
            async |tag| Ok::<_, SequencerError>(self.client.try_header(tag).await.map_err(l1_error)?.map(|h| h.number));
        let (safe, finalized) =
            (number(BlockTag::Safe).await?.unwrap_or(0), number(BlockTag::Finalized).await?.unwrap_or(0));
        let _ = self.recorder.try_send(Recorded::Finalized(finalized));
        self.send(L1Message::Tags { safe, finalized }).await
    }

    async fn send(&self, message: L1Message) -> Result<(), SequencerError> {
        self.mailbox.send(Message::L1(message)).await
    }

    /// The block as derivation reads it, and all its logs as the recorder does.
    async fn with_data(&self, block: &L1Block) -> Result<(derive::L1Block, Vec<(Logged, L1Log)>), SequencerError> {
        let (mut events, mut logs) = (Vec::new(), Vec::new());
        for log in &block.logs {
            if let Some(event) = decode_settlement(&self.info, log) {
                logs.push((Logged::Settlement(Box::new(event)), log.clone()));
                continue;
            }
            let inbox = Some(log).filter(|log| log.address == self.info.rollup);
            let Some(mut event) = inbox.and_then(|l| InboxEvent::decode(&l.data, block.number, block.timestamp)) else {
                continue;
            };
            logs.push((Logged::Inbox(event.clone()), log.clone()));
            if let InboxEvent::Batch(batch) = &mut event {
                batch.fits(block.number, block.timestamp).map_err(|why| {
                    self.client.distrust();
                    SequencerError::L1(why)
                })?;
                if block.number > self.settled {
                    batch.data = self.fetch(block, log, batch).await.map_err(l1_error)?;
                }
            }
            events.push(event);
        }
        let derived = derive::L1Block {
            number: block.number,
            hash: block.hash,
            parent_hash: block.parent_hash,
            timestamp: block.timestamp,
            prev_randao: block.mix_hash,
            parent_beacon_root: block.parent_beacon_root,
            events,
        };
        Ok((derived, logs))
    }

    async fn fetch(&self, block: &L1Block, log: &L1Log, batch: &PostedBatch) -> Result<BatchData, L1Error> {
        if let Some(data) = self.shared.data_of(batch.header.dataHash) {
            return Ok(data);
        }
        match batch.header.codec {
            1 => {
                let blobs = self.beacon.blobs(block.number, block.timestamp, &batch.blob_hashes).await?;
                Ok(BatchData::Blobs(blobs.iter().map(|blob| Bytes::copy_from_slice(blob.as_slice())).collect()))
            }
            2 => {
                let data = self.client.batch_calldata(self.info.rollup, log.tx_hash, batch.header.dataHash).await?;
                Ok(BatchData::Calldata(data))
            }
            _ => Ok(BatchData::None),
        }
    }
}

fn l1_error(error: L1Error) -> SequencerError {
    SequencerError::L1(error.to_string())
}
