//! The pool itself: who may enter, who has to leave, whose turn it is.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use mayfly_evm::RecoveredTx;
use serde::{Deserialize, Serialize};

use super::queue::SenderQueue;
use crate::admission::Grant;
use crate::error::SubmitError;

/// A replacement has to pay so many percent more.
const REPLACEMENT_BUMP_PERCENT: u128 = 10;

/// What the pool may hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolLimits {
    /// Transactions in all.
    pub max_transactions: usize,
    /// Encoded bytes in all.
    pub max_bytes: usize,
    /// Transactions of one sender.
    pub max_per_sender: usize,
    /// How far a nonce may lie beyond the first free one.
    pub max_nonce_gap: u64,
    /// Transactions in all that wait behind a gap.
    pub max_parked: usize,
    /// How long a transaction may wait behind a gap, in seconds.
    pub parked_seconds: u64,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            max_transactions: 50_000,
            max_bytes: 64 << 20,
            max_per_sender: 1_024,
            max_nonce_gap: 16,
            max_parked: 10_000,
            parked_seconds: 60,
        }
    }
}

/// A sender as the executed head has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
}

/// A checked transaction with all that the pool asks about it.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) tx: Arc<RecoveredTx>,
    pub(crate) hash: B256,
    pub(crate) sender: Address,
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    pub(crate) size_bytes: usize,
    pub(crate) max_fee: u128,
    pub(crate) tip: u128,
    /// Value plus gas limit times fee cap.
    pub(crate) cost: U256,
    pub(crate) at: Instant,
    /// What pays for it; dropped with the transaction.
    pub(crate) grant: Option<Grant>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    limits: PoolLimits,
    senders: HashMap<Address, SenderQueue>,
    known: HashMap<B256, (Address, u64)>,
    bytes: usize,
    /// Who can be served, in turn.
    line: VecDeque<Address>,
    /// Senders by how much of the pool they hold.
    by_count: BTreeSet<(usize, Address)>,
    /// Behind a gap, oldest first.
    parked: BTreeMap<u64, B256>,
    parked_ids: HashMap<B256, u64>,
    entered: u64,
}

impl Pool {
    pub(crate) fn new(limits: PoolLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    pub(crate) fn parked_count(&self) -> usize {
        assert_eq!(self.parked.len(), self.parked_ids.len());
        self.parked.len()
    }

    /// Whether some transaction could run now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.line.is_empty()
    }

