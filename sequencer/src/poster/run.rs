//! The poster's loop: what is open goes on, then the next batch is built.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use alloy_primitives::{B256, Bytes};
use mayfly_fail::fail_point;
use mayfly_l1::{Hurry, Sender, background};
use mayfly_ledger::{BatchContent, BatchFields, NewPost, Outbox, Post, PostId, PostState};
use mayfly_proto::Commodity;
use mayfly_rollup::batch::{BLOB_BYTES, MAX_BLOCKS};
use mayfly_rollup::derive::BatchData;
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::batch::{Built, CODEC_BLOBS, Order, assemble, choose_origin, encode_checked, wants_blobs, warm_up};
use super::call::InboxCall;
use super::drive::{Driver, Outcome, l1_error, ledger_error};
use super::due::{Due, Waiting, due, hurries};
use super::forced;
use super::gap::{self, Gap};
use super::refused::Refused;
use super::runway::Runway;
use super::trouble::Trouble;
use super::wanted::Last;
use crate::clock::Clock;
use crate::config::SequencerSettings;
use crate::error::SequencerError;
use crate::executor::{Mailbox, Message, PostingHealth};
use crate::shared::Shared;
use crate::terms::{DaChoice, Terms};
use crate::unposted::UnpostedBlock;
use crate::view::PostView;

/// Raw bytes of blocks looked at for one batch; columns and compression make them smaller.
const MAX_RAW_BYTES: usize = 4 << 20;
/// Same content under a new key, after its post ended without effect.
const MAX_REPEATS: usize = 64;
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
    /// What would end that.
    pub trouble_ends: String,
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

/// See the module.
pub(crate) struct Poster {
    pub(super) terms: Terms,
    settings: SequencerSettings,
    pub(super) driver: Driver,
    pub(super) shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    status: Arc<Mutex<PosterStatus>>,
    pub(super) lasts: HashMap<PostId, Last>,
    runway: Runway,
    paid: HashMap<PostId, ()>,
    balance_at: Option<Instant>,
    gap: Option<Gap>,
    refused: Refused,
}

