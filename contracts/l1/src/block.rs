//! L1 values as the rest of Mayfly sees them.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bloom, BloomInput, LogData};
use alloy_rpc_types_eth::TransactionReceipt;

use crate::L1Error;

/// A block's place on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockRef {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// A header whose hash was recomputed from its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1Header {
    hash: B256,
    header: Header,
}

impl L1Header {
    /// Accepts a header if it hashes to what the endpoint said.
    pub(crate) fn verify(header: Header, claimed: B256) -> Result<Self, L1Error> {
        let hash = header.hash_slow();
        if hash != claimed {
            return Err(L1Error::Inconsistent(format!("block {} hashes to {hash}, not {claimed}", header.number)));
        }
        Ok(Self { hash, header })
    }

    /// Block hash.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// Number and hash.
    pub fn block_ref(&self) -> BlockRef {
        BlockRef { number: self.header.number, hash: self.hash }
    }

    /// The fields.
    pub fn header(&self) -> &Header {
        &self.header
    }
}

impl std::ops::Deref for L1Header {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.header
    }
}

/// One log of a watched contract, proven against the block's receipts root. The transaction
/// hash alone is the endpoint's word: whoever uses it checks the transaction's own hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1Log {
    /// The contract.
    pub address: Address,
    /// Topics and data.
    pub data: LogData,
    /// Position among the block's logs.
    pub index: u64,
    /// Position of its transaction in the block.
    pub tx_index: u64,
    /// Hash of its transaction, as the endpoint says.
    pub tx_hash: B256,
}

/// An L1 block with the logs of the watched contracts, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct L1Block {
    /// Number.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// `mixHash`, which is `prevRandao`.
    pub mix_hash: B256,
    /// Root of the beacon block before; none where L1 has no beacon chain.
    pub parent_beacon_root: Option<B256>,
    /// Logs of the watched contracts.
    pub logs: Vec<L1Log>,
}

impl L1Block {
    pub(crate) fn new(header: &L1Header, logs: Vec<L1Log>) -> Self {
        Self {
            number: header.number,
            hash: header.hash(),
            parent_hash: header.parent_hash,
            timestamp: header.timestamp,
            mix_hash: header.mix_hash,
            parent_beacon_root: header.parent_beacon_block_root,
            logs,
        }
    }

    /// Number and hash.
    pub fn block_ref(&self) -> BlockRef {
        BlockRef { number: self.number, hash: self.hash }
    }
}

/// Which logs to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogFilter {
    pub(crate) addresses: Vec<Address>,
    /// First topics; empty means any.
    pub(crate) topics: Vec<B256>,
}

impl LogFilter {
    /// False only if the block certainly has no such log.
    pub(crate) fn may_match(&self, bloom: &Bloom) -> bool {
        let has = |bytes: &[u8]| bloom.contains_input(BloomInput::Raw(bytes));
        self.addresses.iter().any(|address| has(address.as_slice()))
            && (self.topics.is_empty() || self.topics.iter().any(|topic| has(topic.as_slice())))
    }

    fn matches(&self, log: &alloy_primitives::Log) -> bool {
        self.addresses.contains(&log.address)
            && (self.topics.is_empty() || log.topics().first().is_some_and(|topic| self.topics.contains(topic)))
    }

    /// The matching logs of receipts that the header commits to.
    pub(crate) fn select(&self, receipts: Vec<TransactionReceipt>) -> Vec<L1Log> {
        let mut selected = Vec::new();
        let mut index = 0;
        for (tx_index, receipt) in (0u64..).zip(receipts) {
            let tx_hash = receipt.transaction_hash;
            for log in receipt.inner.logs() {
                if self.matches(&log.inner) {
                    let data = log.inner.data.clone();
                    selected.push(L1Log { address: log.inner.address, data, index, tx_index, tx_hash });
                }
                index += 1;
            }
        }
        selected
    }
}

/// Whether the receipts are exactly those the header commits to.
pub(crate) fn receipts_fit(header: &L1Header, receipts: &[TransactionReceipt]) -> bool {
    let consensus: Vec<_> = receipts.iter().map(|receipt| receipt.inner.clone().map_logs(|log| log.inner)).collect();
    alloy_consensus::proofs::calculate_receipt_root(&consensus) == header.receipts_root
}
