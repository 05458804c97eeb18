//! Where derivation stood after each L1 block that moved it, newest last, kept in a small file beside the chain.
//!
//! A file and not the ledger, so that the chain's directory alone says where to go on: wiped together, they are
//! derived together.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

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
        let kept: Vec<Checkpoint> = match path.as_ref().map(std::fs::read) {
            None => Vec::new(),
            Some(Ok(bytes)) => {
                serde_json::from_slice(&bytes).map_err(|e| SequencerError::Config(format!("{FILE_NAME}: {e}")))?
            }
            Some(Err(e)) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Some(Err(e)) => return Err(e.into()),
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
        let bytes = serde_json::to_vec(&self.kept).map_err(|e| SequencerError::Config(e.to_string()))?;
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        if let Some(dir) = path.parent() {
            File::open(dir)?.sync_all()?;
        }
        Ok(())
    }
}
