//! Where derivation stands after an L1 block: all it takes to go on from there, or back to it.

use super::batches::Link;
use super::close::CloseState;
use super::l1::L1Ref;
use super::pace::Pace;
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

/// A block of the rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct L2Ref {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// Derivation after an L1 block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The L1 block.
    pub l1: L1Ref,
    /// The rollup's last derived block.
    pub head: L2Ref,
    /// Origin of that block.
    pub head_origin: u64,
    /// Queue items that the chain consumed.
    pub consumed: u64,
    /// Queue items seen on L1.
    pub queued: u64,
    /// Rolling hash of the items consumed.
    pub consumed_hash: B256,
    /// L1 block of the first item not consumed, if there is one.
    pub first_open_l1: Option<u64>,
    /// Sequence number of the last batch; 0 before the first.
    pub batch_seq: u64,
    /// Its header hash; the genesis claim before the first.
    pub batch_hash: B256,
    /// Origin of the last batch's header.
    pub batch_origin: u64,
    /// What the window of the last block cost.
    pub pace: Pace,
    /// Payloads included before this L1 time are not read: so long takes what was executed in vain.
    pub owed_until: u64,
    /// The rollup's clock.
    pub close: CloseState,
    /// Whether the close block is derived.
    pub closed: bool,
}

impl Checkpoint {
    /// The L1 block from which blocks have to be pushed to go on from here: origins and open items are read again.
    pub fn replay_from(&self) -> u64 {
        let next = self.l1.number + 1;
        self.first_open_l1.unwrap_or(next).min(self.head_origin).min(next)
    }

    pub(super) const fn link(&self) -> Link {
        Link { seq: self.batch_seq, hash: self.batch_hash }
    }
}