impl Poster {
    pub(crate) fn new(parts: PosterParts) -> Self {
        let PosterParts { terms, settings, ledger, sender, shared, mailbox, status, clock } = parts;
        let bump_after = Duration::from_secs(settings.bump_after_seconds.max(1));
        let taken = Mutex::default();
        let driver = Driver { ledger, sender, shared: Arc::clone(&shared), bump_after, clock, taken };
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
            gap: None,
            refused: Refused::default(),
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
            let trouble = round.unwrap_or_else(|error| Trouble::of(&error));
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

    async fn report(&self, trouble: Trouble) -> Result<(), SequencerError> {
        let Trouble { what, ends } = trouble;
        let (changed, is_other) = {
            let mut status = self.status.lock();
            let changed = std::mem::replace(&mut status.trouble, what.clone()) != what;
            (changed, std::mem::replace(&mut status.trouble_ends, ends.clone()) != ends)
        };
        // Its numbers may change with each look; the log has it once.
        if is_other {
            match what.as_str() {
                "" => tracing::info!("posting to l1 goes on"),
                trouble => tracing::warn!(trouble, ends, "posting to l1 is in trouble"),
            }
        }
        if changed {
            self.mailbox.send(Message::Posting(PostingHealth { trouble: what })).await?;
        }
        Ok(())
    }

    /// One look at everything. What it returns is what keeps posting from going on, if anything does.
    async fn round(&mut self) -> Result<Trouble, SequencerError> {
        self.look_at_balance().await?;
        let view = self.shared.view.borrow().post.clone();
        if !view.synced {
            return Ok(Trouble::default());
        }
        let _hurry = hurries(&view, &self.settings, self.now(&view)).then(Hurry::begin);
        let mut trouble = Trouble::default();
        let mut busy = None;
        let open = self.driver.ledger.open_posts(self.driver.sender.address()).await.map_err(ledger_error)?;
        self.lasts.retain(|id, _| open.iter().any(|p| p.id == *id));
        self.paid.retain(|id, ()| open.iter().any(|p| p.id == *id));
        let final_block = self.driver.final_block().await?;
        let rollup = Some(self.terms.rollup);
        for post in open.iter().filter(|p| p.rollup == rollup) {
            let Some(call) = InboxCall::of(post)? else { continue };
            let seq = call.seq(&view);
            let wanted = self.is_wanted(post, &call, &view).await?;
            match self.driver.step(post, wanted, final_block).await? {
                Outcome::Pending => busy = Some(seq),
                Outcome::Trouble(why) => {
                    busy = Some(seq);
                    trouble = why;
                }
                Outcome::Hopeless { why, revert } => {
                    tracing::warn!(seq, why, "batch taken back");
                    trouble = self.take_back(post, &view, &why, revert).await?;
                }
                Outcome::Mined { succeeded, cancelled, wei } => {
                    self.note_mined(post, &call, wei, succeeded && !cancelled);
                    if succeeded && !cancelled && call.is_unseen(&view) {
                        busy = Some(seq);
                    }
                }
                Outcome::Ended | Outcome::Taken => {}
            }
        }
        let waits = open.iter().any(|post| post.state != PostState::Mined);
        if let Some(why) = self.close_gap(&open, waits).await? {
            trouble = Trouble::new(why, "by itself, once l1 includes what uses them up");
        }
        self.status.lock().in_flight = busy;
        self.look_at_restored(busy, &view);
        // A batch that was just taken back is not built again in the same round; one that reverted is, at once.
        let due = self.blocks_due(&view);
        self.shared.posting.lock().wanted(self.now(&view), busy.is_some() || due.is_some());
        if busy.is_none()
            && trouble.is_none()
            && let Some((why, blocks)) = due
        {
            trouble = self.post_next(&view, why, blocks).await?;
        }
        Ok(trouble)
    }

    /// Builds and sends the next batch.
    async fn post_next(
        &mut self,
        view: &PostView,
        why: Due,
        blocks: Vec<UnpostedBlock>,
    ) -> Result<Trouble, SequencerError> {
        if self.refused.waits(view.l1_number) {
            return Ok(self.refused.trouble());
        }
        let (revert, times) = self.refused.said();
        if forced::is_called_for(revert, times)
            && let Some(mut order) = forced::order(self.terms, self.driver.sender.address(), view)
            && let Some(post) = self.enqueue(&mut order, None).await?
        {
            tracing::warn!(seq = view.seq, "posting overdue queue items before blocks of ours");
            return self.send(&post, view).await;
        }
        let Some(mut built) = self.build(view, blocks).await? else {
            let why = "no usable l1 origin for the next batch";
            return Ok(Trouble::new(why, "by itself, with l1's next blocks"));
        };
        let Some(post) = self.enqueue(&mut built.post, Some((&built.fields, &built.content))).await? else {
            let why = format!("batch {} ended {MAX_REPEATS} times without effect", view.seq);
            return Ok(Trouble::new(why, "by itself, once the batch holds more or names another origin"));
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
        self.send(&post, view).await
    }

    /// The first step of a new post.
    async fn send(&mut self, post: &Post, view: &PostView) -> Result<Trouble, SequencerError> {
        self.status.lock().in_flight = Some(view.seq);
        let final_block = self.driver.final_block().await?;
        match self.driver.step(post, true, final_block).await? {
            Outcome::Trouble(why) => Ok(why),
            Outcome::Hopeless { why, revert } => self.take_back(post, view, &why, revert).await,
            _ => Ok(Trouble::default()),
        }
    }

    /// L1 would revert the post: it is made anew a little later.
    async fn take_back(
        &mut self,
        post: &Post,
        view: &PostView,
        why: &str,
        revert: Bytes,
    ) -> Result<Trouble, SequencerError> {
        self.driver.ledger.cancel_post(post.id).await.map_err(ledger_error)?;
        self.refused.again(format!("l1 would revert batch {}: {why}", view.seq), revert, view.l1_number);
        Ok(self.refused.trouble())
    }

    async fn close_gap(&mut self, open: &[Post], waits: bool) -> Result<Option<String>, SequencerError> {
        if !waits {
            self.gap = None;
            return Ok(None);
        }
        gap::close(&mut self.gap, &self.driver.sender, open, self.driver.bump_after).await
    }

    /// The blocks that should leave now, if any.
    fn blocks_due(&self, view: &PostView) -> Option<(Due, Vec<UnpostedBlock>)> {
        let durable = self.shared.durable.load(Ordering::Acquire);
        let mut blocks = self.shared.unposted.lock().first(durable, MAX_RAW_BYTES, MAX_BLOCKS);
        // A block may not be younger than the L1 block that includes it, and L1's clock may be behind ours; its origin
        // may not be the head (see `choose_origin`).
        let ripe = blocks.partition_point(|b| b.timestamp <= view.l1_time && b.origin < view.l1_number);
        let unripe = ripe < blocks.len();
        blocks.truncate(ripe);
        let first = blocks.first().filter(|b| b.parent_hash == view.posted.hash)?;
        let waiting = Waiting {
            blocks: blocks.len(),
            unripe,
            // What columns and compression make of plain transfers.
            size_bytes: blocks.iter().map(|b| b.bytes).sum::<usize>() / 5 * 2,
            most_bytes: blocks.iter().map(UnpostedBlock::most_bytes).sum(),
            batch_bytes: self.terms.da.batch_bytes(),
            oldest: first.timestamp,
        };
        due(waiting, view, &self.settings, self.now(view)).map(|why| (why, blocks))
    }

    async fn build(&self, view: &PostView, blocks: Vec<UnpostedBlock>) -> Result<Option<Built>, SequencerError> {
        let fees = self.driver.sender.suggest_fees().await.map_err(l1_error)?;
        // Looked up here: a thread that gives way may have to stop while it holds a lock.
        let numbers: BTreeSet<u64> = blocks.iter().map(|b| b.origin).collect();
        let origins: BTreeMap<u64, B256> =
            numbers.into_iter().filter_map(|number| Some((number, self.shared.origin(number)?))).collect();
        let (terms, sender, view) = (self.terms, self.driver.sender.address(), view.clone());
        let work = move || {
            let Some(encoded) = encode_checked(view.posted.hash, &blocks, terms.da)? else { return Ok(None) };
            let hash_of = |number: u64| origins.get(&number).copied();
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
        background(work).await.map_err(|e| SequencerError::Batch(e.to_string()))?
    }

    /// Stores the post; under a further key if the same content ended without effect before.
    async fn enqueue(
        &self,
        new: &mut NewPost,
        batch: Option<(&BatchFields, &BatchContent)>,
    ) -> Result<Option<Post>, SequencerError> {
        let (ledger, rollup) = (&self.driver.ledger, self.terms.rollup);
        let key = new.key.clone();
        fail_point("post-enqueue");
        for repeat in 1..=MAX_REPEATS {
            let enqueued = match batch {
                Some((fields, content)) => ledger.enqueue_batch(rollup, fields, content, new).await,
                None => ledger.enqueue(new).await,
            };
            let post = ledger.post(enqueued.map_err(ledger_error)?.id).await.map_err(ledger_error)?;
            if !self.driver.is_spent(&post).await? {
                fail_point("post-enqueued");
                return Ok(Some(post));
            }
            new.key = format!("{key}/{repeat}");
        }
        Ok(None)
    }

    fn note_mined(&mut self, post: &Post, call: &InboxCall, wei: u128, posted: bool) {
        if self.paid.insert(post.id, ()).is_none() {
            self.runway.paid(self.driver.clock.instant(), wei);
            self.refused = Refused::default();
            if posted {
                tracing::info!(post = %post.key, wei, "batch on l1");
                self.shared.metrics.batches.inc();
                let input = post.input.len() + post.blob_hashes.len() * BLOB_BYTES;
                self.shared.metrics.batch_bytes.inc_by(input as u64);
                self.shared.bill(Commodity::ChainBytes, input as u64);
            } else {
                tracing::warn!(post = %post.key, wei, "a post of this batch had no effect on l1");
            }
        }
        if let InboxCall::Batch(call) = call
            && posted
        {
            let mut status = self.status.lock();
            status.last_posted = status.last_posted.max(Some(call.seq));
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

    /// Unix time as L1 counts it, at least that of its head.
    fn now(&self, view: &PostView) -> u64 {
        self.driver.clock.unix().as_secs().saturating_sub(view.lead_seconds).max(view.l1_time)
    }
}
