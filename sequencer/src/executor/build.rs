//! Building a block: what it stands on, what the queue demands, what the pool offers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use mayfly_evm::{BlockAttributes, BlockBuilder, RecoveredTx, Refusal, SealedBlock};
use mayfly_rollup::RollupInfo;
use mayfly_rollup::batch::most_block_bytes;
use mayfly_rollup::derive::{L1Block, Pace, Position, QueueItem, QueueKind, block_attributes, execute_queue_item};

use super::enter::submit_error;
use super::held::may_pass_later;
use super::run::Executor;
use crate::error::{SequencerError, SubmitError};
use crate::pool::Pooled;
use crate::terms::DaChoice;
use crate::unposted::UnpostedBlock;
use crate::view::{PauseReason, Stage};

/// Encoded transactions of one block: it must fit one batch of blobs even if nothing compresses,
const MAX_BLOCK_BYTES: usize = 600_000;
/// or one of calldata, where that is how batches go to L1.
const MAX_CALLDATA_BLOCK_BYTES: usize = 120_000;
/// Transactions of one block.
const MAX_BLOCK_TRANSACTIONS: usize = 20_000;
/// Queue items of one block.
const MAX_QUEUE_ITEMS: usize = 4_096;
/// A block stops growing after so long, so that messages are not left waiting.
const MAX_BUILD: Duration = Duration::from_millis(250);
/// How many seconds' worth of the window's gas the pool may use ahead of time, so that a flood never leaves the rest of
/// a window without blocks.
const AHEAD_SECONDS: u64 = 4;
/// Blocks sealed and not durable.
const MAX_UNDURABLE: u64 = 64;

/// What a block is built from, besides transactions.
struct Plan {
    attributes: BlockAttributes,
    origin: u64,
    items: Vec<QueueItem>,
    queue_end: u64,
    /// Gas that derivation lets the block use.
    allowed: u64,
    /// Gas that the pool may use of it by now.
    pool_gas: u64,
}

/// What came of it.
#[derive(Default)]
struct Filled {
    queue_transactions: usize,
    /// Encoded transactions that do not come from the queue, and at most how many bytes of them.
    bytes: usize,
    max_bytes: usize,
    /// At most how many bytes of a payload the block may take, if it takes something from the pool.
    room: usize,
    /// Whether something did not fit there.
    crowded: bool,
    done: Vec<(Pooled, u64)>,
    dropped: Vec<(Pooled, SubmitError)>,
    lost: Vec<(B256, String)>,
    held: Vec<(Arc<RecoveredTx>, String)>,
    /// Answered ones that were put back, held or lost.
    restored: usize,
}

impl Filled {
    /// Whether a transaction of `size` bytes may follow. One alone may, whatever its size: blobs take it.
    fn has_room(&self, size: usize) -> bool {
        self.bytes == 0 || self.bytes + size <= self.max_bytes
    }

    /// Whether one of `size` bytes from the pool may follow: L1 must take the block before the close.
    fn may_take(&self, size: usize) -> bool {
        let transactions = self.restored + self.done.len() + 1;
        most_block_bytes(self.bytes + size, transactions) <= self.room
    }
}

impl Executor {
    /// Whether there is work and nothing forbids to do it.
    pub(super) fn wants_block(&self) -> bool {
        self.pause.is_none()
            && !matches!(self.stage, Stage::Frozen | Stage::Closing | Stage::Closed)
            && self.time() < if self.rescued.is_empty() { self.last_call() } else { self.last_rescue() }
            && (!self.rescued.is_empty()
                || self.held.may_pass(self.position().queue_end)
                || (self.pool.has_ready() && self.takes_nothing().is_none())
                || self.has_items())
    }

    /// Why the pool offers nothing, if the state has grown too large. What comes through L1's queue, or was answered
    /// before, is executed all the same: whoever derives the rollup does.
    pub(super) fn full_state(&self) -> Option<PauseReason> {
        let (bytes, max_bytes) = (self.chain.state_size().memory_bytes(), self.settings.max_state_bytes);
        (bytes > max_bytes).then_some(PauseReason::StateTooLarge { bytes, max_bytes })
    }

