//! L1 blocks as derivation wants them: decoded, with the data of their batches.

use alloy_primitives::Bytes;
use mayfly_contracts::settlement::Settlement::SettlementEvents;
use mayfly_l1::{BeaconClient, L1Client, L1Error, L1Log, RollupContracts, RollupEvent};
use mayfly_rollup::derive::{BatchData, InboxEvent, L1Block, PostedBatch};

use crate::VerifierError;

const CODEC_BLOBS: u8 = 1;
const CODEC_CALLDATA: u8 = 2;

/// An L1 block, split into what derivation reads and what is about claims.
#[derive(Debug)]
pub(crate) struct FedBlock {
    pub(crate) block: L1Block,
    pub(crate) settlement: Vec<(L1Log, SettlementEvents)>,
}

/// Fetches batch data for L1 blocks.
#[derive(Debug, Clone)]
pub struct Feed {
    l1: L1Client,
    beacon: BeaconClient,
    contracts: RollupContracts,
}

impl Feed {
    /// Data of one rollup's batches from these endpoints.
    pub fn new(l1: L1Client, beacon: BeaconClient, contracts: RollupContracts) -> Self {
        Self { l1, beacon, contracts }
    }

    pub(crate) async fn prepare(&self, block: &mayfly_l1::L1Block) -> Result<FedBlock, VerifierError> {
        let mut settlement = Vec::new();
        for log in block.logs.iter().filter(|log| log.address == self.contracts.settlement) {
            if let Some(RollupEvent::Settlement(event)) = self.contracts.decode(log)? {
                settlement.push((log.clone(), event));
            }
        }
        Ok(FedBlock { block: self.derivable(block).await?, settlement })
    }

    /// The block with the Inbox's logs decoded and the data of its batches fetched.
    pub async fn derivable(&self, block: &mayfly_l1::L1Block) -> Result<L1Block, VerifierError> {
        let mut events = Vec::new();
        for log in block.logs.iter().filter(|log| log.address == self.contracts.inbox) {
            match InboxEvent::decode(&log.data, block.number, block.timestamp) {
                Some(InboxEvent::Batch(batch)) => {
                    events.push(InboxEvent::Batch(self.with_data(block, log, batch).await?))
                }
                Some(event) => events.push(event),
                None => {}
            }
        }
        Ok(L1Block {
            number: block.number,
            hash: block.hash,
            parent_hash: block.parent_hash,
            timestamp: block.timestamp,
            prev_randao: block.mix_hash,
            parent_beacon_root: block.parent_beacon_root,
            events,
        })
    }

    async fn with_data(
        &self,
        block: &mayfly_l1::L1Block,
        log: &L1Log,
        mut batch: Box<PostedBatch>,
    ) -> Result<Box<PostedBatch>, VerifierError> {
        batch.fits(block.number, block.timestamp).map_err(L1Error::Inconsistent)?;
        batch.data = match batch.header.codec {
            CODEC_BLOBS => {
                let blobs = self.beacon.blobs(block.number, block.timestamp, &batch.blob_hashes).await?;
                BatchData::Blobs(blobs.iter().map(|blob| Bytes::copy_from_slice(blob.as_slice())).collect())
            }
            CODEC_CALLDATA => {
                let data_hash = batch.header.dataHash;
                BatchData::Calldata(self.l1.batch_calldata(self.contracts.inbox, log.tx_hash, data_hash).await?)
            }
            _ => BatchData::None,
        };
        Ok(batch)
    }
}
