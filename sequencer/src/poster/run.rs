//! The poster's loop: what is open goes on, then the next batch is built.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use alloy_sol_types::SolCall;
use mayfly_contracts::inbox::Inbox::postBatchCall;
use mayfly_fail::fail_point;
use mayfly_l1::{Sender, offload};
use mayfly_ledger::{Outbox, Post, PostId, PostState, Purpose};
use mayfly_proto::Commodity;
use mayfly_rollup::batch::{BLOB_BYTES, MAX_BLOCKS, Payload, decode, unpack_blobs};
use mayfly_rollup::derive::BatchData;
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::batch::{Built, CODEC_BLOBS, Order, assemble, choose_origin, encode_checked, wants_blobs, warm_up};
use super::drive::{Driver, Outcome, l1_error, ledger_error};
use super::due::{Due, Waiting, due};
use super::runway::Runway;
use crate::clock::Clock;
use crate::config::SequencerSettings;
use crate::error::SequencerError;
use crate::executor::{Mailbox, Message, PostingHealth};
use crate::shared::Shared;
use crate::terms::{DaChoice, Terms};
use crate::unposted::UnpostedBlock;
use crate::view::{PostView, Stage};

/// Raw bytes of blocks looked at for one batch; columns and compression make them smaller.
const MAX_RAW_BYTES: usize = 4 << 20;
/// Same content under a new key, after its post ended without effect.
const MAX_REPEATS: usize = 16;
/// How often the balance is asked for.
const BALANCE_EVERY: Duration = Duration::from_secs(10);
const GWEI: u128 = 1_000_000_000;

/// How posting goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PosterStatus {
    /// Number of the batch that is on its way, if one is.
    pub in_flight: Option<u64>,
    /// What keeps it from going on; empty if nothing does.
    pub trouble: String,
    /// What the posting key holds, in wei.
    pub balance_wei: u128,
    /// How many seconds that lasts at the recent rate.
    pub runway_seconds: Option<u64>,
    /// The highest batch of ours seen on L1 since the start.
    pub last_posted: Option<u64>,
}

/// What the poster is made of.
pub(crate) struct PosterParts {
    pub(crate) terms: Terms,
    pub(crate) settings: SequencerSettings,
    pub(crate) ledger: Outbox,
    pub(crate) sender: Sender,
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) status: Arc<Mutex<PosterStatus>>,
    pub(crate) clock: Clock,
}

/// The last block of a post's batch, to see whether the chain still has it.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: u64,
    hash: B256,
    timestamp: u64,
}

/// See the module.
pub(crate) struct Poster {
    terms: Terms,
    settings: SequencerSettings,
    driver: Driver,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    status: Arc<Mutex<PosterStatus>>,
    lasts: HashMap<PostId, Last>,
    runway: Runway,
    paid: HashMap<PostId, ()>,
    balance_at: Option<Instant>,
}

impl Poster {
    pub(crate) fn new(parts: PosterParts) -> Self {
        let PosterParts { terms, settings, ledger, sender, shared, mailbox, status, clock } = parts;
        let bump_after = Duration::from_secs(settings.bump_after_seconds.max(1));
        let driver = Driver { ledger, sender, shared: Arc::clone(&shared), bump_after, clock };
        let (lasts, paid) = (HashMap::new(), HashMap::new());
        Self {
            terms,
            settings,
            driver,
            shared,
            mailbox,
            status,
            lasts,
            runway: Runway::default(),
            paid,
            balance_at: None,
        }
    }

