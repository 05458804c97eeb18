//! Starts rollups that should run and do not: one that could not be opened, whose sequencer failed, or whose creation
//! L1 holds in another block now. Whatever kept it
//! from running may have been mended meanwhile: a full disk, an endpoint of L1, a lost directory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use mayfly_ledger::{Role, Rollup as StoredRollup};

use super::{
    pulse::part,
    recreate::{find_moved, move_to},
    rollup::Running,
    start::Inner,
};

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

/// One that is not in step with L1 may never be again: L1 took its creation back.
async fn runs(inner: &Inner, rollup: Address) -> bool {
    let is_well = |running: &Running| !running.has_failed() && running.is_synced();
    inner.rollups.lock().await.iter().any(|running| running.info.rollup == rollup && is_well(running))
}

async fn start(inner: &Arc<Inner>, stored: StoredRollup, moved: Option<StoredRollup>) -> eyre::Result<Running> {
    if let Some(moved) = &moved {
        move_to(inner, moved).await?;
    }
    Running::start(inner, moved.unwrap_or(stored)).await
}

async fn restart(inner: &Arc<Inner>, stored: StoredRollup) {
    let name = stored.name.clone();
    let moved = find_moved(inner, &stored).await.unwrap_or_else(|error| {
        tracing::warn!(%name, error = format!("{error:#}"), "cannot tell whether L1 holds its creation");
        None
    });
    // Held to the end: the operator's request for the same rollup waits.
    let mut running = inner.rollups.lock().await;
    if let Some(at) = running.iter().position(|running| running.info.rollup == stored.address) {
        if !running[at].has_failed() && moved.is_none() {
            return;
        }
        running.swap_remove(at).stop().await;
    }
    match start(inner, stored, moved).await {
        Ok(started) => {
            tracing::warn!(%name, "started again");
            inner.readiness.clear(&part(&name));
            running.push(started);
        }
        Err(error) => tracing::error!(%name, error = format!("{error:#}"), "a rollup could not be opened"),
    }
}
