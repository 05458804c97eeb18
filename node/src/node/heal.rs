//! Starts rollups that should run and do not: one that could not be opened, or whose sequencer failed. Whatever kept it
//! from running may have been mended meanwhile: a full disk, an endpoint of L1, a lost directory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use mayfly_ledger::{Role, Rollup as StoredRollup};

use super::{pulse::part, rollup::Running, start::Inner};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Before a rollup is started again; doubled each time, up to
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// this.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// When a rollup is started again, and the pause after that.
struct Turn {
    at: Instant,
    pause: Duration,
}

/// Looks until the node stops.
pub(super) async fn heal(inner: Arc<Inner>) {
    let mut turns: HashMap<Address, Turn> = HashMap::new();
    loop {
        tokio::select! {
            () = inner.stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let Ok(stored) = inner.ledger.rollups().await else { continue };
        for rollup in stored.into_iter().filter(|rollup| rollup.role == Role::Sequencer) {
            let address = rollup.address;
            if runs(&inner, address).await {
                turns.retain(|of, turn| *of != address || turn.at.elapsed() < MAX_PAUSE);
                continue;
            }
            let now = Instant::now();
            let turn = turns.entry(address).or_insert(Turn { at: now + FIRST_PAUSE, pause: FIRST_PAUSE });
            if turn.at <= now {
                let pause = turn.pause.saturating_mul(2).min(MAX_PAUSE);
                *turn = Turn { at: now + pause, pause };
                tokio::select! {
                    () = inner.stopping.cancelled() => return,
                    () = restart(&inner, rollup) => {}
                }
            }
        }
    }
}

async fn runs(inner: &Inner, rollup: Address) -> bool {
    inner.rollups.lock().await.iter().any(|running| running.info.rollup == rollup && !running.has_failed())
}

async fn restart(inner: &Arc<Inner>, stored: StoredRollup) {
    // Held to the end: the operator's request for the same rollup waits.
    let mut running = inner.rollups.lock().await;
    if let Some(at) = running.iter().position(|running| running.info.rollup == stored.address) {
        if !running[at].has_failed() {
            return;
        }
        running.swap_remove(at).stop().await;
    }
    let name = stored.name.clone();
    match Running::start(inner, stored).await {
        Ok(started) => {
            tracing::warn!(%name, "started again");
            inner.readiness.clear(&part(&name));
            running.push(started);
        }
        Err(error) => tracing::error!(%name, error = format!("{error:#}"), "a rollup could not be opened"),
    }
}
