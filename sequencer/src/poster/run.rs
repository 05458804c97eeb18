//! The poster's loop: what is open goes on, then the next batch is built.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use alloy_primitives::B256;
use alloy_sol_types::SolCall;
use mayfly_contracts::inbox::Inbox::postBatchCall;
use mayfly_l1::Sender;
use mayfly_ledger::{Ledger, Post, PostId, PostState, Purpose};
use mayfly_rollup::batch::{BLOB_BYTES, MAX_BLOCKS, Payload, decode, unpack_blobs};
use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::batch::{CODEC_BLOBS, Order, assemble, choose_origin, encode_checked, wants_blobs};
use super::drive::{Driver, Outcome, l1_error, ledger_error};
use super::due::{Waiting, due};
use super::runway::Runway;
use crate::config::SequencerSettings;
use crate::error::SequencerError;
use crate::executor::{Mailbox, Message, PostingHealth};
use crate::shared::Shared;
use crate::terms::Terms;
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
    pub(crate) ledger: Ledger,
    pub(crate) sender: Sender,
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) status: Arc<Mutex<PosterStatus>>,
}

/// The last block of a post's batch, to see whether the chain still has it.
#[derive(Debug, Clone, Copy)]
struct Last {
    number: u64,
    hash: B256,
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
        let PosterParts { terms, settings, ledger, sender, shared, mailbox, status } = parts;
        let bump_after = Duration::from_secs(settings.bump_after_seconds.max(1));
        let driver = Driver { ledger, sender, metrics: shared.metrics.clone(), bump_after };
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
        let mut view = self.shared.view.subscribe();
        let tick = self.settings.l1_poll().min(Duration::from_secs(1));
        loop {
            let trouble = match self.round().await {
                Ok(trouble) => trouble,
                Err(error) => error.to_string(),
            };
            if self.report(trouble).await.is_err() {
                return;
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(tick) => {}
            }
            view.mark_unchanged();
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
        let rollup = Some(self.terms.rollup);
        for post in open.iter().filter(|p| p.rollup == rollup && p.purpose == Purpose::Batch) {
            let Ok(call) = postBatchCall::abi_decode(&post.input) else {
                return Err(SequencerError::Ledger(format!("post {} is no batch", post.key)));
            };
            let wanted = self.is_wanted(post, &call, &view).await?;
            match self.driver.step(post, wanted).await? {
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
                    } else if !succeeded {
                        trouble = format!("batch {} reverted on l1", call.seq);
                    }
                }
                Outcome::Ended => {}
            }
        }
        self.status.lock().in_flight = busy;
        if busy.is_none() && trouble.is_empty() {
            trouble = self.post_next(&view).await?;
        }
        Ok(trouble)
    }

    /// Builds and sends the next batch if it is time.
    async fn post_next(&mut self, view: &PostView) -> Result<String, SequencerError> {
        let durable = self.shared.durable.load(Ordering::Acquire);
        let blocks = self.shared.unposted.lock().first(durable, MAX_RAW_BYTES, MAX_BLOCKS);
        let Some(first) = blocks.first() else { return Ok(String::new()) };
        if first.block.header.parent_hash != view.posted.hash {
            return Ok(String::new());
        }
        let waiting = Waiting {
            blocks: blocks.len(),
            size_bytes: blocks.iter().map(|b| 2 + 70 * b.sequenced()).sum(),
            oldest: first.block.header.timestamp,
        };
        let Some(why) = due(waiting, view, &self.settings, self.now(view)) else { return Ok(String::new()) };
        let fees = self.driver.sender.suggest_fees().await.map_err(l1_error)?;
        let shared = Arc::clone(&self.shared);
        let (terms, seq, parent_hash) = (self.terms, view.seq, view.parent_hash);
        let (sender, posted, for_origin) = (self.driver.sender.address(), view.posted.hash, view.clone());
        let built = tokio::task::spawn_blocking(move || {
            let Some(encoded) = encode_checked(posted, &blocks, terms.da)? else { return Ok(None) };
            let hash_of = |number: u64| shared.origins.lock().get(&number).copied();
            let Some(origin) = choose_origin(&for_origin, encoded.origin, terms.max_origin_lag, hash_of) else {
                return Ok(None);
            };
            let count = (encoded.last_block + 1 - encoded.first_block) as usize;
            let queue_transactions = blocks.iter().take(count).map(|b| b.queue_transactions).sum();
            let blobs = wants_blobs(&encoded.payload, terms.da, &fees);
            assemble(Order { terms, sender, seq, parent_hash, origin, encoded, queue_transactions, blobs }).map(Some)
        });
        let Some(mut built) = built.await.map_err(|e| SequencerError::Batch(e.to_string()))?? else {
            return Ok("no usable l1 origin for the next batch".to_owned());
        };
        let ledger = &self.driver.ledger;
        ledger.void_batch(self.terms.rollup, seq).await.map_err(ledger_error)?;
        let mut enqueued = None;
        for repeat in 1..=MAX_REPEATS {
            let id = ledger.enqueue_batch(self.terms.rollup, &built.fields, &built.content, &built.post);
            let id = id.await.map_err(ledger_error)?.id;
            let post = ledger.post(id).await.map_err(ledger_error)?;
            if !post.state.has_ended() {
                enqueued = Some(post);
                break;
            }
            built.post.key = format!("{}/{repeat}", built.post.key);
        }
        let Some(post) = enqueued else {
            return Ok(format!("batch {seq} ended {MAX_REPEATS} times without effect"));
        };
        let last = Last { number: built.content.last_block, hash: built.last_hash };
        self.lasts.insert(post.id, last);
        let (bytes, codec) = (built.content.payload_bytes, built.fields.codec);
        tracing::info!(
            seq,
            ?why,
            first = built.content.first_block,
            last = last.number,
            bytes,
            codec,
            "posting a batch"
        );
        self.status.lock().in_flight = Some(seq);
        match self.driver.step(&post, true).await? {
            Outcome::Trouble(why) => Ok(why),
            Outcome::Hopeless(why) => {
                ledger.cancel_post(post.id).await.map_err(ledger_error)?;
                Ok(format!("l1 would revert batch {seq}: {why}"))
            }
            _ => Ok(String::new()),
        }
    }

    /// Whether the batch still follows L1's last one and holds the chain's own blocks.
    async fn is_wanted(&mut self, post: &Post, call: &postBatchCall, view: &PostView) -> Result<bool, SequencerError> {
        if matches!(post.state, PostState::Mined) {
            return Ok(true);
        }
        let origin = self.shared.origins.lock().get(&call.originNumber).copied();
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
        Ok(self.shared.unposted.lock().hash_of(last.number) == Some(last.hash))
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
        Ok(last.map(|last| Last { number: last.block.header.number, hash: last.block.hash }))
    }

    fn note_mined(&mut self, post: &Post, seq: u64, wei: u128, posted: bool) {
        if self.paid.insert(post.id, ()).is_none() {
            self.runway.paid(Instant::now(), wei);
            if posted {
                tracing::info!(seq, wei, "batch on l1");
                self.shared.metrics.batches.inc();
                let input = post.input.len() + post.blob_hashes.len() * BLOB_BYTES;
                self.shared.metrics.batch_bytes.inc_by(input as u64);
            }
        }
        if posted {
            let mut status = self.status.lock();
            status.last_posted = status.last_posted.max(Some(seq));
        }
    }

    async fn look_at_balance(&mut self) -> Result<(), SequencerError> {
        if self.balance_at.is_some_and(|at| at.elapsed() < BALANCE_EVERY) {
            return Ok(());
        }
        let balance = self.driver.sender.client().balance(self.driver.sender.address()).await.map_err(l1_error)?;
        let balance = u128::try_from(balance).unwrap_or(u128::MAX);
        let runway = self.runway.seconds(Instant::now(), balance);
        self.balance_at = Some(Instant::now());
        let metrics = &self.shared.metrics;
        metrics.balance_gwei.set(i64::try_from(balance / GWEI).unwrap_or(i64::MAX));
        metrics.runway_seconds.set(runway.map_or(-1, |s| i64::try_from(s).unwrap_or(i64::MAX)));
        let mut status = self.status.lock();
        (status.balance_wei, status.runway_seconds) = (balance, runway);
        Ok(())
    }

    /// Unix time, or L1's where that is ahead.
    fn now(&self, view: &PostView) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()).max(view.l1_time)
    }
}
