//! Reading the log's tail when it is opened.

use super::{
    FIRST_SEGMENT, Frame, Position, RECORD_HEADER_BYTES, RECORD_MAGIC, Record, SEGMENT_HEADER_BYTES, frame,
    segment_header, segment_path,
};
use crate::EvmError;
use std::path::Path;

/// Reads every record from `(segment, offset)` on, and returns where the log ends.
///
/// A last segment whose header never became durable is dropped. A record that does not check out ends the log, unless
/// something after it shows that it was durable: then the log is damaged.
pub(crate) fn scan(
    dir: &Path,
    from: (u32, u64),
    mut visit: impl FnMut(Position, Record) -> Result<(), EvmError>,
) -> Result<(u32, u64), EvmError> {
    let (mut segment, mut offset) = from;
    loop {
        let path = segment_path(dir, segment);
        let next = segment_path(dir, segment + 1);
        let bytes = std::fs::read(&path).map_err(EvmError::io(&path))?;
        let corrupt = |at: u64| EvmError::Corrupt { what: "log", place: format!("{}:{at}", path.display()) };
        if !bytes.starts_with(&segment_header(segment)) {
            return Err(corrupt(0));
        }
        if offset > bytes.len() as u64 {
            return Err(corrupt(bytes.len() as u64));
        }
        while let Some(frame) = tail(&bytes, offset).and_then(frame) {
            let position = Position { segment, offset, len: frame.len };
            let record = Record::decode(frame.payload).ok_or_else(|| corrupt(offset))?;
            visit(position, record)?;
            offset = position.end();
        }
        let unborn = next.exists() && drop_unborn(&next, segment + 1)?;
        let last = unborn || !next.exists();
        let clean = offset == bytes.len() as u64;
        if !clean && (!last || was_durable(&bytes, offset)) {
            return Err(corrupt(offset));
        }
        if last {
            if !clean {
                let bytes = bytes.len() as u64 - offset;
                tracing::warn!(segment, offset, bytes, "cut the log's torn tail");
            }
            return Ok((segment, offset));
        }
        (segment, offset) = (segment + 1, SEGMENT_HEADER_BYTES);
    }
}

/// The record that a log begins with, if it checks out.
pub(crate) fn first_record(dir: &Path) -> Result<Option<(Position, Record)>, EvmError> {
    let path = segment_path(dir, FIRST_SEGMENT);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(EvmError::io(&path)(err)),
    };
    let whole = bytes.starts_with(&segment_header(FIRST_SEGMENT));
    let Some(frame) = tail(&bytes, SEGMENT_HEADER_BYTES).and_then(frame).filter(|_| whole) else { return Ok(None) };
    let position = Position { segment: FIRST_SEGMENT, offset: SEGMENT_HEADER_BYTES, len: frame.len };
    Ok(Record::decode(frame.payload).map(|record| (position, record)))
}

fn tail(bytes: &[u8], offset: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(offset).ok()?..)
}

/// Removes a segment that a crash left without its whole header: no record can be in it.
fn drop_unborn(path: &Path, segment: u32) -> Result<bool, EvmError> {
    let bytes = std::fs::metadata(path).map_err(EvmError::io(path))?.len();
    let header = segment_header(segment);
    if bytes > header.len() as u64 || std::fs::read(path).map_err(EvmError::io(path))? == header {
        return Ok(false);
    }
    std::fs::remove_file(path).map_err(EvmError::io(path))?;
    Ok(true)
}

/// Whether a good record after `offset` says that what stands at `offset` was durable when it was written.
fn was_durable(bytes: &[u8], offset: u64) -> bool {
    let Some(rest) = tail(bytes, offset) else { return false };
    let starts = rest.windows(RECORD_MAGIC.len()).enumerate().skip(1).filter(|(_, bytes)| *bytes == RECORD_MAGIC);
    let later = starts.take(MAX_CANDIDATES).filter_map(|(start, _)| frame(&rest[start..]));
    later.into_iter().any(|Frame { durable, .. }| durable > offset)
}

/// Most places looked at for a later record: bounds what a tail full of magics can cost.
const MAX_CANDIDATES: usize = 1 << 16;

const _: () = assert!(RECORD_HEADER_BYTES == 20, "the layout in the module's doc");

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::log::LogWriter;
    use std::fs;
    use tempfile::TempDir;

    /// A log with reverts to 1, 2, 3, …, in groups of these sizes.
    fn log(segment_bytes: u64, groups: &[u64]) -> TempDir {
        let dir = TempDir::new().unwrap();
        let mut writer = LogWriter::create(dir.path()).unwrap().with_segment_bytes(segment_bytes);
        let mut next = 1;
        for group in groups {
            for _ in 0..*group {
                writer.revert(next);
                next += 1;
            }
            writer.commit().unwrap();
        }
        dir
    }

    fn read(dir: &TempDir) -> Result<Vec<u64>, EvmError> {
        let mut numbers = Vec::new();
        let (segment, end) = scan(dir.path(), (1, SEGMENT_HEADER_BYTES), |_, record| {
            let Record::Revert(number) = record else { panic!("{record:?}") };
            numbers.push(number);
            Ok(())
        })?;
        // Appending goes on where the scan ended.
        let mut writer = LogWriter::open(dir.path(), segment, end)?;
        writer.revert(u64::MAX);
        writer.commit()?;
        let mut again = Vec::new();
        scan(dir.path(), (1, SEGMENT_HEADER_BYTES), |_, record| {
            again.push(record);
            Ok(())
        })?;
        assert_eq!(again.len(), numbers.len() + 1);
        assert_eq!(again.last(), Some(&Record::Revert(u64::MAX)));
        Ok(numbers)
    }

    fn damage(dir: &TempDir, segment: u32, at: u64) {
        let path = segment_path(dir.path(), segment);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at as usize] ^= 0x40;
        fs::write(path, bytes).unwrap();
    }

    /// Bytes of a record that holds a revert.
    const RECORD: u64 = RECORD_HEADER_BYTES as u64 + 9;

    #[test]
    fn reads_across_segments() {
        let dir = log(100, &[1, 2, 3, 4, 1, 1, 1]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5);
        assert_eq!(read(&dir).unwrap(), (1..=13).collect::<Vec<_>>());
    }

    #[test]
    fn a_group_torn_out_of_order_is_cut_at_its_first_hole() {
        let dir = log(1 << 20, &[2, 3]);
        damage(&dir, 1, SEGMENT_HEADER_BYTES + 2 * RECORD + 25);
        assert_eq!(read(&dir).unwrap(), [1, 2]);
    }

    #[test]
    fn damage_that_was_durable_is_an_error() {
        for at in 0..2 * RECORD {
            let dir = log(1 << 20, &[1, 1, 1]);
            damage(&dir, 1, SEGMENT_HEADER_BYTES + at);
            assert!(matches!(read(&dir), Err(EvmError::Corrupt { .. })), "{at}");
        }
        let dir = log(1, &[1, 1, 1]);
        damage(&dir, 2, SEGMENT_HEADER_BYTES + 3);
        assert!(matches!(read(&dir), Err(EvmError::Corrupt { .. })));
        let dir = log(1 << 20, &[1]);
        damage(&dir, 1, 7);
        assert!(matches!(read(&dir), Err(EvmError::Corrupt { .. })));
    }

    #[test]
    fn a_segment_without_its_header_is_dropped() {
        for header in [&b""[..], b"MFLOG"] {
            let dir = log(1 << 20, &[1, 1]);
            fs::write(segment_path(dir.path(), 2), header).unwrap();
            assert_eq!(read(&dir).unwrap(), [1, 2]);
        }
    }
}