    /// Why the pool offers nothing, if so. What was answered before and the queue's items are executed all the same.
    pub(super) fn takes_nothing(&self) -> Option<PauseReason> {
        self.full_state().or_else(|| self.too_much_unposted())
    }

    /// Why no block may be built now, if so.
    pub(super) fn find_pause(&self) -> Option<PauseReason> {
        if !self.synced {
            return Some(PauseReason::Syncing);
        }
        if let Some(missing) = &*self.shared.missing.lock() {
            return Some(PauseReason::Restoring { batch: missing.batch });
        }
        let Some(origin) = self.window.deep(self.terms.conf_depth) else { return Some(PauseReason::Syncing) };
        if origin.number < self.position().origin {
            return Some(PauseReason::Syncing);
        }
        let behind_seconds = self.next_time(origin).saturating_sub(origin.timestamp);
        if behind_seconds > self.terms.max_drift {
            let max_seconds = self.terms.max_drift;
            return Some(PauseReason::OriginTooOld { origin: origin.number, behind_seconds, max_seconds });
        }
        let (seconds, max_seconds) = (self.unposted_seconds(), self.settings.pause_after_seconds);
        if seconds >= max_seconds {
            let reason =
                if self.trouble.is_empty() { "no batch was included".to_owned() } else { self.trouble.clone() };
            return Some(PauseReason::PostingStalled { seconds, max_seconds, reason });
        }
        let (bytes, max_bytes) = (self.shared.unposted.lock().bytes(), self.settings.max_unposted_bytes);
        if bytes > max_bytes {
            return Some(PauseReason::UnpostedTooLarge { bytes, max_bytes });
        }
        let blocks = self.chain.head().header.number.saturating_sub(self.shared.durable.load(Ordering::Acquire));
        (blocks > MAX_UNDURABLE).then_some(PauseReason::DiskBehind { blocks })
    }

    /// Builds one block. `false` if there turned out to be nothing to put into one.
    pub(super) fn build_block(&mut self) -> Result<bool, SequencerError> {
        let started = self.clock.instant();
        self.pause = self.find_pause();
        if self.pause.is_some() {
            return Ok(false);
        }
        let pace = self.pace()?;
        let Some(plan) = self.plan(pace) else { return Ok(false) };
        let max_bytes = match self.terms.da {
            DaChoice::Calldata => MAX_CALLDATA_BLOCK_BYTES,
            DaChoice::Blobs | DaChoice::Cheapest => MAX_BLOCK_BYTES,
        };
        let mut filled = Filled { max_bytes, room: self.room_for_block(), ..Filled::default() };
        let offers = self.takes_nothing().is_none();
        let mut builder = self.chain.begin(plan.attributes).map_err(chain_error)?;
        builder.allow(plan.allowed);
        let forced = run_queue(&self.info, &mut builder, &plan.items, &mut filled)?;
        // What comes through the queue needs no rescue.
        self.rescued.retain(|tx| !forced.contains(&tx.hash()));
        self.held.forget(&forced);
        if self.held.may_pass(plan.queue_end) {
            self.held.release(&mut self.rescued);
            // The file has them still, and keeps them until they are on the chain.
            self.rescue_until = None;
        }
        restore(&mut builder, &mut self.rescued, &mut filled)?;
        if self.rescued.is_empty() && offers {
            fill(&mut builder, &mut self.pool, &mut filled, plan.pool_gas, started)?;
        }
        let is_empty = plan.items.is_empty() && builder.is_empty();
        let sealed = if is_empty { None } else { Some(builder.seal().map_err(chain_error)?) };
        // What L1 takes makes room again, if there is anything for it to take.
        self.crowded = filled.crowded && (sealed.is_some() || self.shared.unposted.lock().len() > 0);
        for (pooled, gas_used) in filled.done {
            if let Some(grant) = pooled.grant {
                grant.settle(gas_used);
            }
        }
        for (pooled, why) in filled.dropped {
            self.drop_pooled(pooled, &why);
        }
        for (hash, reason) in filled.lost {
            if self.shared.reader.tx_location(&hash).map_err(chain_error)?.is_none() {
                self.lose(hash, reason);
            }
        }
        self.hold(filled.held, plan.queue_end);
        if sealed.is_some() {
            mayfly_fail::fail_point("sealed");
        }
        if filled.restored > 0 && self.rescued.is_empty() {
            let (block, held) = (self.chain.head().header.number, self.held.len());
            tracing::info!(block, held, "everything taken back is on the chain again, but for what is held");
            self.rescue_until = Some(block);
            self.realign_pool();
        }
        let Some(block) = sealed else { return Ok(false) };
        let took = self.clock.instant().saturating_duration_since(started);
        self.cadence.sealed(started, took, block.transactions.len());
        let metrics = &self.shared.metrics;
        metrics.blocks.inc();
        metrics.transactions.inc_by(block.transactions.len() as u64);
        metrics.gas.inc_by(block.header.gas_used);
        metrics.build_seconds.observe(took.as_secs_f64());
        let queue = (plan.queue_end, plan.items.len() as u32);
        let unposted = UnpostedBlock::new(&block, plan.origin, queue, filled.queue_transactions);
        self.shared.unposted.lock().push(unposted);
        Ok(true)
    }

