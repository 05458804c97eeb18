//! Blocks: what goes in, what comes out, and how a header is sealed.

use crate::{ChainSpec, Receipt, RecoveredTx, receipt::receipts_root};
use alloy_consensus::{
    Header,
    constants::{EMPTY_OMMER_ROOT_HASH, EMPTY_WITHDRAWALS},
    proofs::{calculate_ommers_root, calculate_withdrawals_root},
};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use revm::primitives::hardfork::SpecId;
use std::sync::Arc;

/// What Ethereum's consensus, by work or by stake, adds to a block. A rollup has none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consensus {
    /// Difficulty; 0 since the merge.
    pub difficulty: U256,
    /// Nonce of the proof of work.
    pub nonce: B64,
    /// Uncles.
    pub ommers: Vec<Header>,
    /// Withdrawals of validators.
    pub withdrawals: Vec<Withdrawal>,
}

/// The inputs of a block that its parent and transactions do not give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockAttributes {
    /// Unix seconds.
    pub timestamp: u64,
    /// `mixHash`: in a rollup the L1 origin's.
    pub prev_randao: B256,
    /// The L1 origin's, 0 where L1 has none.
    pub parent_beacon_block_root: B256,
    /// At most 32 bytes.
    pub extra_data: Bytes,
    /// The block's gas limit.
    pub gas_limit: u64,
    /// Who receives fees.
    pub beneficiary: Address,
    /// Nothing in a rollup.
    pub consensus: Consensus,
}

impl BlockAttributes {
    /// The inputs of a block that has this header.
    pub(crate) fn of(header: &Header, ommers: Vec<Header>, withdrawals: Vec<Withdrawal>) -> Self {
        Self {
            timestamp: header.timestamp,
            prev_randao: header.mix_hash,
            parent_beacon_block_root: header.parent_beacon_block_root.unwrap_or_default(),
            extra_data: header.extra_data.clone(),
            gas_limit: header.gas_limit,
            beneficiary: header.beneficiary,
            consensus: Consensus { difficulty: header.difficulty, nonce: header.nonce, ommers, withdrawals },
        }
    }
}

/// A block with everything that followed from it. Immutable; shared behind an `Arc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBlock {
    /// The header.
    pub header: Header,
    /// Keccak of the header's RLP.
    pub hash: B256,
    /// Transactions in order.
    pub transactions: Vec<Arc<RecoveredTx>>,
    /// A receipt for each transaction.
    pub receipts: Vec<Receipt>,
    /// Global index of the first transaction: how many the chain held before this block.
    pub first_index: u64,
    /// Uncles; a rollup has none.
    pub ommers: Vec<Header>,
    /// Withdrawals of validators; a rollup has none.
    pub withdrawals: Vec<Withdrawal>,
}

impl SealedBlock {
    /// Block number.
    pub const fn number(&self) -> u64 {
        self.header.number
    }

    /// Unix seconds.
    pub const fn timestamp(&self) -> u64 {
        self.header.timestamp
    }

    /// Global index after the last transaction.
    pub fn next_index(&self) -> u64 {
        self.first_index + self.transactions.len() as u64
    }

    /// About how many bytes the block takes in memory.
    pub fn size_bytes(&self) -> usize {
        let txs: usize = self.transactions.iter().map(|tx| 400 + tx.tx.input().len()).sum();
        let logs = |r: &Receipt| r.logs.iter().map(|l| 96 + 32 * l.topics().len() + l.data.data.len()).sum::<usize>();
        let receipts: usize = self.receipts.iter().map(|r| size_of::<Receipt>() + logs(r)).sum();
        size_of::<Self>() + txs + receipts
    }
}

/// Position of a block's roots and totals: what execution adds to [`BlockAttributes`].
pub(crate) struct HeaderParts<'a> {
    pub(crate) spec: &'a ChainSpec,
    pub(crate) number: u64,
    pub(crate) parent_hash: B256,
    pub(crate) base_fee: Option<u64>,
    pub(crate) state_root: B256,
    pub(crate) transactions: &'a [Arc<RecoveredTx>],
    pub(crate) receipts: &'a [Receipt],
    pub(crate) excess_blob_gas: u64,
    pub(crate) blob_gas_used: u64,
    /// Hash of the requests to the consensus layer.
    pub(crate) requests_hash: B256,
}

/// Builds and hashes the header of a block.
pub(crate) fn seal_header(attributes: &BlockAttributes, parts: HeaderParts<'_>) -> (Header, B256) {
    let Consensus { difficulty, nonce, ommers, withdrawals } = &attributes.consensus;
    let fork = parts.spec.spec_id(parts.number, attributes.timestamp);
    let logs_bloom = parts.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.bloom);
    let from = |spec: SpecId| fork.is_enabled_in(spec);
    let header = Header {
        parent_hash: parts.parent_hash,
        ommers_hash: if ommers.is_empty() { EMPTY_OMMER_ROOT_HASH } else { calculate_ommers_root(ommers) },
        beneficiary: attributes.beneficiary,
        state_root: parts.state_root,
        transactions_root: transactions_root(parts.transactions),
        receipts_root: receipts_root(parts.receipts),
        logs_bloom,
        difficulty: *difficulty,
        number: parts.number,
        gas_limit: attributes.gas_limit,
        gas_used: parts.receipts.last().map_or(0, |receipt| receipt.cumulative_gas_used),
        timestamp: attributes.timestamp,
        extra_data: attributes.extra_data.clone(),
        mix_hash: attributes.prev_randao,
        nonce: *nonce,
        base_fee_per_gas: parts.base_fee,
        withdrawals_root: from(SpecId::SHANGHAI).then(|| withdrawals_root(withdrawals)),
        blob_gas_used: from(SpecId::CANCUN).then_some(parts.blob_gas_used),
        excess_blob_gas: from(SpecId::CANCUN).then_some(parts.excess_blob_gas),
        parent_beacon_block_root: from(SpecId::CANCUN).then_some(attributes.parent_beacon_block_root),
        requests_hash: from(SpecId::PRAGUE).then_some(parts.requests_hash),
        block_access_list_hash: None,
        slot_number: None,
    };
    let hash = header.hash_slow();
    (header, hash)
}

fn withdrawals_root(withdrawals: &[Withdrawal]) -> B256 {
    if withdrawals.is_empty() { EMPTY_WITHDRAWALS } else { calculate_withdrawals_root(withdrawals) }
}

/// Root of the trie of transactions, in block order.
pub fn transactions_root(transactions: &[Arc<RecoveredTx>]) -> B256 {
    alloy_trie::root::ordered_trie_root_with_encoder(transactions, |tx, out| tx.tx.encode_into(out))
}
