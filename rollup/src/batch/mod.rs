//! The batch payload: what a sequencer posts and everybody reads (`docs/protocol/batch.md`).
//!
//! Transactions are sorted into templates; what differs goes into columns, which one zstd frame
//! compresses; signatures, which nothing compresses, stand outside it. Decoding needs no key and
//! no state, so a payload is checked before a single signature is recovered.

mod blob;
mod block;
mod bound;
mod decode;
mod encode;
mod encoder;
mod fields;
mod frame;
mod limits;
mod numbers;
mod rows;
mod template;
mod wire;

pub use blob::{BLOB_BYTES, BLOB_CAPACITY_BYTES, MAX_BLOBS, pack_blobs, unpack_blobs};
pub use block::{BatchBlock, Payload};
pub use bound::{MOST_FRAME_BYTES, most_block_bytes};
pub use decode::{decode, parent_of};
pub use encode::encode;
pub use encoder::{BatchEncoder, EncodedBatch, PendingBlock};
pub use limits::*;
