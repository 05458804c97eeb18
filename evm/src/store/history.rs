//! Blocks that left memory.

use super::{ROWS_A_BLOCK, ReadBudget, SECTION_BLOCKS, Store, Tag};
use crate::{
    EvmError, SealedBlock,
    chain::Recent,
    log::{LogReader, PeekedLog, Position, Record, peek_block, peek_changes, peek_logs},
    state::Changes,
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Log};
use std::sync::Arc;

/// Reads old blocks from the log through the store's index. The index may name blocks that were reverted since: whoever
/// asks checks the number against the head, and the answer against what was asked for.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) store: Store,
    pub(crate) log: LogReader,
}

impl History {
    /// A block with its changes.
    pub(crate) fn recent(&self, number: u64) -> Result<Recent, EvmError> {
        let position = self.position(number)?;
        match Record::decode(&self.log.payload(position)?) {
            Some(Record::Block(block, changes)) if block.number() == number => {
                Ok(Recent::new(Arc::from(block), Arc::from(changes)))
            }
            _ => Err(self.log.corrupt(position)),
        }
    }

    /// A block's changes.
    pub(crate) fn changes(&self, number: u64) -> Result<Changes, EvmError> {
        let position = self.position(number)?;
        peek_changes(&self.log.payload(position)?).ok_or_else(|| self.log.corrupt(position))
    }

    /// What `find` has of the first block from `from` to `to` that changed what a tag stands for.
    pub(crate) fn first_change<T>(
        &self,
        tag: Tag,
        (from, to): (u64, u64),
        budget: &ReadBudget,
        mut find: impl FnMut(&Changes) -> Option<T>,
    ) -> Result<Option<T>, EvmError> {
        let mut next = from;
        while next <= to {
            let last = to.min(next - next % SECTION_BLOCKS + SECTION_BLOCKS - 1);
            for place in self.store.changed(tag, (next, last), budget)? {
                budget.spend(ROWS_A_BLOCK)?;
                if let Some(found) = find(&self.changes(place.block)?) {
                    return Ok(Some(found));
                }
            }
            next = last + 1;
        }
        Ok(None)
    }

    /// A block's header, first transaction index and number of transactions.
    pub(crate) fn header(&self, number: u64) -> Result<(Header, u64, u32), EvmError> {
        let position = self.position(number)?;
        let peeked = peek_block(&self.log.payload(position)?);
        peeked.filter(|(header, ..)| header.number == number).ok_or_else(|| self.log.corrupt(position))
    }

    /// A block if its header passes; others are checked but not decoded.
    pub(crate) fn block_if(
        &self,
        number: u64,
        pass: impl FnOnce(&Header) -> bool,
    ) -> Result<Option<Arc<SealedBlock>>, EvmError> {
        let position = self.position(number)?;
        let payload = self.log.payload(position)?;
        let (header, ..) = peek_block(&payload).ok_or_else(|| self.log.corrupt(position))?;
        if !pass(&header) {
            return Ok(None);
        }
        match Record::decode(&payload) {
            Some(Record::Block(block, _)) if block.number() == number => Ok(Some(Arc::from(block))),
            _ => Err(self.log.corrupt(position)),
        }
    }

    /// A block's header and the logs of it that are wanted.
    pub(crate) fn logs(
        &self,
        number: u64,
        wanted: impl Fn(&Log) -> bool,
    ) -> Result<(Header, Vec<PeekedLog>), EvmError> {
        let position = self.position(number)?;
        let peeked = peek_logs(&self.log.payload(position)?, wanted);
        peeked.filter(|(header, _)| header.number == number).ok_or_else(|| self.log.corrupt(position))
    }

    /// A block's hash.
    pub(crate) fn hash(&self, number: u64) -> Result<B256, EvmError> {
        Ok(self.header(number)?.0.hash_slow())
    }

    fn position(&self, number: u64) -> Result<Position, EvmError> {
        self.store.position(number)?.ok_or(EvmError::NoSuchBlock(number))
    }
}
