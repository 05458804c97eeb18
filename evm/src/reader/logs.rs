//! Logs by block range, address and topics.

use super::ChainReader;
use crate::{EvmError, SealedBlock};
use alloy_primitives::{Address, B256, Bloom, BloomInput, Log};

/// Most blocks one filter may span.
pub const MAX_LOG_RANGE_BLOCKS: u64 = 500_000;

/// Which logs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// First block.
    pub from: u64,
    /// Last block; blocks above the head hold none.
    pub to: u64,
    /// Emitters; empty for any.
    pub addresses: Vec<Address>,
    /// For each topic what it may be; empty for any.
    pub topics: [Vec<B256>; 4],
    /// More logs than this are an error, not a cut.
    pub max_results: usize,
}

/// A log with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The log.
    pub log: Log,
    /// Its block.
    pub block_number: u64,
    /// Its block.
    pub block_hash: B256,
    /// Its block's timestamp.
    pub block_timestamp: u64,
    /// Its transaction.
    pub tx_hash: B256,
    /// Position of its transaction in the block.
    pub tx_index: usize,
    /// Position of the log in the block.
    pub log_index: usize,
}

impl LogFilter {
    /// Whether a block with this bloom may hold a log for the filter.
    pub fn may_match(&self, bloom: &Bloom) -> bool {
        let any = |inputs: &mut dyn Iterator<Item = &[u8]>| {
            let mut inputs = inputs.peekable();
            inputs.peek().is_none() || inputs.any(|input| bloom.contains_input(BloomInput::Raw(input)))
        };
        any(&mut self.addresses.iter().map(|address| address.as_slice()))
            && self.topics.iter().all(|topics| any(&mut topics.iter().map(|topic| topic.as_slice())))
    }

    /// Whether a log fits.
    pub fn matches(&self, log: &Log) -> bool {
        let topic = |(index, wanted): (usize, &Vec<B256>)| {
            wanted.is_empty() || log.topics().get(index).is_some_and(|topic| wanted.contains(topic))
        };
        (self.addresses.is_empty() || self.addresses.contains(&log.address))
            && self.topics.iter().enumerate().all(topic)
    }

    /// The logs of a block that fit, in order.
    pub fn pick<'a>(&'a self, block: &'a SealedBlock) -> impl Iterator<Item = LogEntry> + 'a {
        let logs = block.receipts.iter().enumerate();
        let logs = logs.flat_map(|(tx_index, receipt)| receipt.logs.iter().map(move |log| (tx_index, receipt, log)));
        let fitting = logs.enumerate().filter(|(_, (_, _, log))| self.matches(log));
        fitting.map(|(log_index, (tx_index, receipt, log))| LogEntry {
            log: log.clone(),
            block_number: block.number(),
            block_hash: block.hash,
            block_timestamp: block.timestamp(),
            tx_hash: receipt.tx_hash,
            tx_index,
            log_index,
        })
    }
}

impl ChainReader {
    /// The logs that fit a filter, in order.
    ///
    /// # Errors
    /// [`EvmError::RangeTooWide`], [`EvmError::TooManyResults`], or if a block cannot be read.
    pub fn logs(&self, filter: &LogFilter) -> Result<Vec<LogEntry>, EvmError> {
        let last = filter.to.min(self.head().number());
        let span = (last + 1).saturating_sub(filter.from);
        if span > MAX_LOG_RANGE_BLOCKS {
            return Err(EvmError::RangeTooWide(span, MAX_LOG_RANGE_BLOCKS));
        }
        let mut found = Vec::new();
        for number in filter.from..=last {
            let Some(block) = self.block_if(number, |header| filter.may_match(&header.logs_bloom))? else { continue };
            found.extend(filter.pick(&block).take(filter.max_results.saturating_add(1) - found.len()));
            if found.len() > filter.max_results {
                return Err(EvmError::TooManyResults(filter.max_results));
            }
        }
        Ok(found)
    }
}
