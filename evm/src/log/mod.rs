//! The append-only block log: what makes a block durable.
//!
//! Segments `log/00000001.log`, … start with a 16-byte header (magic, version, number) and hold records:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `MFR1` |
//! | 4 | payload length |
//! | 8 | how much of the segment was known to be durable when the record was written |
//! | 4 | CRC-32 of the two fields before and the payload |
//! | … | payload: a block with receipts and changes, or a revert |
//!
//! Records are written in groups, one `fdatasync` each. When a log is opened, a record that does not check out ends it
//! and is cut off, **unless** a later record says that it was durable once: then the log is damaged and is not opened.

mod codec;
mod reader;
mod record;
mod salvage;
mod scan;
mod thread;
mod writer;

pub(crate) use codec::{Take, put_account, put_u256, put_uvarint};
pub(crate) use reader::LogReader;
pub(crate) use record::{PeekedLog, Record, peek_block, peek_changes, peek_logs, put_fold_key, take_fold_key};
pub(crate) use salvage::whole_records;
pub(crate) use scan::{first_record, scan};
pub(crate) use thread::{LogHandle, LogMessage, start};
pub(crate) use writer::LogWriter;

use std::path::{Path, PathBuf};

/// Version of segments and records.
const VERSION: u16 = 1;
const SEGMENT_MAGIC: [u8; 6] = *b"MFLOG\0";
const RECORD_MAGIC: [u8; 4] = *b"MFR1";
/// Segments are counted from here on.
pub(crate) const FIRST_SEGMENT: u32 = 1;
/// Bytes before the first record of a segment.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 16;
/// Bytes before a record's payload.
const RECORD_HEADER_BYTES: usize = 20;
/// A segment at least this long is followed by a new one.
const SEGMENT_BYTES: u64 = 64 << 20;
/// The same where a test wants many segments.
const SMALL_SEGMENT_BYTES: u64 = 32 << 10;
/// Longest payload; a block of 2³⁰ gas stays well below.
const MAX_PAYLOAD_BYTES: usize = 512 << 20;

/// Where a record is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u32,
    /// Of the record's first byte.
    pub(crate) offset: u64,
    /// Of record header and payload.
    pub(crate) len: u32,
}

impl Position {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..4].copy_from_slice(&self.segment.to_be_bytes());
        out[4..12].copy_from_slice(&self.offset.to_be_bytes());
        out[12..].copy_from_slice(&self.len.to_be_bytes());
        out
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 16] = bytes.try_into().ok()?;
        let mut take = Take::new(bytes);
        Some(Self { segment: take.u32()?, offset: take.u64()?, len: take.u32()? })
    }

    /// Of the byte after the record.
    pub(crate) const fn end(&self) -> u64 {
        self.offset + self.len as u64
    }
}

fn segment_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:08}.log"))
}

fn segment_header(segment: u32) -> [u8; SEGMENT_HEADER_BYTES as usize] {
    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    header[..6].copy_from_slice(&SEGMENT_MAGIC);
    header[6..8].copy_from_slice(&VERSION.to_be_bytes());
    header[8..].copy_from_slice(&u64::from(segment).to_be_bytes());
    header
}

fn checksum(len_and_durable: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(len_and_durable);
    hasher.update(payload);
    hasher.finalize()
}

/// A record that checks out at the front of some bytes.
struct Frame<'a> {
    durable: u64,
    payload: &'a [u8],
    len: u32,
}

/// Reads the record at the front; `None` if it does not check out.
fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>()?;
    let mut take = Take::new(header);
    let magic = take.array::<4>()?;
    let len = take.u32()?;
    let durable = take.u64()?;
    let crc = take.u32()?;
    let size = usize::try_from(len).ok().filter(|size| *size <= MAX_PAYLOAD_BYTES)?;
    let payload = rest.get(..size)?;
    let good = magic == RECORD_MAGIC && checksum(&header[4..16], payload) == crc;
    good.then_some(Frame { durable, payload, len: len + RECORD_HEADER_BYTES as u32 })
}
