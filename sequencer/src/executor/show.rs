//! What the executor shows, and whom it lets in.

use std::sync::Arc;

use super::run::Executor;
use crate::error::SubmitError;
use crate::view::{ChainView, Head, PauseReason, PostView, Stage};

impl Executor {
    /// Sets gate and gauges, and publishes the view if it changed.
    pub(super) fn publish(&self) {
        self.shared.gate.set(self.gate());
        let view = self.chain_view();
        let metrics = &self.shared.metrics;
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        metrics.pool.set(gauge(view.pool_transactions as u64));
        metrics.head.set(gauge(view.latest.number));
        metrics.safe.set(gauge(view.safe.number));
        metrics.finalized.set(gauge(view.finalized.number));
        metrics.unposted_seconds.set(gauge(self.unposted_seconds()));
        metrics.unposted_bytes.set(gauge(self.shared.unposted.lock().bytes() as u64));
        self.shared.view.send_if_modified(|shown| {
            let changed = *shown != view;
            *shown = view;
            changed
        });
    }

    /// From here on no transactions are taken: what is left of the time is for posting.
    pub(super) fn last_call(&self) -> u64 {
        self.window.clock().close_time.saturating_sub(self.settings.post_margin_seconds)
    }

    /// At the end, or with a full state, what still waits is answered: it will not be included.
    pub(super) fn empty_pool_at_the_end(&mut self) {
        let why = match self.gate() {
            Some(why @ (SubmitError::Closed | SubmitError::Draining { .. })) => why,
            Some(why) if self.full_state().is_some() => why,
            _ => return,
        };
        for pooled in self.pool.clear() {
            self.drop_pooled(pooled, &why);
        }
    }

    fn gate(&self) -> Option<SubmitError> {
        if matches!(self.stage, Stage::Frozen | Stage::Closing | Stage::Closed) {
            return Some(SubmitError::Closed);
        }
        let since = self.last_call();
        if self.time() >= since {
            return Some(SubmitError::Draining { since });
        }
        match &self.pause {
            Some(PauseReason::DiskBehind { .. }) => None,
            None => self.takes_nothing().map(|reason| SubmitError::Paused { reason: reason.to_string() }),
            Some(reason) => Some(SubmitError::Paused { reason: reason.to_string() }),
        }
    }

    fn chain_view(&self) -> ChainView {
        let head = |at: &mayfly_rollup::derive::Checkpoint| Head { number: at.head.number, hash: at.head.hash };
        let (stand, clock) = (self.stands.last(), self.window.clock());
        let l1 = self.window.head();
        let executed = self.chain.head();
        let next_item = self.window.item(stand.consumed).filter(|_| !self.settings.ignore_forced);
        let overdue_at = next_item.map(|item| item.l1_time + self.terms.force_window);
        // A batch may not name L1's head (see `choose_origin`).
        let origin = self.window.deep(self.terms.conf_depth.max(1)).map(|b| (b.number, b.hash));
        let queue_seen = match self.settings.ignore_forced {
            false => {
                stand.consumed
                    + self.window.items(stand.consumed, origin.map_or(0, |(number, _)| number)).count() as u64
            }
            true => stand.consumed,
        };
        ChainView {
            latest: Head { number: executed.header.number, hash: executed.hash },
            safe: head(self.stands.at_l1(self.tags.0)),
            finalized: head(self.stands.at_l1(self.tags.1)),
            end_time: clock.end_time,
            pause: self.pause.clone().or_else(|| self.takes_nothing()),
            throttled: Some((self.unposted_seconds(), self.settings.throttle_after_seconds))
                .filter(|(seconds, after)| seconds >= after),
            pool_transactions: self.pool.len(),
            pool_bytes: self.pool.bytes(),
            rescued: self.rescued.len() + self.held.len(),
            lost_count: self.lost_count,
            lost: Arc::clone(&self.lost),
            post: PostView {
                generation: self.generation,
                seq: stand.batch_seq + 1,
                parent_hash: stand.batch_hash,
                min_origin: stand.batch_origin,
                queue_up_to: stand.consumed,
                queue_seen,
                posted: head(stand),
                origin,
                l1_number: l1.map_or(0, |b| b.number),
                l1_time: l1.map_or(0, |b| b.timestamp),
                lead_seconds: self.lead.seconds(),
                overdue_at,
                close_time: clock.close_time,
                batches_left: self.batches_left(),
                crowded: self.crowded,
                stage: self.stage,
                synced: self.synced,
            },
        }
    }
}