    /// The nonce that `sender`'s next transaction should have, if anything of it waits.
    pub(crate) fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        self.senders.get(sender).map(SenderQueue::gap)
    }

    /// Up to `max` waiting transactions, and whether each could run without others first.
    pub(crate) fn content(&self, sender: Option<Address>, max: usize) -> Vec<(Arc<RecoveredTx>, bool)> {
        let queues: Vec<&SenderQueue> = match sender {
            Some(sender) => self.senders.get(&sender).into_iter().collect(),
            None => self.senders.values().collect(),
        };
        let all = queues.into_iter().flat_map(|queue| {
            let gap = queue.gap();
            queue.transactions.iter().map(move |(nonce, pooled)| (Arc::clone(&pooled.tx), *nonce < gap))
        });
        all.take(max).collect()
    }

    /// Takes `pooled` in. What had to leave for it (replaced or evicted) is returned.
    ///
    /// # Errors
    /// What wallets know: already known, nonce too low or high, underpriced, insufficient funds, full.
    pub(crate) fn insert(&mut self, pooled: Pooled, account: Account) -> Result<Vec<Pooled>, SubmitError> {
        if self.known.contains_key(&pooled.hash) {
            return Err(SubmitError::AlreadyKnown);
        }
        if pooled.nonce < account.nonce {
            return Err(SubmitError::NonceTooLow { tx: pooled.nonce, state: account.nonce });
        }
        let mut left = self.move_to(pooled.sender, account.nonce);
        let replaces = self.check_queue(&pooled, account)?;
        if !replaces {
            self.make_room(&pooled, account, &mut left)?;
        }
        let sender = pooled.sender;
        let (hash, nonce, size) = (pooled.hash, pooled.nonce, pooled.size_bytes);
        let queue = self.senders.entry(sender).or_insert_with(|| SenderQueue::at(account.nonce));
        let count = queue.transactions.len();
        let replaced = queue.add(pooled);
        let now = queue.transactions.len();
        self.by_count.remove(&(count, sender));
        self.by_count.insert((now, sender));
        self.known.insert(hash, (sender, nonce));
        self.bytes += size;
        if let Some(old) = replaced {
            self.known.remove(&old.hash);
            self.bytes -= old.size_bytes;
            self.unpark(&old.hash);
            left.push(old);
        }
        self.settle_queue(sender, Some(nonce));
        Ok(left)
    }

    /// The next transaction in turn. It leaves the pool; its sender goes to the end of the line.
    pub(crate) fn take_next(&mut self) -> Option<Pooled> {
        while let Some(sender) = self.line.pop_front() {
            let Some(queue) = self.senders.get_mut(&sender) else { continue };
            queue.in_line = false;
            let nonce = queue.next;
            let Some(pooled) = self.take(sender, nonce) else { continue };
            if let Some(queue) = self.senders.get_mut(&sender) {
                queue.next = nonce + 1;
            }
            self.settle_queue(sender, None);
            return Some(pooled);
        }
        None
    }

    /// A transaction that [`Pool::take_next`] gave and that found no room in the block: first in line again.
    pub(crate) fn put_back(&mut self, pooled: Pooled) {
        let sender = pooled.sender;
        let nonce = pooled.nonce;
        let queue = self.senders.entry(sender).or_insert_with(|| SenderQueue::at(nonce));
        let count = queue.transactions.len();
        queue.next = nonce;
        self.known.insert(pooled.hash, (sender, nonce));
        self.bytes += pooled.size_bytes;
        queue.add(pooled);
        self.by_count.remove(&(count, sender));
        self.by_count.insert((count + 1, sender));
        if !queue.in_line {
            queue.in_line = true;
            self.line.push_front(sender);
        }
        self.settle_queue(sender, None);
    }

    /// The executed head has `nonce` for `sender`: what lies below leaves; it is returned.
    pub(crate) fn move_to(&mut self, sender: Address, nonce: u64) -> Vec<Pooled> {
        let Some(queue) = self.senders.get_mut(&sender) else { return Vec::new() };
        if queue.next == nonce {
            return Vec::new();
        }
        queue.next = nonce;
        let stale: Vec<u64> = queue.transactions.range(..nonce).map(|(n, _)| *n).collect();
        let left = stale.into_iter().filter_map(|n| self.take(sender, n)).collect();
        self.settle_queue(sender, None);
        left
    }

    /// Who has something waiting.
    pub(crate) fn senders(&self) -> Vec<Address> {
        self.senders.keys().copied().collect()
    }

    /// Transactions that waited behind a gap for too long leave.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Pooled> {
        let limit = Duration::from_secs(self.limits.parked_seconds);
        let mut left = Vec::new();
        while let Some((_, hash)) = self.parked.first_key_value() {
            let Some((sender, nonce)) = self.known.get(hash).copied() else { break };
            let old = self.senders.get(&sender).and_then(|q| q.transactions.get(&nonce));
            if old.is_none_or(|p| now.saturating_duration_since(p.at) < limit) {
                break;
            }
            left.extend(self.take(sender, nonce));
            self.settle_queue(sender, None);
        }
        left
    }

    /// Empties the pool.
    pub(crate) fn clear(&mut self) -> Vec<Pooled> {
        let limits = self.limits.clone();
        let old = std::mem::replace(self, Self::new(limits));
        old.senders.into_values().flat_map(|queue| queue.transactions.into_values()).collect()
    }

    /// Nonce gap, replacement and funds. Says whether `pooled` replaces another.
    fn check_queue(&self, pooled: &Pooled, account: Account) -> Result<bool, SubmitError> {
        let queue = self.senders.get(&pooled.sender);
        let gap = queue.map_or(account.nonce, SenderQueue::gap);
        if pooled.nonce > gap.saturating_add(self.limits.max_nonce_gap) {
            return Err(SubmitError::NonceTooHigh { tx: pooled.nonce, state: gap });
        }
        let old = queue.and_then(|q| q.transactions.get(&pooled.nonce));
        if let Some(old) = old {
            let enough = |have: u128, old: u128| have >= bumped(old);
            if !enough(pooled.max_fee, old.max_fee) || !enough(pooled.tip, old.tip) {
                let (have, want) = if enough(pooled.max_fee, old.max_fee) {
                    (pooled.tip, old.tip)
                } else {
                    (pooled.max_fee, old.max_fee)
                };
                return Err(SubmitError::Underpriced { have, want: bumped(want) });
            }
        } else if queue.is_some_and(|q| q.transactions.len() >= self.limits.max_per_sender) {
            return Err(SubmitError::PoolFull(self.limits.max_per_sender));
        }
        let others = queue.map_or(U256::ZERO, |q| q.cost).saturating_sub(old.map_or(U256::ZERO, |o| o.cost));
        let want = others.saturating_add(pooled.cost);
        if want > account.balance {
            return Err(SubmitError::InsufficientFunds { have: account.balance, want });
        }
        Ok(old.is_some())
    }

    /// Evicts until `pooled` fits: first what waits behind gaps, then the tail of whoever holds most.
    fn make_room(&mut self, pooled: &Pooled, account: Account, left: &mut Vec<Pooled>) -> Result<(), SubmitError> {
        let queue = self.senders.get(&pooled.sender);
        let parks = pooled.nonce > queue.map_or(account.nonce, SenderQueue::gap);
        if parks && self.parked.len() >= self.limits.max_parked {
            return Err(SubmitError::PoolFull(self.limits.max_parked));
        }
        if pooled.size_bytes > self.limits.max_bytes {
            return Err(SubmitError::PoolFull(self.limits.max_transactions));
        }
        while self.known.len() >= self.limits.max_transactions || self.bytes + pooled.size_bytes > self.limits.max_bytes
        {
            let own = self.senders.get(&pooled.sender).map_or(0, |q| q.transactions.len());
            let parked = self.parked.first_key_value().and_then(|(_, hash)| self.known.get(hash).copied());
            let victim = parked.filter(|(sender, _)| !parks && *sender != pooled.sender).or_else(|| {
                let (count, sender) = self.by_count.last().copied()?;
                let last = self.senders.get(&sender)?.last_nonce()?;
                (count > own + 1).then_some((sender, last))
            });
            let Some((sender, nonce)) = victim else {
                return Err(SubmitError::PoolFull(self.limits.max_transactions));
            };
            left.extend(self.take(sender, nonce));
            self.settle_queue(sender, None);
        }
        Ok(())
    }

    fn take(&mut self, sender: Address, nonce: u64) -> Option<Pooled> {
        let queue = self.senders.get_mut(&sender)?;
        let count = queue.transactions.len();
        let pooled = queue.remove(nonce)?;
        self.by_count.remove(&(count, sender));
        if count > 1 {
            self.by_count.insert((count - 1, sender));
        }
        self.known.remove(&pooled.hash);
        self.bytes -= pooled.size_bytes;
        self.unpark(&pooled.hash);
        Some(pooled)
    }

    /// Brings the line and the list of parked transactions up to date for one sender.
    fn settle_queue(&mut self, sender: Address, added: Option<u64>) {
        let Some(queue) = self.senders.get_mut(&sender) else { return };
        if queue.transactions.is_empty() {
            self.senders.remove(&sender);
            return;
        }
        let shift = queue.settle(added);
        if queue.can_run() && !queue.in_line {
            queue.in_line = true;
            self.line.push_back(sender);
        }
        for hash in shift.parks {
            self.entered += 1;
            let before = self.parked_ids.insert(hash, self.entered);
            self.parked.insert(self.entered, hash);
            if let Some(before) = before {
                self.parked.remove(&before);
            }
        }
        for hash in shift.frees {
            self.unpark(&hash);
        }
    }

    fn unpark(&mut self, hash: &B256) {
        if let Some(id) = self.parked_ids.remove(hash) {
            self.parked.remove(&id);
        }
    }
}

fn bumped(old: u128) -> u128 {
    old.saturating_add((old.saturating_mul(REPLACEMENT_BUMP_PERCENT) / 100).max(1))
}
