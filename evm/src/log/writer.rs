//! Appending.

use super::{
    Position, RECORD_HEADER_BYTES, RECORD_MAGIC, SEGMENT_BYTES, SEGMENT_HEADER_BYTES, SMALL_SEGMENT_BYTES, checksum,
    record::{put_block_record, put_revert_record},
    segment_header, segment_path,
};
use crate::{EvmError, SealedBlock, state::Changes};
use mayfly_fail::{fail_point, limit, torn};
use std::{
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// The end of the log. After an error nothing more may be appended.
#[derive(Debug)]
pub(crate) struct LogWriter {
    dir: PathBuf,
    segment: u32,
    file: File,
    /// Durable bytes of the segment.
    durable: u64,
    /// Records not yet written.
    group: Vec<u8>,
    /// A segment at least this long is followed by a new one.
    segment_bytes: u64,
}

impl LogWriter {
    /// A new log with an empty first segment.
    pub(crate) fn create(dir: &Path) -> Result<Self, EvmError> {
        std::fs::create_dir_all(dir).map_err(EvmError::io(dir))?;
        let file = new_segment(dir, 1)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            segment: 1,
            file,
            durable: SEGMENT_HEADER_BYTES,
            group: Vec::new(),
            segment_bytes: limit(SEGMENT_BYTES, SMALL_SEGMENT_BYTES),
        })
    }

    /// Goes on at the end of what [`super::scan()`] found good; anything after it is cut off.
    pub(crate) fn open(dir: &Path, segment: u32, end: u64) -> Result<Self, EvmError> {
        let path = segment_path(dir, segment);
        let mut file = OpenOptions::new().read(true).write(true).open(&path).map_err(EvmError::io(&path))?;
        file.set_len(end).map_err(EvmError::io(&path))?;
        file.seek(SeekFrom::Start(end)).map_err(EvmError::io(&path))?;
        file.sync_all().map_err(EvmError::io(&path))?;
        Ok(Self {
            dir: dir.to_path_buf(),
            segment,
            file,
            durable: end,
            group: Vec::new(),
            segment_bytes: limit(SEGMENT_BYTES, SMALL_SEGMENT_BYTES),
        })
    }

    /// Shorter segments, for tests.
    #[cfg(test)]
    pub(crate) const fn with_segment_bytes(mut self, segment_bytes: u64) -> Self {
        self.segment_bytes = segment_bytes;
        self
    }

    /// Adds a block to the group.
    pub(crate) fn block(&mut self, block: &SealedBlock, changes: &Changes) -> Position {
        self.record(|out| put_block_record(out, block, changes))
    }

    /// Adds a revert to the group.
    pub(crate) fn revert(&mut self, number: u64) -> Position {
        self.record(|out| put_revert_record(out, number))
    }

    /// Writes the group and makes it durable. The next group may go to a new segment.
    pub(crate) fn commit(&mut self) -> Result<(), EvmError> {
        let path = || segment_path(&self.dir, self.segment);
        fail_point("log-append");
        torn("log-torn", &self.group, |half| drop(self.file.write_all(half)));
        self.file.write_all(&self.group).map_err(|err| EvmError::io(path())(err))?;
        fail_point("log-written");
        self.file.sync_data().map_err(|err| EvmError::io(path())(err))?;
        fail_point("log-synced");
        self.durable += self.group.len() as u64;
        self.group.clear();
        self.group.shrink_to(1 << 20);
        if self.durable >= self.segment_bytes {
            self.segment += 1;
            self.file = new_segment(&self.dir, self.segment)?;
            self.durable = SEGMENT_HEADER_BYTES;
            fail_point("log-turned");
        }
        Ok(())
    }

    fn record(&mut self, put: impl FnOnce(&mut Vec<u8>)) -> Position {
        let start = self.group.len();
        self.group.resize(start + RECORD_HEADER_BYTES, 0);
        put(&mut self.group);
        let (header, payload) = self.group[start..].split_at_mut(RECORD_HEADER_BYTES);
        let size = u32::try_from(payload.len()).expect("a block is far shorter than 4 GiB");
        header[..4].copy_from_slice(&RECORD_MAGIC);
        header[4..8].copy_from_slice(&size.to_be_bytes());
        header[8..16].copy_from_slice(&self.durable.to_be_bytes());
        let crc = checksum(&header[4..16], payload);
        header[16..].copy_from_slice(&crc.to_be_bytes());
        let len = size + RECORD_HEADER_BYTES as u32;
        Position { segment: self.segment, offset: self.durable + start as u64, len }
    }
}

/// A segment with its header, durable together with its name.
fn new_segment(dir: &Path, segment: u32) -> Result<File, EvmError> {
    let path = segment_path(dir, segment);
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(EvmError::io(&path))?;
    file.write_all(&segment_header(segment)).map_err(EvmError::io(&path))?;
    file.sync_all().map_err(EvmError::io(&path))?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(EvmError::io(dir))?;
    Ok(file)
}
