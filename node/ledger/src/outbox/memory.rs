//! The outbox of a simulated node: the same posts, states and refusals, in memory that outlives the node it belongs to.
//! A simulation lives a rollup's life in less time than one commit takes; everything else uses PostgreSQL.

use super::lease::Expected;
use super::{Attempt, Enqueued, Inclusion, MAX_ATTEMPTS, NewPost, Post, PostBlob, PostId, PostState};
use crate::LedgerError;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use time::OffsetDateTime;

/// The time as the simulation has it.
pub type Now = Arc<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// Clones share their posts: one handed to a node's next life is what its disk would be.
#[derive(Clone)]
pub struct MemoryOutbox {
    rows: Arc<Mutex<Rows>>,
    now: Now,
}

#[derive(Debug, Default)]
struct Rows {
    posts: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    post: Post,
    content: B256,
    blobs: Vec<PostBlob>,
    attempts: Vec<Attempt>,
}

impl fmt::Debug for MemoryOutbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryOutbox").field("posts", &self.rows().posts.len()).finish()
    }
}

impl Rows {
    fn get(&mut self, id: PostId) -> Result<&mut Row, LedgerError> {
        let found = usize::try_from(id.0).ok().and_then(|at| self.posts.get_mut(at));
        found.ok_or_else(|| LedgerError::NotFound { what: "post", key: id.to_string() })
    }

    fn of_attempt(&mut self, tx_hash: B256) -> Result<&mut Row, LedgerError> {
        let found = self.posts.iter_mut().find(|row| row.attempts.iter().any(|a| a.tx_hash == tx_hash));
        found.ok_or_else(|| LedgerError::NotFound { what: "attempt", key: tx_hash.to_string() })
    }
}

impl Row {
    fn wrong_state(&self) -> LedgerError {
        LedgerError::WrongState { what: "post", key: self.post.id.to_string(), state: self.post.state.to_string() }
    }

    /// Its payload goes, its attempts' hashes and fees stay.
    fn end(&mut self, state: PostState, failure: Option<&str>) {
        self.post.state = state;
        self.post.failure = failure.map(str::to_owned);
        self.blobs.clear();
        self.attempts.iter_mut().for_each(|attempt| attempt.raw = None);
    }
}

