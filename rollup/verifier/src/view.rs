//! What the verifier tells: its state after every L1 block, and events.

use std::sync::Arc;

use alloy_primitives::B256;
use mayfly_l1::BlockRef;

use crate::{Checkpoint, ClaimStatus, Closing, ProposedClaim, Results, Verdict};

/// The verifier's state after an L1 block. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View {
    /// The last L1 block that was applied.
    pub l1: BlockRef,
    /// Its time.
    pub l1_time: u64,
    /// L1's head when it was last looked at.
    pub l1_head: BlockRef,
    /// The rollup's last derived block.
    pub head: BlockRef,
    /// State root of that block.
    pub state_root: B256,
    /// Blocks derived, work that was reorganised away included.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Blocks derived per second of work.
    pub blocks_per_s: f64,
    /// When deposits end, as L1 has it now.
    pub end_time: u64,
    /// When the rollup closes, as L1 has it now.
    pub close_time: u64,
    /// Whether the sequencer was declared gone.
    pub frozen: bool,
    /// Queue items on L1.
    pub queued: u64,
    /// Those that were there before the last L1 block.
    pub queued_before: u64,
    /// State after every batch and after the end.
    pub results: Arc<Results>,
    /// Claims on L1 and what we think of them.
    pub claims: Arc<[ProposedClaim]>,
    /// Why nothing moves, while nothing does.
    pub trouble: Option<String>,
}

impl View {
    /// Whether everything L1 had is applied.
    pub fn is_synced(&self) -> bool {
        self.l1.number >= self.l1_head.number
    }

    /// Number of batches derived.
    pub fn batches(&self) -> u64 {
        self.results.last().map_or(0, |last| last.seq)
    }

    /// Claims that say what derivation found.
    pub fn agreed(&self) -> usize {
        self.claims.iter().filter(|claim| claim.verdict == Verdict::Right).count()
    }

    /// Claims that do not, and are not rejected.
    pub fn disagreed(&self) -> usize {
        let wrong = |claim: &&ProposedClaim| matches!(claim.verdict, Verdict::Wrong(_) | Verdict::WrongParent);
        let stands = |claim: &&ProposedClaim| claim.status != ClaimStatus::Rejected;
        self.claims.iter().filter(wrong).filter(stands).count()
    }

    /// Whether no dispute below a claim keeps it open: all of its ancestors that are not final are undisputed.
    pub(crate) fn has_clear_ancestors(&self, claim: &ProposedClaim) -> bool {
        let mut parent = self.claim(claim.claim.parent);
        while let Some(ancestor) = parent {
            match ancestor.status {
                ClaimStatus::Final => return true,
                ClaimStatus::Pending if !ancestor.disputed => parent = self.claim(ancestor.claim.parent),
                _ => return false,
            }
        }
        // The genesis, which is final.
        true
    }

    /// A claim by its hash.
    pub fn claim(&self, hash: B256) -> Option<&ProposedClaim> {
        self.claims.iter().find(|claim| claim.hash == hash)
    }

    /// Whether a closing claim is final: L1 takes no claims any more.
    pub fn is_settled(&self) -> bool {
        self.claims.iter().any(ProposedClaim::settles)
    }

    /// The rollup after its end, once it closed.
    pub fn closing(&self) -> Option<&Arc<Closing>> {
        self.results.closing.as_ref()
    }
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum VerifierEvent {
    /// A batch is derived.
    Batch {
        /// The state after it.
        checkpoint: Checkpoint,
        /// Why its payload was not used.
        invalid: Option<String>,
    },
    /// The rollup closed.
    Closed {
        /// The state after the close block.
        closing: Arc<Closing>,
    },
    /// A claim appeared or was judged anew.
    Judged(Box<ProposedClaim>),
    /// L1 reorganised; what followed from blocks after this one is taken back.
    Reorg {
        /// The last block that still stands.
        common: BlockRef,
    },
    /// A role did something on L1.
    Acted {
        /// Which role.
        role: &'static str,
        /// What it did, to what.
        what: String,
        /// The transaction.
        tx_hash: B256,
    },
    /// A role could not do what was due.
    Failed {
        /// Which role.
        role: &'static str,
        /// What it wanted.
        what: String,
        /// Why not.
        reason: String,
    },
}
