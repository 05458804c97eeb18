//! Answered transactions that a rebase took off the chain, kept on disk until they are on it again.
//!
//! The file holds `MFRESCU2`, a count, then for each transaction the length of its bytes, its hash and its bytes, and a
//! keccak of all before it. It is written and synced before blocks are reverted and removed once what it holds is
//! durable again, so that a crash in between forgets nothing. Of a file that does not check out, the transactions that
//! are their hash are kept; a transaction with one other bit would be somebody else's.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy_primitives::{B256, keccak256};
use mayfly_evm::RecoveredTx;
use mayfly_fail::fail_point;

use crate::error::SequencerError;

const MAGIC: &[u8; 8] = b"MFRESCU2";
const FILE_NAME: &str = "rescue.bin";
/// Far above what may be unposted before the sequencer pauses.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// Of an entry beside the transaction.
const ENTRY_BYTES: u64 = 8 + 32;

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
            bytes.extend_from_slice(keccak256(raw).as_slice());
            bytes.extend_from_slice(raw);
        }
        bytes.extend_from_slice(keccak256(&bytes).as_slice());
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fail_point("rescue-written");
        std::fs::rename(&new, path)?;
        fail_point("rescue-renamed");
        sync_dir(path)
    }

    /// What a rebase that did not finish left. A damaged file is put aside.
    pub(super) fn load(&self) -> Result<Loaded, SequencerError> {
        let Some(path) = &self.0 else { return Ok(Loaded::default()) };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Loaded::default()),
            Err(e) => return Err(e.into()),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
        let loaded = Loaded::read(&bytes);
        if loaded.is_damaged {
            let aside = path.with_extension("damaged");
            let (whole, gone) = (loaded.raws.len(), loaded.gone.len());
            tracing::error!(kept = %aside.display(), whole, gone, "the rescue file is damaged");
            std::fs::rename(path, aside)?;
        }
        Ok(loaded)
    }
}

/// What was in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Transactions that are what was stored.
    pub(super) raws: Vec<Vec<u8>>,
    /// Hashes of those that are not, as far as the file still names them.
    pub(super) gone: Vec<B256>,
    /// Whether the file is not what was stored; `gone` may not name all then.
    pub(super) is_damaged: bool,
}

impl Loaded {
    fn read(bytes: &[u8]) -> Self {
        let mut loaded = Self::default();
        let is_whole = loaded.fill(bytes).is_some();
        let sum = bytes.split_last_chunk::<32>();
        loaded.is_damaged = !is_whole || sum.is_none_or(|(body, sum)| keccak256(body) != *sum);
        loaded
    }

    /// Takes in what it comes to; `None` where something does not fit.
    fn fill(&mut self, bytes: &[u8]) -> Option<()> {
        let mut rest = bytes.split_last_chunk::<32>()?.0.get(MAGIC.len()..)?;
        let count = number(&mut rest)?;
        for _ in 0..count {
            let len = usize::try_from(number(&mut rest)?).ok()?;
            let (hash, tail) = rest.split_first_chunk::<32>()?;
            let (raw, tail) = tail.split_at_checked(len)?;
            if keccak256(raw) == *hash {
                self.raws.push(raw.to_vec())
            } else {
                self.gone.push(hash.into())
            }
            rest = tail;
        }
        (rest.is_empty() && bytes.starts_with(MAGIC)).then_some(())
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (head, tail) = rest.split_first_chunk::<8>()?;
    *rest = tail;
    Some(u64::from_be_bytes(*head))
}

fn remove(path: &Path) -> Result<(), SequencerError> {
    match std::fs::remove_file(path) {
        Ok(()) => {
            fail_point("rescue-removed");
            sync_dir(path)
        }
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

/// Leaves transactions for a sequencer that starts in `data_dir` later: once L1 has given its chain what it holds, those
/// that are not on it are put there, in this order, and before what an interrupted rebase had left. For a chain whose
/// files were damaged. Of more than fit, the newest are left.
///
/// # Errors
/// If the file cannot be read or written.
pub fn leave_for_rescue(data_dir: &Path, transactions: &[Arc<RecoveredTx>]) -> Result<(), SequencerError> {
    std::fs::create_dir_all(data_dir)?;
    let file = RescueFile::new(Some(data_dir));
    let mut raws: Vec<Vec<u8>> = transactions.iter().map(|tx| tx.tx.encode_2718()).collect();
    let known: HashSet<B256> = raws.iter().map(keccak256).collect();
    raws.extend(file.load()?.raws.into_iter().filter(|raw| !known.contains(&keccak256(raw))));
    let mut room = MAX_FILE_BYTES / 2;
    let fits = |raw: &&Vec<u8>| {
        let size = raw.len() as u64 + ENTRY_BYTES;
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    let kept = raws.iter().rev().take_while(fits).count();
    file.store(&raws[raws.len() - kept..])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keeps_what_was_stored_and_of_a_damaged_file_what_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = RescueFile::new(Some(dir.path()));
        assert_eq!(file.load().unwrap(), Loaded::default());
        let raws = vec![vec![1, 2, 3], Vec::new(), vec![9; 700]];
        file.store(&raws).unwrap();
        assert_eq!(file.load().unwrap(), Loaded { raws: raws.clone(), ..Loaded::default() });
        let path = dir.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        let flips = (0..whole.len()).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            bytes
        });
        let cuts = (0..whole.len()).step_by(5).map(|at| whole[..at].to_vec());
        for bytes in flips.chain(cuts) {
            std::fs::write(&path, &bytes).unwrap();
            let loaded = file.load().unwrap();
            assert!(loaded.is_damaged && !path.exists());
            assert!(loaded.raws.iter().all(|raw| raws.contains(raw)));
        }
        // A bit of the first transaction: it is named, the others are there.
        let mut bytes = whole.clone();
        bytes[MAGIC.len() + 8 + 8 + 32] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let loaded = file.load().unwrap();
        assert_eq!((loaded.raws.as_slice(), loaded.gone), (&raws[1..], vec![keccak256(&raws[0])]));
        file.store(&raws).unwrap();
        file.store(&[]).unwrap();
        assert!(!path.exists());
        assert_eq!(file.load().unwrap(), Loaded::default());
    }
}