impl MemoryOutbox {
    /// An empty one, on this clock.
    pub fn new(now: Now) -> Self {
        Self { rows: Arc::default(), now }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every post there ever was, with its attempts: what a simulation checks.
    pub fn all(&self) -> Vec<(Post, Vec<Attempt>)> {
        self.rows().posts.iter().map(|row| (row.post.clone(), row.attempts.clone())).collect()
    }

    pub(super) fn enqueue(&self, new: &NewPost) -> Result<Enqueued, LedgerError> {
        new.check()?;
        let (content, mut rows) = (new.content_hash(), self.rows());
        if let Some(row) = rows.posts.iter().find(|row| row.post.key == new.key) {
            return match row.content == content {
                true => Ok(Enqueued { id: row.post.id, is_new: false }),
                false => Err(LedgerError::KeyConflict { what: "post", key: new.key.clone() }),
            };
        }
        let id = PostId(i64::try_from(rows.posts.len()).unwrap_or(i64::MAX));
        let post = Post {
            id,
            key: new.key.clone(),
            purpose: new.purpose,
            rollup: new.rollup,
            sender: new.sender,
            to: new.to,
            value: new.value,
            input: new.input.clone(),
            gas_limit: new.gas_limit,
            blob_hashes: new.blobs.iter().map(|blob| blob.hash).collect(),
            nonce: None,
            state: PostState::Queued,
            inclusion: None,
            failure: None,
            created_at: (self.now)(),
        };
        rows.posts.push(Row { post, content, blobs: new.blobs.clone(), attempts: Vec::new() });
        Ok(Enqueued { id, is_new: true })
    }

    pub(super) fn post(&self, id: PostId) -> Result<Post, LedgerError> {
        Ok(self.rows().get(id)?.post.clone())
    }

    pub(super) fn open_posts(&self, sender: Address) -> Vec<Post> {
        let rows = self.rows();
        let open = rows.posts.iter().map(|row| &row.post).filter(|p| p.sender == sender && !p.state.has_ended());
        let mut open: Vec<Post> = open.cloned().collect();
        open.sort_by_key(|post| (post.nonce.unwrap_or(u64::MAX), post.id));
        open
    }

    pub(super) fn post_blobs(&self, id: PostId) -> Result<Vec<PostBlob>, LedgerError> {
        Ok(self.rows().get(id)?.blobs.clone())
    }

    pub(super) fn attempts(&self, id: PostId) -> Result<Vec<Attempt>, LedgerError> {
        Ok(self.rows().get(id)?.attempts.clone())
    }

    pub(super) fn lease(&self, id: PostId, chain_nonce: u64) -> Result<MemoryLease, LedgerError> {
        let mut rows = self.rows();
        let row = rows.get(id)?;
        if !matches!(row.post.state, PostState::Queued | PostState::Signed | PostState::Broadcast) {
            return Err(row.wrong_state());
        }
        if row.attempts.len() >= MAX_ATTEMPTS {
            return Err(LedgerError::TooMany { what: "attempts of a post", limit: MAX_ATTEMPTS });
        }
        let post = row.post.clone();
        let of_sender = rows.posts.iter().filter(|row| row.post.sender == post.sender);
        let next = of_sender.filter_map(|row| row.post.nonce).max().map_or(0, |nonce| nonce + 1);
        let nonce = post.nonce.unwrap_or(next.max(chain_nonce));
        Ok(MemoryLease { outbox: self.clone(), post, nonce })
    }

    pub(super) fn mark_broadcast(&self, tx_hash: B256) -> Result<(), LedgerError> {
        let (now, mut rows) = ((self.now)(), self.rows());
        let row = rows.of_attempt(tx_hash)?;
        for attempt in row.attempts.iter_mut().filter(|attempt| attempt.tx_hash == tx_hash) {
            attempt.broadcast_at.get_or_insert(now);
        }
        if row.post.state == PostState::Signed {
            row.post.state = PostState::Broadcast;
        }
        Ok(())
    }

    pub(super) fn mark_mined(&self, inclusion: &Inclusion) -> Result<PostId, LedgerError> {
        let mut rows = self.rows();
        let row = rows.of_attempt(inclusion.tx_hash)?;
        match row.post.state {
            state if state.has_ended() && row.post.inclusion.as_ref() == Some(inclusion) => Ok(row.post.id),
            PostState::Signed | PostState::Broadcast | PostState::Mined => {
                (row.post.state, row.post.inclusion) = (PostState::Mined, Some(*inclusion));
                Ok(row.post.id)
            }
            _ => Err(row.wrong_state()),
        }
    }

    pub(super) fn finalize_post(&self, id: PostId, block_hash: B256) -> Result<PostState, LedgerError> {
        let mut rows = self.rows();
        let row = rows.get(id)?;
        let inclusion = row.post.inclusion.filter(|inclusion| inclusion.block_hash == block_hash);
        let inclusion = inclusion.ok_or_else(|| row.wrong_state())?;
        if row.post.state.has_ended() {
            return Ok(row.post.state);
        }
        if row.post.state != PostState::Mined {
            return Err(row.wrong_state());
        }
        let cancelled = row.attempts.iter().any(|a| a.tx_hash == inclusion.tx_hash && a.cancels);
        match (cancelled, inclusion.succeeded) {
            (true, _) => row.end(PostState::Cancelled, None),
            (_, true) => row.end(PostState::Final, None),
            _ => row.end(PostState::Failed, Some("reverted on L1")),
        }
        Ok(row.post.state)
    }

    pub(super) fn reopen_post(&self, id: PostId, block_hash: B256) -> Result<(), LedgerError> {
        let mut rows = self.rows();
        let row = rows.get(id)?;
        let there = row.post.inclusion.is_some_and(|inclusion| inclusion.block_hash == block_hash);
        if there && row.post.state == PostState::Mined {
            (row.post.state, row.post.inclusion) = (PostState::Broadcast, None);
        }
        Ok(())
    }

    pub(super) fn cancel_post(&self, id: PostId) -> Result<(), LedgerError> {
        let mut rows = self.rows();
        let row = rows.get(id)?;
        match row.post.state {
            PostState::Cancelled => {}
            PostState::Queued => row.end(PostState::Cancelled, None),
            _ => return Err(row.wrong_state()),
        }
        Ok(())
    }

    pub(super) fn fail_post(&self, id: PostId, reason: &str, chain_nonce: u64) -> Result<(), LedgerError> {
        let mut rows = self.rows();
        let row = rows.get(id)?;
        let used = row.post.nonce.is_none_or(|nonce| nonce < chain_nonce);
        match row.post.state {
            PostState::Failed => {}
            PostState::Queued | PostState::Signed | PostState::Broadcast if used => {
                row.end(PostState::Failed, Some(reason));
            }
            _ => return Err(row.wrong_state()),
        }
        Ok(())
    }
}

/// See [`super::Lease`].
pub(super) struct MemoryLease {
    outbox: MemoryOutbox,
    post: Post,
    pub(super) nonce: u64,
}

impl MemoryLease {
    pub(super) fn store(self, raw: &[u8], cancels: bool) -> Result<B256, LedgerError> {
        let expected = Expected::of(&self.post);
        let envelope = if cancels { expected.cancelling() } else { expected }.check(raw, self.nonce, cancels)?;
        let (tx_hash, now) = (*envelope.tx_hash(), (self.outbox.now)());
        let mut rows = self.outbox.rows();
        let row = rows.get(self.post.id)?;
        if row.attempts.iter().all(|attempt| attempt.tx_hash != tx_hash) {
            row.attempts.push(Attempt {
                tx_hash,
                post: self.post.id,
                raw: Some(raw.to_vec().into()),
                max_fee_per_gas: envelope.max_fee_per_gas(),
                max_priority_fee_per_gas: envelope
                    .max_priority_fee_per_gas()
                    .unwrap_or_else(|| envelope.max_fee_per_gas()),
                max_fee_per_blob_gas: envelope.max_fee_per_blob_gas(),
                cancels,
                signed_at: now,
                broadcast_at: None,
            });
        }
        row.post.nonce = Some(self.nonce);
        if row.post.state == PostState::Queued {
            row.post.state = PostState::Signed;
        }
        Ok(tx_hash)
    }
}
