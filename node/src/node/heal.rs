//! Starts rollups that should run and do not: one that could not be opened, whose sequencer failed, or whose creation
//! L1 holds in another block now. Whatever kept it from running may have been mended meanwhile: a full disk, an endpoint
//! of L1, a lost directory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::Address;
use mayfly_ledger::{Role, Rollup as StoredRollup};

use super::{
    pulse::part,
    recreate::{self, Creation},
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
            let moved = match health(&inner, address).await {
                Health::InStep => {
                    turns.retain(|of, turn| *of != address || turn.at.elapsed() < MAX_PAUSE);
                    continue;
                }
                // It may never be again: L1 took its creation back.
                Health::Behind => match look_for_move(&inner, &rollup).await {
                    Some(moved) => Some(moved),
                    None => continue,
                },
                Health::Down => {
                    let now = Instant::now();
                    let turn = turns.entry(address).or_insert(Turn { at: now + FIRST_PAUSE, pause: FIRST_PAUSE });
                    if turn.at > now {
                        continue;
                    }
                    let pause = turn.pause.saturating_mul(2).min(MAX_PAUSE);
                    *turn = Turn { at: now + pause, pause };
                    look_for_move(&inner, &rollup).await
                }
            };
            tokio::select! {
                () = inner.stopping.cancelled() => return,
                () = restart(&inner, rollup, moved) => {}
            }
        }
    }
}

/// How a rollup does that should run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    InStep,
    /// It runs, and is not in step with L1.
    Behind,
    Down,
}

async fn health(inner: &Inner, rollup: Address) -> Health {
    let running = inner.rollups.lock().await;
    match running.iter().find(|running| running.info.rollup == rollup) {
        Some(running) if running.has_failed() => Health::Down,
        Some(running) if running.is_synced() => Health::InStep,
        Some(_) => Health::Behind,
        None => Health::Down,
    }
}

/// The rollup where L1 holds its creation now, if that is another block. What is not gone on from stands on `/readyz`.
async fn look_for_move(inner: &Inner, stored: &StoredRollup) -> Option<StoredRollup> {
    let (name, part) = (&stored.name, format!("creation of {}", stored.name));
    match recreate::look(inner, stored).await {
        Ok(Creation::Refused(why)) => {
            tracing::error!(%name, why, "cannot go on");
            inner.readiness.hold(part, why);
            return None;
        }
        Ok(Creation::Moved(moved)) => {
            inner.readiness.clear(&part);
            return Some(*moved);
        }
        Ok(Creation::Stays) => inner.readiness.clear(&part),
        Err(error) => tracing::debug!(%name, error = format!("{error:#}"), "cannot tell where L1 holds its creation"),
    }
    None
}

async fn start(inner: &Arc<Inner>, stored: StoredRollup, moved: Option<StoredRollup>) -> eyre::Result<Running> {
    if let Some(moved) = &moved {
        recreate::move_to(inner, moved).await?;
    }
    Running::start(inner, moved.unwrap_or(stored)).await
}

async fn restart(inner: &Arc<Inner>, stored: StoredRollup, moved: Option<StoredRollup>) {
    let name = stored.name.clone();
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