    /// Where the executed head stands.
    pub(super) fn position(&self) -> Position {
        // Every block that is built or derived carries one; block 0 does too.
        Position::of(&self.chain.head().header).unwrap_or(Position { origin: 0, queue_end: 0 })
    }

    /// Age of the oldest unposted block.
    pub(super) fn unposted_seconds(&self) -> u64 {
        let oldest = self.shared.unposted.lock().oldest();
        oldest.map_or(0, |oldest| self.time().saturating_sub(oldest))
    }

    pub(super) fn has_items(&self) -> bool {
        let Some(origin) = self.window.deep(self.terms.conf_depth) else { return false };
        self.next_items(origin.number).next().is_some()
    }

    /// The queue items that the next block may take.
    fn next_items(&self, origin: u64) -> impl Iterator<Item = &QueueItem> {
        let ignores = self.settings.ignore_forced;
        let from = self.position().queue_end;
        self.window.items(from, origin).take_while(move |item| !ignores || item.kind != QueueKind::Forced as u8)
    }

    /// The next block's time on this origin.
    fn next_time(&self, origin: &L1Block) -> u64 {
        self.now().max(self.chain.head().header.timestamp).max(origin.timestamp)
    }

    /// Until then what was answered and taken back is put on the chain again, long after the last call: what is left is
    /// the time to post it in, about two L1 blocks.
    pub(super) fn last_rescue(&self) -> u64 {
        let margin = self.settings.post_margin_seconds.min(2 * self.window.slot_seconds());
        self.window.clock().close_time.saturating_sub(margin)
    }

    /// What the blocks of the head's window cost: what derivation will count as well.
    fn pace(&mut self) -> Result<Pace, SequencerError> {
        let head = Arc::clone(self.chain.head());
        let (known, pace) = self.pace;
        if known != head.hash {
            let pace = if head.header.parent_hash == known { pace.with(&head) } else { self.count_pace(&head)? };
            self.pace = (head.hash, pace);
        }
        Ok(self.pace.1)
    }

    fn count_pace(&self, head: &SealedBlock) -> Result<Pace, SequencerError> {
        let here = Pace::default().with(head);
        let mut blocks = Vec::new();
        for number in (1..=head.header.number).rev() {
            let block = self.block(number)?;
            if !here.is_of_window(block.header.timestamp) {
                break;
            }
            blocks.push((block.header.timestamp, block.header.gas_used));
        }
        Ok(blocks.into_iter().rev().fold(Pace::default(), |pace, (time, gas)| pace.after(time, gas)))
    }

