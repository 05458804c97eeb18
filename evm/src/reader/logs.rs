//! Logs by block range, address and topics.

use super::ChainReader;
use crate::{
    EvmError, SealedBlock,
    store::{History, SECTION_BLOCKS, Tag, Tags},
};
use alloy_primitives::{Address, B256, Bloom, BloomInput, Log};

/// Most blocks that a filter which fits every log may span.
pub const MAX_LOG_RANGE_BLOCKS: u64 = 500_000;

/// Places of a section that may be looked at for each result that may be given, and at least.
const UNCHECKED_PER_RESULT: usize = 8;
const MIN_UNCHECKED: usize = 4_096;

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

    /// What a log must have, each a set of alternatives, the set that is likely to fit least first.
    fn tags(&self) -> Vec<Tags> {
        let topics = |position: usize| self.topics[position].iter().map(move |topic| Tag::topic(position, topic));
        let sets = [
            Tags::new(topics(3)),
            Tags::new(topics(2)),
            Tags::new(topics(1)),
            Tags::new(self.addresses.iter().map(Tag::emitter)),
            Tags::new(topics(0)),
        ];
        sets.into_iter().filter(|tags| !tags.is_empty()).collect()
    }

    /// Whether it names an emitter or a topic.
    pub fn is_selective(&self) -> bool {
        !self.addresses.is_empty() || self.topics.iter().any(|topics| !topics.is_empty())
    }
}

impl ChainReader {
    /// The logs that fit a filter, in order. Of a filter that names an emitter or a topic, the range may be any: the
    /// index on disk says where its logs are.
    ///
    /// # Errors
    /// [`EvmError::RangeTooWide`] of a filter that fits every log, [`EvmError::TooManyResults`], or if a block cannot
    /// be read.
    pub fn logs(&self, filter: &LogFilter) -> Result<Vec<LogEntry>, EvmError> {
        let last = filter.to.min(self.head().number());
        let span = (last + 1).saturating_sub(filter.from);
        if span > MAX_LOG_RANGE_BLOCKS && !filter.is_selective() {
            return Err(EvmError::RangeTooWide(span, MAX_LOG_RANGE_BLOCKS));
        }
        let mut found = Found { entries: Vec::new(), most: filter.max_results };
        let first = self.shared.durable.read().first();
        let rest = match self.shared.history()? {
            Some(history) if filter.is_selective() && filter.from < first => {
                let indexed = last.min(first - 1);
                indexed_logs(&history, filter, indexed, &mut found)?;
                indexed + 1
            }
            _ => filter.from,
        };
        for number in rest..=last {
            let block = self.block_if(number, |header| filter.may_match(&header.logs_bloom))?;
            found.add(block.iter().flat_map(|block| filter.pick(block)))?;
        }
        Ok(found.entries)
    }
}

/// Logs that were found, at most so many.
struct Found {
    entries: Vec<LogEntry>,
    most: usize,
}

impl Found {
    fn add(&mut self, more: impl Iterator<Item = LogEntry>) -> Result<(), EvmError> {
        let room = self.most.saturating_add(1) - self.entries.len();
        self.entries.extend(more.take(room));
        if self.entries.len() > self.most { Err(EvmError::TooManyResults(self.most)) } else { Ok(()) }
    }
}

/// Adds the logs of blocks that left memory, up to `last`.
fn indexed_logs(history: &History, filter: &LogFilter, last: u64, found: &mut Found) -> Result<(), EvmError> {
    let tags = filter.tags();
    let mut from = filter.from;
    while from <= last {
        let to = last.min(from - from % SECTION_BLOCKS + SECTION_BLOCKS - 1);
        // The index is exact but for tags that collide and for what reverts left in it.
        let most = found.most.saturating_mul(UNCHECKED_PER_RESULT).max(MIN_UNCHECKED);
        let places = history.store.log_places(&tags, (from, to), most)?;
        let places = places.ok_or(EvmError::TooManyResults(found.most))?;
        for block in places.chunk_by(|a, b| a.block == b.block) {
            let (header, logs) = history.logs(block[0].block, |log| filter.matches(log))?;
            let block_hash = header.hash_slow();
            found.add(logs.into_iter().map(|found| LogEntry {
                log: found.log,
                block_number: header.number,
                block_hash,
                block_timestamp: header.timestamp,
                tx_hash: found.tx_hash,
                tx_index: found.tx_index,
                log_index: found.log_index,
            }))?;
        }
        from = to + 1;
    }
    Ok(())
}
