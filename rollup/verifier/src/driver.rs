//! The verifier's task: L1 in, derivation, judgement, out to views and events.

use std::{sync::Arc, time::Duration};

use alloy_primitives::B256;
use mayfly_l1::{
    BeaconClient, BlockRef, BlockTag, FollowEvent, FollowerConfig, L1Block, L1Client, L1Error, L1Follower,
};
use mayfly_rollup::RollupInfo;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Feed, ProposedClaim, Roles, VerifierError, VerifierEvent, VerifierHandle, View,
    book::ClaimBook,
    coming::{Coming, UNKNOWN_HEAD},
    duties::Duties,
    engine::Engine,
    feed::FedBlock,
    info::{contracts, locate},
};

/// Events kept for a slow listener; older ones are lost to it.
const EVENTS_KEPT: usize = 1024;

/// Longest pause before derivation starts again.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// While it catches up, a view is shown at most so often: each shares the lists of all results, and whoever holds one
/// makes the next change copy them.
const SHOW_EVERY: Duration = Duration::from_millis(100);
/// What to verify, from where, and what to do about it.
#[derive(Debug, Clone)]
pub struct VerifierConfig {
    /// The rollup, as [`crate::locate`] finds it.
    pub info: RollupInfo,
    /// L1's execution endpoints.
    pub l1: L1Client,
    /// L1's blob endpoints.
    pub beacon: BeaconClient,
    /// Pause between two looks at L1.
    pub poll: Duration,
    /// What to do on L1.
    pub roles: Roles,
}

/// Follows L1 and derives one rollup from it.
#[derive(Debug)]
pub struct Verifier {
    info: Arc<RollupInfo>,
    l1: L1Client,
    poll: Duration,
    feed: Feed,
    book: ClaimBook,
    l1_head: watch::Receiver<BlockRef>,
    shown: Option<Instant>,
    view: watch::Sender<View>,
    events: broadcast::Sender<VerifierEvent>,
    stop: CancellationToken,
}

/// Why a run over L1 ended.
enum End {
    Stopped,
    StartAgain,
}

impl Verifier {
    /// Starts following; the tasks end with the handle or `stop`.
    pub fn spawn(config: VerifierConfig, stop: CancellationToken) -> Result<VerifierHandle, VerifierError> {
        let VerifierConfig { info, l1, beacon, poll, roles } = config;
        let info = Arc::new(info);
        let engine = Engine::new(info.clone())?;
        let contracts = contracts(&info);
        let (view, views) = watch::channel(first_view(&info, &engine));
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let duties = Duties::new(info.clone(), l1.clone(), roles, views.clone(), events.clone())?;
        let (duty_stop, readers) = (stop.child_token(), watch::channel(engine.reader()));
        let verifier = Self {
            feed: Feed::new(l1.clone(), beacon, contracts),
            info: info.clone(),
            l1,
            poll,
            book: ClaimBook::default(),
            l1_head: watch::channel(UNKNOWN_HEAD).1,
            shown: None,
            view,
            events: events.clone(),
            stop: stop.clone(),
        };
        let duties = tokio::spawn(duties.run(duty_stop));
        let driver = tokio::spawn(verifier.run(engine, readers.0));
        Ok(VerifierHandle::new(info, views, events, readers.1, stop, [driver, duties]))
    }

    async fn run(mut self, mut engine: Engine, readers: watch::Sender<mayfly_evm::ChainReader>) {
        let mut pauses = Pauses::new(self.poll);
        loop {
            let run = Box::pin(self.follow(engine)).await;
            let mut why = None;
            match run {
                Ok(End::Stopped) => return,
                Ok(End::StartAgain) => {}
                Err(error) if error.wants_fresh_start() => {
                    tracing::warn!(%error, rollup = %self.info.rollup, "derivation starts again");
                    if matches!(error, VerifierError::Derivation(_)) {
                        self.l1.distrust();
                    }
                    self.trouble(&error.to_string());
                    why = Some(error.to_string());
                }
                Err(error) => {
                    tracing::error!(%error, rollup = %self.info.rollup, "verifier stopped");
                    self.trouble(&error.to_string());
                    return;
                }
            }
            let pause = pauses.next(self.view.borrow().l1.number);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            self.book = ClaimBook::default();
            let looked = self.look_for_creation().await;
            engine = match Engine::new(self.info.clone()) {
                Ok(engine) => engine,
                Err(error) => return self.trouble(&error.to_string()),
            };
            // What was seen is worth nothing until L1 is read again.
            self.view.send_replace(first_view(&self.info, &engine));
            if let Some(why) = looked.err().map(|error| error.to_string()).or(why) {
                self.trouble(&why);
            }
            readers.send_replace(engine.reader());
        }
    }

