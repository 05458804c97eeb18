//! Reading records by position.

use super::{Position, frame, segment_path};
use crate::EvmError;
use parking_lot::Mutex;
use std::{collections::BTreeMap, fs::File, io::ErrorKind, os::unix::fs::FileExt, path::PathBuf, sync::Arc};

/// Open segments at once.
const MAX_OPEN_SEGMENTS: usize = 32;

/// Reads records that are durable.
#[derive(Debug)]
pub(crate) struct LogReader {
    dir: PathBuf,
    open: Mutex<BTreeMap<u32, Arc<File>>>,
}

impl LogReader {
    pub(crate) const fn new(dir: PathBuf) -> Self {
        Self { dir, open: Mutex::new(BTreeMap::new()) }
    }

    /// The payload of a record, checked.
    pub(crate) fn payload(&self, position: Position) -> Result<Vec<u8>, EvmError> {
        let path = segment_path(&self.dir, position.segment);
        let mut bytes = vec![0; position.len as usize];
        let file = self.file(position.segment)?;
        file.read_exact_at(&mut bytes, position.offset).map_err(|error| match error.kind() {
            // Not the disk's failure, nor the store's: the log is shorter than it was.
            ErrorKind::UnexpectedEof => {
                EvmError::Corrupt { what: "log", place: format!("{}:{}", path.display(), position.offset) }
            }
            _ => EvmError::io(&path)(error),
        })?;
        match frame(&bytes) {
            Some(frame) if frame.len == position.len => {
                let header = bytes.len() - frame.payload.len();
                bytes.drain(..header);
                Ok(bytes)
            }
            _ => Err(self.corrupt(position)),
        }
    }

    /// The error for a record that is not what it should be.
    pub(crate) fn corrupt(&self, position: Position) -> EvmError {
        let path = segment_path(&self.dir, position.segment);
        EvmError::Corrupt { what: "record", place: format!("{}:{}", path.display(), position.offset) }
    }

    fn file(&self, segment: u32) -> Result<Arc<File>, EvmError> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(&segment) {
            return Ok(file.clone());
        }
        if open.len() == MAX_OPEN_SEGMENTS {
            open.pop_first();
        }
        let path = segment_path(&self.dir, segment);
        let file = Arc::new(File::open(&path).map_err(EvmError::io(&path))?);
        open.insert(segment, file.clone());
        Ok(file)
    }
}
