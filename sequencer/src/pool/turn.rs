//! The pool itself: who may enter, who has to leave, whose turn it is.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, U256};
use mayfly_evm::RecoveredTx;
use serde::{Deserialize, Serialize};

use super::queue::SenderQueue;
use super::share::{Line, Share};
use crate::admission::Grant;
use crate::error::SubmitError;
use crate::origin::Origin;

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
    pub(crate) origin: Origin,
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
    shares: HashMap<Origin, Share>,
    /// Origins with somebody who can be served, in turn.
    line: Line<Origin>,
    /// Origins by how much of the pool they hold,
    by_held: BTreeSet<(usize, Origin)>,
    /// and by how much of it is parked.
    by_parked: BTreeSet<(usize, Origin)>,
    /// Behind a gap, oldest first.
    parked: BTreeMap<u64, (B256, Origin)>,
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
        assert_eq!(self.parked.len(), self.shares.values().map(|share| share.parked.len()).sum::<usize>());
        assert_eq!(self.known.len(), self.shares.values().map(|share| share.held).sum::<usize>());
        assert_eq!(self.shares.len(), self.by_held.len());
        let ready = |share: &Share| !share.line.is_empty();
        assert!(self.shares.values().all(|share| share.turn.is_some() == ready(share)));
        let can_run = self.senders.values().filter(|queue| queue.can_run());
        assert_eq!(can_run.count(), self.senders.values().filter(|queue| queue.turn.is_some()).count());
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

    /// How many could run without others first, and how many wait behind a gap.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.known.len().saturating_sub(self.parked.len()), self.parked.len())
    }

    /// One that waits.
    pub(crate) fn get(&self, hash: &B256) -> Option<Arc<RecoveredTx>> {
        let (sender, nonce) = self.known.get(hash)?;
        self.senders.get(sender)?.transactions.get(nonce).map(|pooled| Arc::clone(&pooled.tx))
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
        let (sender, nonce) = (pooled.sender, pooled.nonce);
        if let Some(old) = self.add(pooled, account.nonce) {
            self.known.remove(&old.hash);
            self.bytes -= old.size_bytes;
            self.unpark(&old.hash);
            left.push(old);
        }
        self.settle_queue(sender, Some(nonce));
        Ok(left)
    }

    /// The next transaction in turn. It leaves the pool; its sender and its origin go to the ends of their lines.
    pub(crate) fn take_next(&mut self) -> Option<Pooled> {
        let origin = self.line.first()?;
        let sender = self.shares.get(&origin)?.line.first()?;
        self.leave_line(sender);
        self.leave_origins(origin);
        let nonce = self.senders.get(&sender)?.next;
        let pooled = self.take(sender, nonce);
        if let Some(queue) = self.senders.get_mut(&sender) {
            queue.next = nonce + 1;
        }
        self.settle_queue(sender, None);
        pooled
    }

    /// A transaction that [`Pool::take_next`] gave and that found no room in the block: first in line again.
    pub(crate) fn put_back(&mut self, pooled: Pooled) {
        let (sender, nonce) = (pooled.sender, pooled.nonce);
        self.add(pooled, nonce);
        self.leave_line(sender);
        let Some(queue) = self.senders.get_mut(&sender) else { return };
        queue.next = nonce;
        let origin = queue.origin;
        let share = self.shares.entry(origin).or_default();
        queue.turn = Some(share.line.join_first(sender));
        self.leave_origins(origin);
        if let Some(share) = self.shares.get_mut(&origin) {
            share.turn = Some(self.line.join_first(origin));
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
        while let Some((_, (hash, _))) = self.parked.first_key_value() {
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

    /// Evicts until `pooled` fits.
    fn make_room(&mut self, pooled: &Pooled, account: Account, left: &mut Vec<Pooled>) -> Result<(), SubmitError> {
        let queue = self.senders.get(&pooled.sender);
        let parks = pooled.nonce > queue.map_or(account.nonce, SenderQueue::gap);
        let origin = queue.map_or(pooled.origin, |queue| queue.origin);
        let full = SubmitError::PoolFull(self.limits.max_transactions);
        if pooled.size_bytes > self.limits.max_bytes {
            return Err(full);
        }
        while parks && self.parked.len() >= self.limits.max_parked {
            let victim = self.parked_of_most(origin).ok_or(SubmitError::PoolFull(self.limits.max_parked))?;
            self.evict(victim, left);
        }
        while self.known.len() >= self.limits.max_transactions || self.bytes + pooled.size_bytes > self.limits.max_bytes
        {
            let victim = self.victim(pooled.sender, origin, parks).ok_or_else(|| full.clone())?;
            self.evict(victim, left);
        }
        Ok(())
    }

    /// Who gives way to one more of `sender`: the origin that holds most, if that is more than the sender's own would;
    /// else somebody behind the sender's own. First what waits behind gaps, then the tail of whoever holds most.
    fn victim(&self, sender: Address, origin: Origin, parks: bool) -> Option<(Address, u64)> {
        let own = self.shares.get(&origin).map_or(0, |share| share.held);
        let most = self.by_held.last().filter(|(held, most)| *most != origin && *held > own + 1);
        let from = most.map_or(origin, |(_, most)| *most);
        let share = self.shares.get(&from)?;
        let parked = share.parked.first().and_then(|id| self.place_of(*id));
        parked.filter(|(other, _)| (from != origin || !parks) && *other != sender).or_else(|| {
            let (count, other) = share.by_count.last().copied()?;
            let last = self.senders.get(&other)?.last_nonce()?;
            let own = self.senders.get(&sender).map_or(0, |queue| queue.transactions.len());
            (from != origin || count > own + 1).then_some((other, last))
        })
    }

    /// What the origin with the most parked transactions parked first, if it has more than `origin` would have.
    fn parked_of_most(&self, origin: Origin) -> Option<(Address, u64)> {
        let own = self.shares.get(&origin).map_or(0, |share| share.parked.len());
        let (_, most) = self.by_parked.last().filter(|(parked, _)| *parked > own + 1)?;
        self.place_of(*self.shares.get(most)?.parked.first()?)
    }

    /// Sender and nonce of a parked transaction.
    fn place_of(&self, parked: u64) -> Option<(Address, u64)> {
        self.known.get(&self.parked.get(&parked)?.0).copied()
    }

    fn evict(&mut self, (sender, nonce): (Address, u64), left: &mut Vec<Pooled>) {
        left.extend(self.take(sender, nonce));
        self.settle_queue(sender, None);
    }

    /// Puts a transaction into its sender's queue; a new queue starts at `next`. Returns what it replaced.
    fn add(&mut self, pooled: Pooled, next: u64) -> Option<Pooled> {
        let (sender, from) = (pooled.sender, pooled.origin);
        self.known.insert(pooled.hash, (sender, pooled.nonce));
        self.bytes += pooled.size_bytes;
        let queue = self.senders.entry(sender).or_insert_with(|| SenderQueue::at(next, from));
        let (origin, before) = (queue.origin, queue.transactions.len());
        let replaced = queue.add(pooled);
        let after = queue.transactions.len();
        self.recount(origin, sender, before, after);
        replaced
    }

    fn take(&mut self, sender: Address, nonce: u64) -> Option<Pooled> {
        let queue = self.senders.get_mut(&sender)?;
        let (origin, before) = (queue.origin, queue.transactions.len());
        let pooled = queue.remove(nonce)?;
        self.recount(origin, sender, before, before - 1);
        self.known.remove(&pooled.hash);
        self.bytes -= pooled.size_bytes;
        self.unpark(&pooled.hash);
        Some(pooled)
    }

    fn recount(&mut self, origin: Origin, sender: Address, before: usize, after: usize) {
        let share = self.shares.entry(origin).or_default();
        share.by_count.remove(&(before, sender));
        if after > 0 {
            share.by_count.insert((after, sender));
        }
        self.by_held.remove(&(share.held, origin));
        share.held = share.held + after - before;
        if share.held > 0 {
            self.by_held.insert((share.held, origin));
        }
    }

    /// Brings the lines and the list of parked transactions up to date for one sender.
    fn settle_queue(&mut self, sender: Address, added: Option<u64>) {
        let Some(queue) = self.senders.get_mut(&sender) else { return };
        let origin = queue.origin;
        let shift = queue.settle(added);
        let can_run = queue.can_run();
        if can_run && queue.turn.is_none() {
            queue.turn = Some(self.shares.entry(origin).or_default().line.join(sender));
        } else if !can_run {
            self.leave_line(sender);
        }
        for hash in shift.parks {
            self.park(hash, origin);
        }
        for hash in shift.frees {
            self.unpark(&hash);
        }
        if self.senders.get(&sender).is_some_and(|queue| queue.transactions.is_empty()) {
            self.senders.remove(&sender);
        }
        self.settle_origin(origin);
    }

    /// An origin stands in line as long as one of its senders does, and is forgotten with the last of them.
    fn settle_origin(&mut self, origin: Origin) {
        let Some(share) = self.shares.get_mut(&origin) else { return };
        if share.line.is_empty() {
            self.leave_origins(origin);
        } else if share.turn.is_none() {
            share.turn = Some(self.line.join(origin));
        }
        if self.shares.get(&origin).is_some_and(|share| share.held == 0) {
            self.shares.remove(&origin);
        }
    }

    fn leave_line(&mut self, sender: Address) {
        let Some(queue) = self.senders.get_mut(&sender) else { return };
        if let (Some(turn), Some(share)) = (queue.turn.take(), self.shares.get_mut(&queue.origin)) {
            share.line.leave(turn);
        }
    }

    fn leave_origins(&mut self, origin: Origin) {
        if let Some(turn) = self.shares.get_mut(&origin).and_then(|share| share.turn.take()) {
            self.line.leave(turn);
        }
    }

    fn park(&mut self, hash: B256, origin: Origin) {
        self.unpark(&hash);
        self.entered += 1;
        let id = self.entered;
        self.parked_ids.insert(hash, id);
        self.parked.insert(id, (hash, origin));
        self.change_parked(origin, |parked| parked.insert(id));
    }

    fn unpark(&mut self, hash: &B256) {
        let Some(id) = self.parked_ids.remove(hash) else { return };
        if let Some((_, origin)) = self.parked.remove(&id) {
            self.change_parked(origin, |parked| parked.remove(&id));
        }
    }

    fn change_parked(&mut self, origin: Origin, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let Some(share) = self.shares.get_mut(&origin) else { return };
        self.by_parked.remove(&(share.parked.len(), origin));
        change(&mut share.parked);
        if !share.parked.is_empty() {
            self.by_parked.insert((share.parked.len(), origin));
        }
    }
}

fn bumped(old: u128) -> u128 {
    old.saturating_add((old.saturating_mul(REPLACEMENT_BUMP_PERCENT) / 100).max(1))
}
