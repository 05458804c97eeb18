//! The task that follows L1 and hands its blocks to the executor and to the recorder.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::Bytes;
use mayfly_l1::{
    BeaconClient, BlockRef, BlockTag, FollowEvent, FollowerConfig, L1Block, L1Client, L1Error, L1Follower, L1Log,
};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::derive::{self, BatchData, InboxEvent, PostedBatch};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::record::Recorded;
use crate::error::SequencerError;
use crate::executor::{L1Message, Mailbox, Message, Stands};
use crate::shared::Shared;

/// Errors of L1 are logged once in so many.
const LOG_EVERY: u32 = 30;

/// See the module.
pub(crate) struct Mirror {
    pub(crate) info: Arc<RollupInfo>,
    pub(crate) client: L1Client,
    pub(crate) beacon: BeaconClient,
    pub(crate) start: BlockRef,
    pub(crate) poll: Duration,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) recorder: mpsc::Sender<Recorded>,
    /// The head for which safe and final blocks were asked.
    pub(crate) tagged: Option<BlockRef>,
}

/// Finds the newest stand that L1 and the chain still hold, forgets those after it, and names the block to read first.
pub(crate) async fn start_of(
    client: &L1Client,
    info: &RollupInfo,
    stands: &mut Stands,
    holds: impl Fn(&derive::L2Ref) -> Result<bool, SequencerError>,
    genesis: derive::Checkpoint,
) -> Result<BlockRef, SequencerError> {
    loop {
        let stand = *stands.last();
        let is_genesis = stand.l1.number < info.l1_number;
        let on_l1 = is_genesis || hash_at(client, stand.l1.number).await? == Some(stand.l1.hash);
        if on_l1 && holds(&stand.head)? {
            break;
        }
        tracing::warn!(l1_block = stand.l1.number, block = stand.head.number, "a stand no longer holds");
        if !stands.pop()? {
            if is_genesis {
                return Err(SequencerError::Chain("the chain does not have the rollup's genesis".to_owned()));
            }
            stands.restart(genesis)?;
        }
    }
    let number = stands.last().replay_from().max(info.l1_number);
    let hash = hash_at(client, number).await?;
    let hash = hash.ok_or_else(|| SequencerError::L1(format!("block {number} is missing")))?;
    if number == info.l1_number && hash != info.l1_hash {
        return Err(SequencerError::L1(format!(
            "block {number} is {hash}, the rollup was created in {}",
            info.l1_hash
        )));
    }
    Ok(BlockRef { number, hash })
}

async fn hash_at(client: &L1Client, number: u64) -> Result<Option<alloy_primitives::B256>, SequencerError> {
    let header = client.try_header(BlockTag::Number(number)).await.map_err(|e| SequencerError::L1(e.to_string()))?;
    Ok(header.map(|h| h.hash()))
}

impl Mirror {
    /// Runs until cancelled or the executor is gone.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        let mut config = FollowerConfig::new(self.start, vec![self.info.rollup]);
        config.topics = InboxEvent::topics().to_vec();
        config.poll = self.poll;
        let mut follower = L1Follower::new(self.client.clone(), config);
        let mut failures = 0u32;
        loop {
            let step = tokio::select! {
                () = cancel.cancelled() => return,
                step = self.step(&mut follower) => step,
            };
            match step {
                Ok(()) => failures = 0,
                Err(SequencerError::Stopped) => return,
                Err(error) => {
                    if failures.is_multiple_of(LOG_EVERY) {
                        tracing::warn!(%error, failures, "following l1 failed");
                    }
                    failures = failures.saturating_add(1);
                    tokio::select! {
                        () = cancel.cancelled() => return,
                        () = tokio::time::sleep(self.poll) => {}
                    }
                }
            }
        }
    }

    async fn step(&mut self, follower: &mut L1Follower) -> Result<(), SequencerError> {
        match follower.try_next().await.map_err(l1_error)? {
            Some(FollowEvent::Block(block)) => {
                let (derived, logs) = self.with_data(&block).await;
                let recorded = Recorded::Block { block: derived.as_ref(), parent: block.parent_hash, logs };
                // First the record: what the executor notes about a batch comes after the batch.
                self.recorder.send(recorded).await.map_err(|_| SequencerError::Stopped)?;
                self.send(L1Message::Block(Box::new(derived))).await
            }
            Some(FollowEvent::Reorg { common }) => {
                self.recorder.send(Recorded::Reorg(common.number)).await.map_err(|_| SequencerError::Stopped)?;
                self.send(L1Message::Reorg(common.number)).await
            }
            None => {
                if follower.head() != self.tagged {
                    self.send_tags().await?;
                    self.send(L1Message::CaughtUp).await?;
                    self.tagged = follower.head();
                }
                tokio::time::sleep(self.poll).await;
                Ok(())
            }
        }
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

    /// The block as derivation reads it. Fetching data is tried until it works: without it nothing can go on.
    async fn with_data(&self, block: &L1Block) -> (derive::L1Block, Vec<(InboxEvent, L1Log)>) {
        let mut logs = Vec::new();
        for log in &block.logs {
            let Some(mut event) = InboxEvent::decode(&log.data, block.number, block.timestamp) else { continue };
            if let InboxEvent::Batch(batch) = &mut event {
                let mut failures = 0u32;
                loop {
                    match self.fetch(block, log, batch).await {
                        Ok(data) => {
                            batch.data = data;
                            break;
                        }
                        Err(error) => {
                            if failures.is_multiple_of(LOG_EVERY) {
                                tracing::warn!(%error, seq = batch.header.seq, "fetching batch data failed");
                            }
                            failures = failures.saturating_add(1);
                            tokio::time::sleep(self.poll).await;
                        }
                    }
                }
            }
            logs.push((event, log.clone()));
        }
        let derived = derive::L1Block {
            number: block.number,
            hash: block.hash,
            parent_hash: block.parent_hash,
            timestamp: block.timestamp,
            prev_randao: block.mix_hash,
            parent_beacon_root: block.parent_beacon_root,
            events: logs.iter().map(|(event, _)| event.clone()).collect(),
        };
        for (event, _) in &mut logs {
            if let InboxEvent::Batch(batch) = event {
                batch.data = BatchData::None;
            }
        }
        (derived, logs)
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
