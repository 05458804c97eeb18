//! Where a poster's outbox is kept: in the ledger, or, in a simulation, in memory.

#[cfg(feature = "simulation")]
use super::MemoryOutbox;
use super::{Attempt, Enqueued, Inclusion, Lease, NewPost, Post, PostBlob, PostId, PostState};
use crate::{BatchContent, BatchFields, Ledger, LedgerError};
use alloy_primitives::{Address, B256};

/// What a poster stores before it sends, and reads after a crash. Each call is the [`Ledger`]'s of that name.
#[derive(Clone, Debug)]
pub enum Outbox {
    /// In PostgreSQL.
    Ledger(Ledger),
    /// In the memory of a simulation.
    #[cfg(feature = "simulation")]
    Memory(MemoryOutbox),
}

impl From<Ledger> for Outbox {
    fn from(ledger: Ledger) -> Self {
        Self::Ledger(ledger)
    }
}

impl Outbox {
    /// Stores a batch and queues its post, in one step.
    pub async fn enqueue_batch(
        &self,
        rollup: Address,
        fields: &BatchFields,
        content: &BatchContent,
        post: &NewPost,
    ) -> Result<Enqueued, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.enqueue_batch(rollup, fields, content, post).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.enqueue(post),
        }
    }

    /// Queues a post that is no batch of blocks.
    pub async fn enqueue(&self, post: &NewPost) -> Result<Enqueued, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.enqueue(post).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.enqueue(post),
        }
    }

    /// One post.
    pub async fn post(&self, id: PostId) -> Result<Post, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.post(id).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.post(id),
        }
    }

    /// A sender's posts that have not ended, in the order of their nonces, then of queueing.
    pub async fn open_posts(&self, sender: Address) -> Result<Vec<Post>, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.open_posts(sender).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => Ok(memory.open_posts(sender)),
        }
    }

    /// A post's blobs in order; empty once it has ended.
    pub async fn post_blobs(&self, id: PostId) -> Result<Vec<PostBlob>, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.post_blobs(id).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.post_blobs(id),
        }
    }

    /// A post's attempts, oldest first.
    pub async fn attempts(&self, id: PostId) -> Result<Vec<Attempt>, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.attempts(id).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.attempts(id),
        }
    }

    /// Leases the nonce of a post.
    pub async fn lease(&self, id: PostId, chain_nonce: u64) -> Result<Lease, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.lease(id, chain_nonce).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.lease(id, chain_nonce).map(Lease::from),
        }
    }

    /// An attempt was handed to L1.
    pub async fn mark_broadcast(&self, tx_hash: B256) -> Result<(), LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.mark_broadcast(tx_hash).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.mark_broadcast(tx_hash),
        }
    }

    /// An attempt has a receipt in L1's canonical chain.
    pub async fn mark_mined(&self, inclusion: &Inclusion) -> Result<PostId, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.mark_mined(inclusion).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.mark_mined(inclusion),
        }
    }

    /// The block that a post was mined in is final.
    pub async fn finalize_post(&self, id: PostId, block_hash: B256) -> Result<PostState, LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.finalize_post(id, block_hash).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.finalize_post(id, block_hash),
        }
    }

    /// L1 does not hold the block any more that a post was mined in.
    pub async fn reopen_post(&self, id: PostId, block_hash: B256) -> Result<(), LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.reopen_post(id, block_hash).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.reopen_post(id, block_hash),
        }
    }

    /// Takes back a post that has no nonce yet.
    pub async fn cancel_post(&self, id: PostId) -> Result<(), LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.cancel_post(id).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.cancel_post(id),
        }
    }

    /// Gives a post up whose nonce something else used.
    pub async fn fail_post(&self, id: PostId, reason: &str, chain_nonce: u64) -> Result<(), LedgerError> {
        match self {
            Self::Ledger(ledger) => ledger.fail_post(id, reason, chain_nonce).await,
            #[cfg(feature = "simulation")]
            Self::Memory(memory) => memory.fail_post(id, reason, chain_nonce),
        }
    }
}