    /// Runs until cancelled.
    pub(crate) async fn run(mut self, cancel: CancellationToken) {
        // Not when the first batch is due, or the last one.
        if self.terms.da != DaChoice::Calldata {
            drop(tokio::task::spawn_blocking(warm_up));
        }
        let tick = self.settings.l1_poll().min(Duration::from_secs(1));
        loop {
            // A round that is left in the middle is what a crash leaves: every step can be repeated.
            let round = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                round = self.round() => round,
            };
            let trouble = round.unwrap_or_else(|error| error.to_string());
            if self.report(trouble).await.is_err() {
                return;
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(tick) => {}
            }
        }
    }

    async fn report(&self, trouble: String) -> Result<(), SequencerError> {
        let changed = std::mem::replace(&mut self.status.lock().trouble, trouble.clone()) != trouble;
        if changed {
            if !trouble.is_empty() {
                tracing::warn!(trouble, "posting to l1 is in trouble");
            }
            self.mailbox.send(Message::Posting(PostingHealth { trouble })).await?;
        }
        Ok(())
    }

    /// One look at everything. What it returns is what keeps posting from going on, if anything does.
    async fn round(&mut self) -> Result<String, SequencerError> {
        self.look_at_balance().await?;
        let view = self.shared.view.borrow().post.clone();
        if !view.synced {
            return Ok(String::new());
        }
        let mut trouble = String::new();
        let mut busy = None;
        let open = self.driver.ledger.open_posts(self.driver.sender.address()).await.map_err(ledger_error)?;
        self.lasts.retain(|id, _| open.iter().any(|p| p.id == *id));
        self.paid.retain(|id, ()| open.iter().any(|p| p.id == *id));
        let final_block = self.driver.final_block().await?;
        let rollup = Some(self.terms.rollup);
        for post in open.iter().filter(|p| p.rollup == rollup && p.purpose == Purpose::Batch) {
            let Ok(call) = postBatchCall::abi_decode(&post.input) else {
                return Err(SequencerError::Ledger(format!("post {} is no batch", post.key)));
            };
            let wanted = self.is_wanted(post, &call, &view).await?;
            match self.driver.step(post, wanted, final_block).await? {
                Outcome::Pending => busy = Some(call.seq),
                Outcome::Trouble(why) => {
                    busy = Some(call.seq);
                    trouble = why;
                }
                Outcome::Hopeless(why) => {
                    trouble = format!("l1 would revert batch {}: {why}", call.seq);
                    tracing::warn!(seq = call.seq, why, "batch taken back");
                    self.driver.ledger.cancel_post(post.id).await.map_err(ledger_error)?;
                }
                Outcome::Mined { succeeded, cancelled, wei } => {
                    self.note_mined(post, call.seq, wei, succeeded && !cancelled);
                    if succeeded && !cancelled && call.seq >= view.seq {
                        busy = Some(call.seq);
                    }
                }
                Outcome::Ended => {}
            }
        }
        self.status.lock().in_flight = busy;
        // A batch that was just taken back is not built again in the same round; one that reverted is, at once.
        if busy.is_none() && trouble.is_empty() {
            trouble = self.post_next(&view).await?;
        }
        Ok(trouble)
    }

    /// Builds and sends the next batch if it is time.
    async fn post_next(&mut self, view: &PostView) -> Result<String, SequencerError> {
        let Some((why, blocks)) = self.blocks_due(view) else { return Ok(String::new()) };
        let Some(mut built) = self.build(view, blocks).await? else {
            return Ok("no usable l1 origin for the next batch".to_owned());
        };
        let Some(post) = self.enqueue(&mut built).await? else {
            return Ok(format!("batch {} ended {MAX_REPEATS} times without effect", view.seq));
        };
        let data = if built.fields.codec == CODEC_BLOBS {
            BatchData::Blobs(built.post.blobs.iter().map(|blob| blob.data.clone()).collect())
        } else {
            BatchData::Calldata(built.payload)
        };
        self.shared.note_data(built.fields.data_hash, data);
        let last = Last { number: built.content.last_block, hash: built.last_hash, timestamp: built.last_time };
        self.lasts.insert(post.id, last);
        let (first, bytes, codec) = (built.content.first_block, built.content.payload_bytes, built.fields.codec);
        tracing::info!(seq = view.seq, ?why, first, last = last.number, bytes, codec, "posting a batch");
        self.status.lock().in_flight = Some(view.seq);
        let final_block = self.driver.final_block().await?;
        match self.driver.step(&post, true, final_block).await? {
            Outcome::Trouble(why) => Ok(why),
            Outcome::Hopeless(why) => {
                self.driver.ledger.cancel_post(post.id).await.map_err(ledger_error)?;
                Ok(format!("l1 would revert batch {}: {why}", view.seq))
            }
            _ => Ok(String::new()),
        }
    }

    /// The blocks that should leave now, if any.
    fn blocks_due(&self, view: &PostView) -> Option<(Due, Vec<UnpostedBlock>)> {
        let durable = self.shared.durable.load(Ordering::Acquire);
        let mut blocks = self.shared.unposted.lock().first(durable, MAX_RAW_BYTES, MAX_BLOCKS);
        // A block may not be younger than the L1 block that includes it, and L1's clock may be behind ours.
        let ripe = blocks.partition_point(|b| b.timestamp <= view.l1_time);
        blocks.truncate(ripe);
        let first = blocks.first().filter(|b| b.parent_hash == view.posted.hash)?;
        let waiting = Waiting {
            blocks: blocks.len(),
            // What columns and compression make of plain transfers.
            size_bytes: blocks.iter().map(|b| b.bytes).sum::<usize>() / 5 * 2,
            oldest: first.timestamp,
        };
        due(waiting, view, &self.settings, self.now(view)).map(|why| (why, blocks))
    }

    async fn build(&self, view: &PostView, blocks: Vec<UnpostedBlock>) -> Result<Option<Built>, SequencerError> {
        let fees = self.driver.sender.suggest_fees().await.map_err(l1_error)?;
        let shared = Arc::clone(&self.shared);
        let (terms, sender, view) = (self.terms, self.driver.sender.address(), view.clone());
        let work = move || {
            let Some(encoded) = encode_checked(view.posted.hash, &blocks, terms.da)? else { return Ok(None) };
            let hash_of = |number: u64| shared.origin(number);
            let Some(origin) = choose_origin(&view, encoded.origin, terms.max_origin_lag, hash_of) else {
                return Ok(None);
            };
            let count = (encoded.last_block + 1 - encoded.first_block) as usize;
            let queue_transactions = blocks.iter().take(count).map(|b| b.queue_transactions).sum();
            let blobs = wants_blobs(&encoded.payload, terms.da, &fees);
            let last_time = blocks.get(count - 1).map_or(0, |b| b.timestamp);
            let (seq, parent_hash) = (view.seq, view.parent_hash);
            assemble(Order { terms, sender, seq, parent_hash, origin, encoded, queue_transactions, last_time, blobs })
                .map(Some)
        };
        offload(work).await.map_err(|e| SequencerError::Batch(e.to_string()))?
    }

    /// Stores the batch; under a further key if the same content ended without effect before.
    async fn enqueue(&self, built: &mut Built) -> Result<Option<Post>, SequencerError> {
        let (ledger, rollup) = (&self.driver.ledger, self.terms.rollup);
        let key = built.post.key.clone();
        fail_point("post-enqueue");
        for repeat in 1..=MAX_REPEATS {
            let enqueued = ledger.enqueue_batch(rollup, &built.fields, &built.content, &built.post).await;
            let post = ledger.post(enqueued.map_err(ledger_error)?.id).await.map_err(ledger_error)?;
            if !self.driver.is_spent(&post).await? {
                fail_point("post-enqueued");
                return Ok(Some(post));
            }
            built.post.key = format!("{key}/{repeat}");
        }
        Ok(None)
    }

    /// Whether the batch still follows L1's last one and holds the chain's own blocks.
    async fn is_wanted(&mut self, post: &Post, call: &postBatchCall, view: &PostView) -> Result<bool, SequencerError> {
        if matches!(post.state, PostState::Mined) {
            return Ok(true);
        }
        let origin = self.shared.origin(call.originNumber);
        let open = !matches!(view.stage, Stage::Frozen | Stage::Closing | Stage::Closed);
        let fits = call.seq == view.seq
            && call.parentHash == view.parent_hash
            && origin == Some(call.originHash)
            && view.l1_number.saturating_sub(call.originNumber) < self.terms.max_origin_lag;
        if !open || !fits {
            return Ok(false);
        }
        let last = match self.lasts.get(&post.id) {
            Some(last) => *last,
            None => match self.find_last(post, call, view).await? {
                Some(last) => *self.lasts.entry(post.id).or_insert(last),
                None => return Ok(false),
            },
        };
        let ripe = last.timestamp <= view.l1_time;
        Ok(ripe && self.shared.unposted.lock().hash_of(last.number) == Some(last.hash))
    }

    /// After a restart: which of our blocks a stored post holds, if they are our blocks.
    async fn find_last(
        &self,
        post: &Post,
        call: &postBatchCall,
        view: &PostView,
    ) -> Result<Option<Last>, SequencerError> {
        let bytes = if call.codec == CODEC_BLOBS {
            let blobs = self.driver.ledger.post_blobs(post.id).await.map_err(ledger_error)?;
            let blobs: Vec<_> = blobs.into_iter().map(|b| b.data).collect();
            unpack_blobs(&blobs).map_err(|e| SequencerError::Batch(e.to_string()))?
        } else {
            call.data.to_vec()
        };
        let Payload { parent_hash, blocks } = decode(&bytes).map_err(|e| SequencerError::Batch(e.to_string()))?;
        let durable = self.shared.durable.load(Ordering::Acquire);
        let ours = self.shared.unposted.lock().first(durable, usize::MAX, blocks.len());
        let same = parent_hash == view.posted.hash
            && ours.len() == blocks.len()
            && ours.iter().zip(&blocks).all(|(ours, theirs)| ours.to_batch_block() == *theirs);
        let last = ours.last().filter(|_| same);
        Ok(last.map(|last| Last { number: last.number, hash: last.hash, timestamp: last.timestamp }))
    }

    fn note_mined(&mut self, post: &Post, seq: u64, wei: u128, posted: bool) {
        if self.paid.insert(post.id, ()).is_none() {
            self.runway.paid(self.driver.clock.instant(), wei);
            if posted {
                tracing::info!(seq, wei, "batch on l1");
                self.shared.metrics.batches.inc();
                let input = post.input.len() + post.blob_hashes.len() * BLOB_BYTES;
                self.shared.metrics.batch_bytes.inc_by(input as u64);
                self.shared.bill(Commodity::ChainBytes, input as u64);
            } else {
                tracing::warn!(seq, wei, "a post of this batch had no effect on l1");
            }
        }
        if posted {
            let mut status = self.status.lock();
            status.last_posted = status.last_posted.max(Some(seq));
        }
    }

    async fn look_at_balance(&mut self) -> Result<(), SequencerError> {
        if self.balance_at.is_some_and(|at| self.driver.clock.instant().saturating_duration_since(at) < BALANCE_EVERY) {
            return Ok(());
        }
        let balance = self.driver.sender.client().balance(self.driver.sender.address()).await.map_err(l1_error)?;
        let balance = u128::try_from(balance).unwrap_or(u128::MAX);
        let now = self.driver.clock.instant();
        let runway = self.runway.seconds(now, balance);
        self.balance_at = Some(now);
        let metrics = &self.shared.metrics;
        metrics.balance_gwei.set(i64::try_from(balance / GWEI).unwrap_or(i64::MAX));
        metrics.runway_seconds.set(runway.map_or(-1, |s| i64::try_from(s).unwrap_or(i64::MAX)));
        let mut status = self.status.lock();
        (status.balance_wei, status.runway_seconds) = (balance, runway);
        Ok(())
    }

    /// Unix time, or L1's where that is ahead.
    fn now(&self, view: &PostView) -> u64 {
        self.driver.clock.unix().as_secs().max(view.l1_time)
    }
}
