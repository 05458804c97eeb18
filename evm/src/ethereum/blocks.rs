//! Blocks as Ethereum's nodes export them: one RLP list after the other.

use crate::EvmError;
use alloy_consensus::{Block, TxEnvelope};
use alloy_rlp::{Decodable, Header};

/// EIP-7934: the most bytes a block may have, from Osaka on. Larger ones of older chains are read too.
pub(super) const MAX_BLOCK_BYTES: usize = 8 << 20;

/// A block of another node, not looked at yet.
#[derive(Clone, Debug)]
pub struct ForeignBlock {
    /// Header, transactions, uncles and withdrawals.
    pub(super) block: Block<TxEnvelope>,
    /// Length of its RLP.
    pub(super) bytes: usize,
}

impl ForeignBlock {
    /// Its header.
    pub const fn header(&self) -> &alloy_consensus::Header {
        &self.block.header
    }
}

/// The blocks of an export.
#[derive(Clone, Debug)]
pub struct ForeignBlocks<'a> {
    rest: &'a [u8],
    all: usize,
}

impl<'a> ForeignBlocks<'a> {
    /// The blocks in these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, all: bytes.len() }
    }

    fn read(&mut self) -> Result<ForeignBlock, alloy_rlp::Error> {
        let Header { payload_length, .. } = Header::decode(&mut &*self.rest)?;
        let before = self.rest.len();
        let block = Block::decode(&mut self.rest)?;
        let bytes = before - self.rest.len();
        debug_assert!(bytes > payload_length);
        Ok(ForeignBlock { block, bytes })
    }
}

impl Iterator for ForeignBlocks<'_> {
    type Item = Result<ForeignBlock, EvmError>;

    /// The next block; after an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.all - self.rest.len();
        Some(self.read().map_err(|err| {
            self.rest = &[];
            EvmError::Import { place: format!("byte {at}"), reason: err.to_string() }
        }))
    }
}
