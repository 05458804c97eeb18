//! Every cap on a payload, in one place. They are part of protocol version 1.

use super::blob::{BLOB_CAPACITY_BYTES, LENGTH_PREFIX_BYTES, MAX_BLOBS};

/// First byte of a payload of protocol version 1.
pub const PAYLOAD_FORMAT: u8 = 1;
/// Largest payload: what the blobs of one transaction hold.
pub const MAX_PAYLOAD_BYTES: usize = MAX_BLOBS * BLOB_CAPACITY_BYTES - LENGTH_PREFIX_BYTES;
/// Largest column section before compression; the zstd window is never larger.
pub const MAX_COLUMNS_BYTES: usize = 8 << 20;
/// Blocks in one payload; a chain in memory remembers more, so that an invalid payload can be taken back.
pub const MAX_BLOCKS: usize = 1 << 15;
/// Transactions in one payload.
pub const MAX_TRANSACTIONS: usize = 1 << 16;
/// Distinct transaction templates in one payload.
pub const MAX_TEMPLATES: usize = 1 << 14;
/// Distinct addresses in one payload's account book.
pub const MAX_BOOK: usize = 1 << 17;
/// Distinct sponsor policies in one payload.
pub const MAX_SPONSORS: usize = 1 << 12;
/// 32-byte words of call data that a template takes apart; longer input travels as bytes.
pub const MAX_WORDS: usize = 32;
/// Input, access list or authorization list of one transaction, and one verbatim transaction.
pub const MAX_ITEM_BYTES: usize = 128 << 10;
/// All call data that the templates of one payload expand to.
pub const MAX_EXPANDED_BYTES: usize = 32 << 20;
/// Bytes of a signature outside the columns (`r ‖ s`).
pub const SIGNATURE_BYTES: usize = 64;
/// `format ‖ parent hash ‖ columns length ‖ frame length`.
pub const PREFIX_BYTES: usize = 1 + 32 + 4 + 4;