    /// L1 may have taken the creation back and hold it in another block now. While it does not hold it, the next run
    /// ends where this one did.
    async fn look_for_creation(&mut self) -> Result<(), VerifierError> {
        let header = self.l1.try_header(BlockTag::Number(self.info.l1_number)).await?;
        if header.is_some_and(|header| header.hash() == self.info.l1_hash) {
            return Ok(());
        }
        let found = locate(&self.l1, self.info.rollup, None).await?;
        if !found.is_created_again(&self.info) && found != *self.info {
            return Err(VerifierError::AnotherRollup(found.rollup));
        }
        tracing::warn!(rollup = %found.rollup, l1_block = found.l1_number, "created again in another block");
        self.info = Arc::new(found);
        Ok(())
    }

    /// One run from the creation on.
    async fn follow(&mut self, mut engine: Engine) -> Result<End, VerifierError> {
        let start = BlockRef { number: self.info.l1_number, hash: self.info.l1_hash };
        let addresses = contracts(&self.info).addresses();
        let config = FollowerConfig { poll: self.poll, ..FollowerConfig::new(start, addresses) };
        // Ends with this run, so that a new run follows anew.
        let stop = self.stop.child_token();
        let _guard = stop.clone().drop_guard();
        let (mut coming, head) = Coming::read(L1Follower::new(self.l1.clone(), config), stop);
        self.l1_head = head;
        while let Some(event) = coming.next(&self.stop).await {
            match event {
                Ok(FollowEvent::Block(block)) => match self.apply(engine, block, &mut coming).await? {
                    Some(applied) => engine = applied,
                    None => return Ok(End::Stopped),
                },
                Ok(FollowEvent::Reorg { common }) => {
                    if let Err(error) = engine.reset_to(common.number) {
                        tracing::warn!(%error, l1_block = common.number, "cannot go back so far");
                        return Ok(End::StartAgain);
                    }
                    self.step_back(&engine, common);
                }
                Err(error) if !error.is_about_the_chain() => self.trouble(&error.to_string()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(End::Stopped)
    }

    /// Derives a block, and prepares the next one meanwhile; none if stopped.
    async fn apply(
        &mut self,
        mut engine: Engine,
        block: L1Block,
        coming: &mut Coming,
    ) -> Result<Option<Engine>, VerifierError> {
        let prepared = match coming.prepared(&block) {
            Some(fed) => Prepared::There(Box::new(fed)),
            None => self.prepare(&block, coming).await?,
        };
        let FedBlock { block: derivable, settlement } = match prepared {
            Prepared::There(fed) => *fed,
            Prepared::TakenBack => return Ok(Some(engine)),
            Prepared::Stopped => return Ok(None),
        };
        let lookahead = engine.lookahead();
        let work = mayfly_l1::offload(move || {
            let events = engine.apply(derivable);
            (engine, events)
        });
        tokio::pin!(work);
        let done = tokio::select! {
            biased;
            done = &mut work => done,
            () = coming.prepare(&self.feed, lookahead) => work.await,
        };
        let (engine, events) = done.map_err(|error| VerifierError::Worker(error.to_string()))?;
        let events = events?;
        for (log, event) in settlement {
            self.book.apply(block.number, block.timestamp, log.tx_hash, event);
        }
        let mut judged = Vec::new();
        if !self.is_hurried(block.number) {
            judged = self.judge(&engine);
            self.publish(&engine, block.block_ref(), block.timestamp);
        }
        events.into_iter().chain(judged).for_each(|event| self.tell(event));
        Ok(Some(engine))
    }

    /// Whether there is more of L1 to derive, a view was shown just now, and nobody waits for events.
    fn is_hurried(&self, l1: u64) -> bool {
        let head = self.l1_head.borrow().number;
        let behind = head != UNKNOWN_HEAD.number && l1 < head;
        behind && self.events.receiver_count() == 0 && self.shown.is_some_and(|at| at.elapsed() < SHOW_EVERY)
    }

    /// Fetches batch data for as long as it takes; nobody has it any more once L1 took the block back.
    async fn prepare(&self, block: &L1Block, coming: &mut Coming) -> Result<Prepared, VerifierError> {
        let mut trusted = true;
        loop {
            match self.feed.prepare(block).await {
                Ok(fed) => return Ok(Prepared::There(Box::new(fed))),
                Err(error) if error.is_temporary() => {
                    if std::mem::take(&mut trusted) && matches!(error, VerifierError::L1(L1Error::Inconsistent(_))) {
                        self.l1.distrust();
                    }
                    tracing::warn!(%error, l1_block = block.number, "batch data is not there, trying again");
                    self.trouble(&error.to_string());
                }
                Err(error) => return Err(error),
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Prepared::Stopped),
                () = coming.taken_back(block.number) => return Ok(Prepared::TakenBack),
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    /// Judges all claims; returns those whose verdict is new.
    fn judge(&mut self, engine: &Engine) -> Vec<VerifierEvent> {
        let before: Vec<_> =
            self.view.borrow().claims.iter().map(|claim| (claim.hash, claim.verdict.clone())).collect();
        self.book.judge(&self.info, engine.results());
        let is_new = |claim: &&ProposedClaim| !before.contains(&(claim.hash, claim.verdict.clone()));
        self.book.claims().iter().filter(is_new).map(|claim| VerifierEvent::Judged(Box::new(claim.clone()))).collect()
    }

    fn step_back(&mut self, engine: &Engine, common: BlockRef) {
        self.book.truncate(common.number);
        self.book.judge(&self.info, engine.results());
        let time = self.view.borrow().l1_time;
        self.publish(engine, common, time);
        self.tell(VerifierEvent::Reorg { common });
    }

    fn publish(&mut self, engine: &Engine, l1: BlockRef, l1_time: u64) {
        self.shown = Some(Instant::now());
        let view = view(engine, &self.book, l1, l1_time, *self.l1_head.borrow());
        self.view.send_replace(view);
    }

    fn trouble(&self, reason: &str) {
        self.view.send_modify(|view| view.trouble = Some(reason.to_owned()));
    }

    fn tell(&self, event: VerifierEvent) {
        // Fails only while nobody listens.
        let _ = self.events.send(event);
    }
}

/// What became of a block whose data was asked for.
enum Prepared {
    There(Box<FedBlock>),
    /// L1 does not hold it any more.
    TakenBack,
    Stopped,
}

/// How long to wait before derivation starts again: deriving all of a rollup over and over helps nobody. Longer each
/// time, until a run comes further than any before it.
#[derive(Debug)]
struct Pauses {
    first: Duration,
    next: Duration,
    furthest: u64,
}

impl Pauses {
    const fn new(first: Duration) -> Self {
        Self { first, next: first, furthest: 0 }
    }

    /// The pause after a run that came to this L1 block.
    fn next(&mut self, reached: u64) -> Duration {
        if reached > self.furthest {
            (self.next, self.furthest) = (self.first, reached);
        }
        let pause = self.next.min(MAX_PAUSE);
        self.next = pause.saturating_mul(2);
        pause
    }
}

fn first_view(info: &RollupInfo, engine: &Engine) -> View {
    let l1 = BlockRef { number: info.l1_number.saturating_sub(1), hash: B256::ZERO };
    view(engine, &ClaimBook::default(), l1, 0, UNKNOWN_HEAD)
}

fn view(engine: &Engine, book: &ClaimBook, l1: BlockRef, l1_time: u64, l1_head: BlockRef) -> View {
    let (head, work) = (engine.head(), engine.work());
    let (end_time, close_time, frozen) = engine.clock();
    let busy = work.busy.as_secs_f64();
    View {
        l1,
        l1_time,
        l1_head,
        head: BlockRef { number: head.number(), hash: head.hash },
        state_root: head.header.state_root,
        blocks: work.blocks,
        transactions: work.transactions,
        blocks_per_s: if busy > 0.0 { work.blocks as f64 / busy } else { 0.0 },
        end_time,
        close_time,
        frozen,
        queued: engine.queued(),
        queued_before: engine.queued_before(l1.number),
        results: engine.results().clone(),
        claims: book.claims().into(),
        trouble: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_until_a_run_comes_further() {
        let mut pauses = Pauses::new(Duration::from_secs(2));
        let seconds = [10, 10, 9, 10, 10, 10, 11].map(|reached| pauses.next(reached).as_secs());
        assert_eq!(seconds, [2, 4, 8, 16, 30, 30, 2]);
    }
}
