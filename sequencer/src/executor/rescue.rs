//! Answered transactions that a rebase took off the chain, kept on disk until they are on it again.
//!
//! The file holds `MFRESCUE`, a count, then length-prefixed raw transactions and a keccak of all before it. It is
//! written and synced before blocks are reverted and removed once what it holds is durable again, so that a crash
//! in between forgets nothing.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use alloy_primitives::keccak256;

use crate::error::SequencerError;

const MAGIC: &[u8; 8] = b"MFRESCUE";
const FILE_NAME: &str = "rescue.bin";
/// Far above what may be unposted before the sequencer pauses.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// The file's place; none for a chain in memory.
#[derive(Debug, Clone)]
pub(super) struct RescueFile(Option<PathBuf>);

impl RescueFile {
    pub(super) fn new(dir: Option<&Path>) -> Self {
        Self(dir.map(|dir| dir.join(FILE_NAME)))
    }

    /// Replaces the file's content, durably. Nothing to keep removes it.
    pub(super) fn store(&self, raws: &[Vec<u8>]) -> Result<(), SequencerError> {
        let Some(path) = &self.0 else { return Ok(()) };
        if raws.is_empty() {
            return remove(path);
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(raws.len() as u64).to_be_bytes());
        for raw in raws {
            bytes.extend_from_slice(&(raw.len() as u64).to_be_bytes());
            bytes.extend_from_slice(raw);
        }
        bytes.extend_from_slice(keccak256(&bytes).as_slice());
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        sync_dir(path)
    }

    /// What a rebase that did not finish left.
    pub(super) fn load(&self) -> Result<Vec<Vec<u8>>, SequencerError> {
        let Some(path) = &self.0 else { return Ok(Vec::new()) };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e.into()),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
        parse(&bytes).ok_or_else(|| SequencerError::Rescue {
            path: path.display().to_string(),
            reason: format!("{} bytes that are no rescue file", bytes.len()),
        })
    }
}

fn parse(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (body, sum) = bytes.split_last_chunk::<32>()?;
    if keccak256(body) != *sum {
        return None;
    }
    let mut rest = body.strip_prefix(MAGIC)?;
    let number = |rest: &mut &[u8]| {
        let (head, tail) = rest.split_first_chunk::<8>()?;
        *rest = tail;
        Some(u64::from_be_bytes(*head))
    };
    let count = number(&mut rest)?;
    let mut raws = Vec::new();
    for _ in 0..count {
        let len = usize::try_from(number(&mut rest)?).ok()?;
        let (raw, tail) = rest.split_at_checked(len)?;
        raws.push(raw.to_vec());
        rest = tail;
    }
    rest.is_empty().then_some(raws)
}

fn remove(path: &Path) -> Result<(), SequencerError> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_dir(path),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn sync_dir(path: &Path) -> Result<(), SequencerError> {
    if let Some(dir) = path.parent() {
        File::open(dir)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keeps_what_was_stored_and_refuses_what_was_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = RescueFile::new(Some(dir.path()));
        assert!(file.load().unwrap().is_empty());
        let raws = vec![vec![1, 2, 3], Vec::new(), vec![9; 70_000]];
        file.store(&raws).unwrap();
        assert_eq!(file.load().unwrap(), raws);
        let path = dir.path().join(FILE_NAME);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[12] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(file.load(), Err(SequencerError::Rescue { .. })));
        file.store(&[]).unwrap();
        assert!(!path.exists());
        assert!(file.load().unwrap().is_empty());
    }
}
