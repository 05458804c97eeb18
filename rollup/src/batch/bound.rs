//! What a payload takes at most, known before it is encoded. Whoever answers for transactions before L1 has them counts
//! on it.

use alloy_eips::eip2718::Encodable2718;

use super::block::BatchBlock;

/// Beside its blocks.
pub const MOST_FRAME_BYTES: usize = 128;
/// Of a block, beside its transactions; with so much for each, `MAX_BLOCKS` of them do not fit a payload.
const BLOCK_BYTES: usize = 32;
/// Of a transaction, beside its own encoding,
const TRANSACTION_BYTES: usize = 16;
/// and one byte for so many of that.
const BYTES_A_BYTE: usize = 16;

/// What a block of so many transactions, with encodings (EIP-2718) of so many bytes together, adds to a payload at most.
/// A payload of blocks that add no more than the limit, and [`MOST_FRAME_BYTES`], fits. Sponsors are not counted.
pub const fn most_block_bytes(encoded_bytes: usize, transactions: usize) -> usize {
    encoded_bytes + encoded_bytes.div_ceil(BYTES_A_BYTE) + BLOCK_BYTES + TRANSACTION_BYTES * transactions
}

pub(super) fn most_bytes(block: &BatchBlock) -> usize {
    let encoded = block.transactions.iter().map(Encodable2718::encode_2718_len).sum();
    most_block_bytes(encoded, block.transactions.len())
}
