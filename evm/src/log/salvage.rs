//! Reading what is whole of a log that is damaged.

use super::{RECORD_MAGIC, Record, frame};
use crate::EvmError;
use std::path::{Path, PathBuf};

/// Shows every whole record of every segment, in order, and passes over what is none.
pub(crate) fn whole_records(dir: &Path, mut visit: impl FnMut(Record)) -> Result<(), EvmError> {
    for path in segments(dir)? {
        let bytes = std::fs::read(&path).map_err(EvmError::io(&path))?;
        let mut rest = bytes.as_slice();
        while let Some(at) = rest.windows(RECORD_MAGIC.len()).position(|window| window == RECORD_MAGIC) {
            rest = &rest[at..];
            let skip = match frame(rest) {
                Some(frame) => {
                    if let Some(record) = Record::decode(frame.payload) {
                        visit(record);
                    }
                    frame.len as usize
                }
                None => 1,
            };
            rest = &rest[skip..];
        }
    }
    Ok(())
}

fn segments(dir: &Path) -> Result<Vec<PathBuf>, EvmError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(err) => return Err(EvmError::io(dir)(err)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(EvmError::io(dir))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::log::{LogWriter, SEGMENT_HEADER_BYTES};
    use tempfile::TempDir;

    #[test]
    fn passes_over_what_is_damaged_and_reads_the_rest() {
        let dir = TempDir::new().unwrap();
        let mut writer = LogWriter::create(dir.path()).unwrap().with_segment_bytes(1);
        let position = [1, 2, 3].map(|number| {
            let position = writer.revert(number);
            writer.commit().unwrap();
            position
        })[1];
        let numbers = || {
            let mut numbers = Vec::new();
            whole_records(dir.path(), |record| match record {
                Record::Revert(number) => numbers.push(number),
                Record::Block(..) => unreachable!(),
            })
            .unwrap();
            numbers
        };
        assert_eq!(numbers(), [1, 2, 3]);
        let path = dir.path().join(format!("{:08}.log", position.segment));
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[SEGMENT_HEADER_BYTES as usize + 22] ^= 4;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(numbers(), [1, 3]);
        assert!(segments(&dir.path().join("nowhere")).unwrap().is_empty());
    }
}
