//! The messages a rollup sent to L1, kept in order so that any can be proven.

use alloy_primitives::B256;
use alloy_sol_types::SolEvent;
use mayfly_contracts::l2::L2Messenger::MessageSent;
use mayfly_contracts::predeploys::L2_MESSENGER;
use mayfly_contracts::types::Message;
use mayfly_evm::{EvmError, LogFilter, MAX_LOG_RANGE_BLOCKS};
use mayfly_rollup::settlement::{
    MESSAGE_TREE_DEPTH, append_proof, append_root, decode_message, message_leaf, verify_append,
};
use parking_lot::Mutex;

use super::backend::Rollup;
use super::errors::{self, RpcError};

/// Messages the node keeps for proofs; a rollup with more proves them offline with `mayfly verify`.
const MAX_MESSAGES: usize = 1 << 17;

/// Messages up to a block. Filled when asked.
#[derive(Debug, Default)]
pub(crate) struct Messages(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Message, its leaf, and the block that sent it; index = position.
    rows: Vec<(Message, B256, u64)>,
    /// Read up to this block, included.
    read: Option<(u64, B256)>,
}

/// A message with what `Vault.withdraw` asks for.
pub(crate) struct Proven {
    pub(crate) message: Message,
    pub(crate) leaf: B256,
    pub(crate) root: B256,
    pub(crate) proof: Vec<B256>,
}

impl Messages {
    /// The proof of message `index` at `block`; `None` if it was sent later or never.
    pub(crate) fn prove(&self, rollup: &Rollup, index: u64, block: u64) -> Result<Option<Proven>, RpcError> {
        let mut known = self.0.lock();
        known.read_up_to(rollup, block)?;
        let count = known.count_at(block);
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if at >= count {
            return Ok(None);
        }
        let leaves: Vec<B256> = known.rows[..count].iter().map(|(_, leaf, _)| *leaf).collect();
        let (message, leaf, _) = known.rows[at].clone();
        drop(known);
        let root = append_root(&leaves, MESSAGE_TREE_DEPTH);
        let proof = append_proof(&leaves, at, MESSAGE_TREE_DEPTH).map_err(RpcError::internal)?;
        if !verify_append(root, leaf, index, &proof) {
            return Err(RpcError::internal(format!("the proof of message {index} does not verify")));
        }
        Ok(Some(Proven { message, leaf, root, proof }))
    }

    /// Messages sent up to `block`, as far as they were read.
    pub(crate) fn count_at(&self, block: u64) -> usize {
        self.0.lock().count_at(block)
    }
}

impl Known {
    fn count_at(&self, block: u64) -> usize {
        self.rows.partition_point(|(_, _, sent)| *sent <= block)
    }

    fn read_up_to(&mut self, rollup: &Rollup, block: u64) -> Result<(), RpcError> {
        if let Some((number, hash)) = self.read {
            let now = rollup.reader.block_by_number(number).map_err(errors::reading)?;
            if now.is_none_or(|now| now.hash != hash) {
                *self = Self::default();
            }
        }
        let mut from = self.read.map_or(0, |(number, _)| number + 1);
        while from <= block {
            let to = block.min(from.saturating_add(MAX_LOG_RANGE_BLOCKS - 1));
            self.read_range(rollup, from, to)?;
            from = to + 1;
        }
        Ok(())
    }

    fn read_range(&mut self, rollup: &Rollup, from: u64, to: u64) -> Result<(), RpcError> {
        let mut filter =
            LogFilter { from, to, addresses: vec![L2_MESSENGER], max_results: MAX_MESSAGES, ..LogFilter::default() };
        filter.topics[0] = vec![MessageSent::SIGNATURE_HASH];
        let last = rollup.reader.block_by_number(to).map_err(errors::reading)?;
        let last = last.ok_or_else(|| RpcError::unknown_block(to))?;
        for entry in rollup.reader.logs(&filter).map_err(errors::reading)? {
            let message = decode_message(L2_MESSENGER, &entry.log);
            let message = message.filter(|message| message.index == self.rows.len() as u64);
            let message = message.ok_or_else(|| RpcError::internal("messages of the messenger have a gap"))?;
            if self.rows.len() == MAX_MESSAGES {
                return Err(errors::reading(EvmError::TooManyResults(MAX_MESSAGES)));
            }
            let leaf = message_leaf(rollup.chain_id, &message);
            self.rows.push((message, leaf, entry.block_number));
        }
        self.read = Some((to, last.hash));
        Ok(())
    }
}
