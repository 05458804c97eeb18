//! The one zstd frame around the columns.
//!
//! Only the plainest frame is accepted: declared content size, no dictionary, no checksum, window
//! within [`MAX_COLUMNS_BYTES`], nothing after it. So memory and work are known before decompressing.

use super::limits::MAX_COLUMNS_BYTES;
use super::wire::Columns;
use crate::error::BatchError;
use std::io::Write;
use zstd::zstd_safe;

const LEVEL: i32 = 3;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const MAX_WINDOW_LOG: u32 = 23;
/// Frame header descriptor: content size flag and single segment are free, the rest is 0.
const DESCRIPTOR_ZERO_BITS: u8 = 0b0001_1111;
const SINGLE_SEGMENT: u8 = 0b0010_0000;

/// Compresses the columns, a block for each stretch between cuts.
pub(super) fn compress(columns: &Columns) -> Result<Vec<u8>, BatchError> {
    let size = columns.bytes.len();
    if size > MAX_COLUMNS_BYTES {
        return Err(BatchError::TooLarge { what: "columns", size, max: MAX_COLUMNS_BYTES });
    }
    write_frame(columns).map_err(|error| BatchError::Frame(error.to_string()))
}

fn write_frame(columns: &Columns) -> std::io::Result<Vec<u8>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?;
    encoder.include_checksum(false)?;
    encoder.include_contentsize(true)?;
    encoder.include_dictid(false)?;
    encoder.set_pledged_src_size(Some(columns.bytes.len() as u64))?;
    let mut start = 0;
    for cut in &columns.cuts {
        encoder.write_all(&columns.bytes[start..*cut])?;
        encoder.flush()?;
        start = *cut;
    }
    encoder.write_all(&columns.bytes[start..])?;
    encoder.finish()
}

/// Decompresses exactly one frame of exactly `size` bytes.
pub(super) fn decompress(frame: &[u8], size: usize) -> Result<Vec<u8>, BatchError> {
    if size > MAX_COLUMNS_BYTES {
        return Err(BatchError::TooLarge { what: "columns", size, max: MAX_COLUMNS_BYTES });
    }
    check_header(frame, size)?;
    let length = zstd_safe::find_frame_compressed_size(frame)
        .map_err(|code| BatchError::Frame(zstd_safe::get_error_name(code).to_owned()))?;
    if length != frame.len() {
        return Err(BatchError::Trailing { what: "frame", count: frame.len() - length });
    }
    let inner = || -> std::io::Result<Vec<u8>> {
        let mut decoder = zstd::bulk::Decompressor::new()?;
        decoder.set_parameter(zstd_safe::DParameter::WindowLogMax(MAX_WINDOW_LOG))?;
        decoder.decompress(frame, size)
    };
    let columns = inner().map_err(|error| BatchError::Frame(error.to_string()))?;
    if columns.len() != size {
        return Err(BatchError::Frame(format!("frame holds {} bytes, declared {size}", columns.len())));
    }
    Ok(columns)
}

fn check_header(frame: &[u8], size: usize) -> Result<(), BatchError> {
    let bad = |why: String| Err(BatchError::Frame(why));
    let Some(([a, b, c, d, descriptor, window], _)) = frame.split_first_chunk::<6>() else {
        return bad(format!("frame of {} bytes", frame.len()));
    };
    if [*a, *b, *c, *d] != MAGIC {
        return bad("not a zstd frame".to_owned());
    }
    if descriptor & DESCRIPTOR_ZERO_BITS != 0 {
        return bad(format!("frame descriptor {descriptor:#04x} asks for a dictionary, a checksum or reserved bits"));
    }
    if descriptor & SINGLE_SEGMENT == 0 {
        let base = 1_u64 << (10 + u32::from(window >> 3)).min(63);
        let window_bytes = base + (base / 8) * u64::from(window & 7);
        if window_bytes > MAX_COLUMNS_BYTES as u64 {
            return bad(format!("window of {window_bytes} bytes"));
        }
    }
    match zstd_safe::get_frame_content_size(frame) {
        Ok(Some(declared)) if declared == size as u64 => Ok(()),
        Ok(declared) => bad(format!("frame declares {declared:?} bytes, the payload {size}")),
        Err(_) => bad("unreadable content size".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn columns(bytes: Vec<u8>) -> Columns {
        Columns { cuts: vec![bytes.len() / 2], bytes }
    }

    #[test]
    fn frames_round_trip() {
        for size in [0, 1, 300, 100_000] {
            let columns = columns((0..size).map(|i| (i / 7) as u8).collect());
            let frame = compress(&columns).unwrap();
            assert_eq!(decompress(&frame, size).unwrap(), columns.bytes);
        }
    }

    #[test]
    fn refuses_bombs_second_frames_trailing_bytes_and_wrong_sizes() {
        let frame = compress(&columns(vec![0; 1 << 20])).unwrap();
        assert!(frame.len() < 1_000);
        assert!(decompress(&frame, 1 << 19).is_err());
        assert!(decompress(&frame, MAX_COLUMNS_BYTES + 1).is_err());
        let bomb = zstd::bulk::compress(&vec![0; MAX_COLUMNS_BYTES + 1], 3).unwrap();
        assert!(matches!(decompress(&bomb, MAX_COLUMNS_BYTES + 1), Err(BatchError::TooLarge { .. })));
        let twice = [frame.clone(), frame.clone()].concat();
        assert!(matches!(decompress(&twice, 1 << 20), Err(BatchError::Trailing { .. })));
        let trailing = [frame.clone(), vec![0]].concat();
        assert!(matches!(decompress(&trailing, 1 << 20), Err(BatchError::Trailing { .. })));
        assert!(decompress(&frame[..frame.len() - 1], 1 << 20).is_err());
        assert!(decompress(&[], 0).is_err());
    }

    #[test]
    fn refuses_checksums_dictionaries_and_wide_windows() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.set_pledged_src_size(Some(5)).unwrap();
        encoder.write_all(b"hello").unwrap();
        assert!(decompress(&encoder.finish().unwrap(), 5).is_err());
        let undeclared = zstd::stream::encode_all(&b"hello"[..], 3).unwrap();
        assert!(decompress(&undeclared, 5).is_err());
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];
        assert!(decompress(&skippable, 0).is_err());
        let wide = [0x28, 0xb5, 0x2f, 0xfd, 0x80, 0xa8, 1, 0, 0, 0, 1, 0, 0];
        assert!(matches!(decompress(&wide, 1), Err(BatchError::Frame(why)) if why.contains("window")));
    }
}
