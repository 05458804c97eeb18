//! Where derivation stood after each L1 block that moved it, newest last, kept in a small file beside the chain.
//!
//! A file and not the ledger, so that the chain's directory alone says where to go on: wiped together, they are
//! derived together. The file's first line is a keccak of the rest, which is JSON: a bit that flipped in a number would
//! be believed otherwise. A file that does not check out is put aside, and L1 is read from the creation on: blocks that
//! stand on L1 are found to be ours, so nothing is executed again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use alloy_primitives::{B256, keccak256};
use mayfly_fail::fail_point;
use mayfly_rollup::derive::{Checkpoint, L1Ref};

use crate::error::SequencerError;

const FILE_NAME: &str = "stands.json";
/// More than L1 reorganises before it is final; older ones are forgotten.
const MAX_KEPT: usize = 512;

/// Checkpoints and their file. Never empty: the first one is the creation, or the oldest kept.
#[derive(Debug)]
pub(crate) struct Stands {
    kept: Vec<Checkpoint>,
    last: Checkpoint,
    genesis: Checkpoint,
    path: Option<PathBuf>,
}

impl Stands {
    /// Reads what `dir` holds; `genesis` is where everything starts.
    pub(crate) fn open(dir: Option<&Path>, genesis: Checkpoint) -> Result<Self, SequencerError> {
        let path = dir.map(|dir| dir.join(FILE_NAME));
        let kept = match &path {
            Some(path) => read(path)?,
            None => Vec::new(),
        };
        let kept = if kept.is_empty() { vec![genesis] } else { kept };
        let last = *kept.last().unwrap_or(&genesis);
        Ok(Self { kept, last, genesis, path })
    }

    /// The newest.
    pub(crate) fn last(&self) -> &Checkpoint {
        &self.last
    }

    /// The oldest.
    pub(crate) fn first(&self) -> &Checkpoint {
        self.kept.first().unwrap_or(&self.last)
    }

    /// The newest at or before L1 block `number`; the oldest if all are later.
    pub(crate) fn at_l1(&self, number: u64) -> &Checkpoint {
        self.kept.iter().rev().find(|c| c.l1.number <= number).unwrap_or(self.first())
    }

    pub(crate) fn push(&mut self, checkpoint: Checkpoint) -> Result<(), SequencerError> {
        self.kept.push(checkpoint);
        self.last = checkpoint;
        if self.kept.len() > MAX_KEPT {
            self.kept.drain(..self.kept.len() - MAX_KEPT);
        }
        self.save()
    }

    /// Forgets the newest. `false` if it is the only one.
    pub(crate) fn pop(&mut self) -> Result<bool, SequencerError> {
        if self.kept.len() < 2 {
            return Ok(false);
        }
        self.kept.pop();
        if let Some(last) = self.kept.last() {
            self.last = *last;
        }
        self.save()?;
        Ok(true)
    }

    /// Forgets all but the newest of those at or before L1 block `number`: they are final.
    pub(crate) fn prune(&mut self, number: u64) {
        let last_final = self.kept.iter().rposition(|c| c.l1.number <= number).unwrap_or(0);
        self.kept.drain(..last_final);
    }

    /// Starts over.
    pub(crate) fn restart(&mut self) -> Result<(), SequencerError> {
        self.kept = vec![self.genesis];
        self.last = self.genesis;
        self.save()
    }

    /// The L1 blocks after which derivation stood, newest first.
    pub(crate) fn l1_blocks(&self) -> Vec<L1Ref> {
        self.kept.iter().rev().map(|c| c.l1).collect()
    }

    /// Forgets those after L1 block `common`; all of them if none is before it.
    pub(crate) fn go_back(&mut self, common: u64) -> Result<(), SequencerError> {
        while self.last.l1.number > common {
            if !self.pop()? {
                return if self.last == self.genesis { Ok(()) } else { self.restart() };
            }
        }
        Ok(())
    }

    fn save(&self) -> Result<(), SequencerError> {
        let Some(path) = &self.path else { return Ok(()) };
        let json = serde_json::to_vec(&self.kept).map_err(|e| SequencerError::Config(e.to_string()))?;
        let bytes = [format!("{}\n", keccak256(&json)).as_bytes(), &json].concat();
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fail_point("stands-written");
        std::fs::rename(&new, path)?;
        fail_point("stands-renamed");
        if let Some(dir) = path.parent() {
            File::open(dir)?.sync_all()?;
        }
        fail_point("stands-saved");
        Ok(())
    }
}

/// Forgets where derivation stood, for a chain that begins anew.
///
/// # Errors
/// If the file cannot be removed.
pub fn forget_stands(dir: &Path) -> Result<(), SequencerError> {
    match std::fs::remove_file(dir.join(FILE_NAME)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Where derivation stood last, as the file in `dir` says; none if there is no file. Changes nothing: for looking at a
/// node that is stopped.
///
/// # Errors
/// If the file cannot be read, or is not whole: a start then reads L1 from the creation on.
pub fn last_stand(dir: &Path) -> Result<Option<Checkpoint>, SequencerError> {
    let path = dir.join(FILE_NAME);
    match std::fs::read(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
        Ok(bytes) => {
            let kept = parse(&bytes);
            let kept = kept.ok_or_else(|| SequencerError::Config(format!("{} is not whole", path.display())))?;
            Ok(kept.last().copied())
        }
    }
}

/// What the file holds; nothing if it is not whole.
fn read(path: &Path) -> Result<Vec<Checkpoint>, SequencerError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    if let Some(kept) = parse(&bytes) {
        return Ok(kept);
    }
    let aside = path.with_extension("damaged");
    tracing::warn!(path = %path.display(), kept = %aside.display(), "not whole: l1 is read from the creation on");
    std::fs::rename(path, aside)?;
    Ok(Vec::new())
}

fn parse(bytes: &[u8]) -> Option<Vec<Checkpoint>> {
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    let (sum, json) = (&bytes[..at], &bytes[at + 1..]);
    let sum: B256 = std::str::from_utf8(sum).ok()?.parse().ok()?;
    (keccak256(json) == sum).then(|| serde_json::from_slice(json).ok())?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use alloy_primitives::B256;
    use mayfly_rollup::RollupInfo;
    use mayfly_rollup::derive::{Derivation, L2Ref};

    use super::*;

    fn checkpoint(number: u64) -> Checkpoint {
        let info = std::sync::Arc::new(RollupInfo::default());
        let genesis = *Derivation::new(info, L2Ref { number: 0, hash: B256::ZERO }).checkpoint();
        Checkpoint { l1: L1Ref { number, ..genesis.l1 }, ..genesis }
    }

    #[test]
    fn no_byte_of_a_damaged_file_is_believed_and_none_stops_the_start() {
        let dir = tempfile::tempdir().unwrap();
        let (genesis, path) = (checkpoint(1), dir.path().join(FILE_NAME));
        let mut stands = Stands::open(Some(dir.path()), genesis).unwrap();
        stands.push(checkpoint(7)).unwrap();
        stands.push(checkpoint(9)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(Stands::open(Some(dir.path()), genesis).unwrap().last().l1.number, 9);
        let flips = (0..whole.len()).map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        });
        let cuts = (0..whole.len()).step_by(7).map(|at| whole[..at].to_vec());
        for bytes in flips.chain(cuts) {
            std::fs::write(&path, &bytes).unwrap();
            let opened = Stands::open(Some(dir.path()), genesis).unwrap();
            assert_eq!((opened.last(), opened.first()), (&genesis, &genesis));
            assert!(!path.exists() && path.with_extension("damaged").exists());
        }
    }
}