    fn plan(&self, pace: Pace) -> Option<Plan> {
        let origin = self.window.deep(self.terms.conf_depth)?;
        let parent = &self.chain.head().header;
        let timestamp = self.next_time(origin);
        if timestamp > origin.timestamp.saturating_add(self.terms.max_drift) {
            return None;
        }
        let allowed = pace.left(timestamp)?.min(self.terms.block_gas_limit);
        let pool_gas = pace.left_by_now(timestamp, AHEAD_SECONDS);
        let mut gas = 0u64;
        let fits = |item: &&QueueItem| {
            gas = gas.saturating_add(item.gas_limit);
            gas <= allowed
        };
        let items: Vec<QueueItem> =
            self.next_items(origin.number).take_while(fits).take(MAX_QUEUE_ITEMS).cloned().collect();
        let queue_end = self.position().queue_end + items.len() as u64;
        let attributes = block_attributes(&self.info, parent, &origin.origin(), timestamp, queue_end);
        Some(Plan { attributes, origin: origin.number, items, queue_end, allowed, pool_gas })
    }
}

fn run_queue(
    info: &RollupInfo,
    builder: &mut BlockBuilder<'_>,
    items: &[QueueItem],
    filled: &mut Filled,
) -> Result<HashSet<B256>, SequencerError> {
    let mut hashes = HashSet::new();
    for item in items {
        if let Some(tx) = execute_queue_item(info, builder, item).map_err(chain_error)? {
            hashes.insert(tx.hash());
        }
    }
    filled.queue_transactions = hashes.len();
    Ok(hashes)
}

/// Puts answered transactions back, in the order in which they were answered.
fn restore(
    builder: &mut BlockBuilder<'_>,
    rescued: &mut std::collections::VecDeque<Arc<RecoveredTx>>,
    filled: &mut Filled,
) -> Result<(), SequencerError> {
    while let Some(tx) = rescued.front() {
        let size = tx.tx.encoded_len();
        if builder.len() >= MAX_BLOCK_TRANSACTIONS || !filled.has_room(size) {
            break;
        }
        match builder.execute(tx) {
            Ok(_) => {
                filled.bytes += size;
                filled.restored += 1;
            }
            Err(Refusal::Fatal(error)) => return Err(chain_error(error)),
            Err(Refusal::BlockGas { .. }) => break,
            Err(refusal) => {
                match may_pass_later(&refusal) {
                    true => filled.held.push((Arc::clone(tx), refusal.to_string())),
                    false => filled.lost.push((tx.hash(), refusal.to_string())),
                }
                filled.restored += 1;
            }
        }
        rescued.pop_front();
    }
    Ok(())
}

fn fill(
    builder: &mut BlockBuilder<'_>,
    pool: &mut crate::pool::Pool,
    filled: &mut Filled,
    gas: u64,
    started: Instant,
) -> Result<(), SequencerError> {
    loop {
        // One transaction takes up to 50 ms.
        if builder.len() >= MAX_BLOCK_TRANSACTIONS || started.elapsed() > MAX_BUILD {
            break;
        }
        let Some(pooled) = pool.take_next() else { break };
        let is_ahead = builder.gas_used().saturating_add(pooled.gas_limit) > gas;
        filled.crowded = !filled.may_take(pooled.size_bytes);
        if is_ahead || filled.crowded || !filled.has_room(pooled.size_bytes) {
            pool.put_back(pooled);
            break;
        }
        match builder.execute(&pooled.tx) {
            Ok(outcome) => {
                filled.bytes += pooled.size_bytes;
                filled.done.push((pooled, outcome.receipt.gas_used));
            }
            Err(Refusal::Fatal(error)) => return Err(chain_error(error)),
            Err(Refusal::BlockGas { .. }) => {
                pool.put_back(pooled);
                break;
            }
            Err(refusal) => {
                let nonce = match &refusal {
                    Refusal::NonceTooLow { state, .. } | Refusal::NonceTooHigh { state, .. } => *state,
                    _ => pooled.nonce,
                };
                // What follows waits behind the gap that the dropped one leaves.
                let stale = pool.move_to(pooled.sender, nonce);
                filled.dropped.extend(stale.into_iter().map(|p| (p, submit_error(&refusal))));
                filled.dropped.push((pooled, submit_error(&refusal)));
            }
        }
    }
    Ok(())
}

pub(super) fn chain_error(error: mayfly_evm::EvmError) -> SequencerError {
    SequencerError::Chain(error.to_string())
}
