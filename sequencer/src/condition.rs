//! How a sequencer is doing, as one state: what it is, why, and what would end it. Status, metric and log all have it
//! from here.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::poster::PosterStatus;
use crate::shared::Shared;
use crate::view::{ChainView, PauseReason, Stage};

/// Between two looks, when nothing changes by itself.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a sequencer does with transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Takes them and builds blocks.
    #[default]
    Building,
    /// The same, with a quarter of the free budget.
    Throttled,
    /// Refuses them for the moment.
    Paused,
    /// Takes no more, by the rollup's own rules.
    Ended,
    /// Cannot go on.
    Failed,
}

impl Mode {
    /// Lower case, as everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Building => "building",
            Self::Throttled => "throttled",
            Self::Paused => "paused",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Condition {
    /// What it does.
    pub state: Mode,
    /// Why, as a word; `none` while it builds.
    pub reason: &'static str,
    /// Why, with the numbers; empty while it builds.
    pub detail: String,
    /// What would end it; empty while it builds.
    pub ends: String,
}

/// Every reason there is, for a metric that shows each of them.
pub(crate) const REASONS: [(Mode, &str); 14] = [
    (Mode::Building, "none"),
    (Mode::Throttled, "posting-late"),
    (Mode::Paused, "syncing"),
    (Mode::Paused, "restoring"),
    (Mode::Paused, "origin-too-old"),
    (Mode::Paused, "posting-stalled"),
    (Mode::Paused, "unposted-too-large"),
    (Mode::Paused, "close-near"),
    (Mode::Paused, "state-too-large"),
    (Mode::Paused, "disk-behind"),
    (Mode::Ended, "frozen"),
    (Mode::Ended, "closing"),
    (Mode::Ended, "closed"),
    (Mode::Failed, "failure"),
];

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.state.name())?;
        if self.state != Mode::Building {
            write!(f, " ({}): {}; ends {}", self.reason, self.detail, self.ends)?;
        }
        Ok(())
    }
}

impl Condition {
    /// The state that follows from what executor and poster show; `l1` is why L1 cannot be followed, if so.
    pub(crate) fn of(view: &ChainView, poster: &PosterStatus, failure: Option<&str>, l1: &str) -> Self {
        let new = |state, reason, detail: String, ends: String| Self { state, reason, detail, ends };
        if let Some(failure) = failure {
            let ends = "when the rollup is started again; the log says what failed".to_owned();
            return new(Mode::Failed, "failure", failure.to_owned(), ends);
        }
        let stage = view.post.stage;
        let over = match stage {
            Stage::Frozen => {
                Some(format!("with the close at {}: only what is forced on l1 counts", view.post.close_time))
            }
            Stage::Closing => Some("by itself, once the close block is derived from l1".to_owned()),
            Stage::Closed => Some("never: the rollup is over".to_owned()),
            _ => None,
        };
        if let Some(ends) = over {
            return new(Mode::Ended, stage.name(), format!("the rollup is {} on l1", stage.name()), ends);
        }
        if let Some(pause) = &view.pause {
            let detail = match pause {
                PauseReason::Syncing | PauseReason::OriginTooOld { .. } if !l1.is_empty() => format!("{pause}: {l1}"),
                _ => pause.to_string(),
            };
            return new(Mode::Paused, pause.name(), detail, pause.ends(poster));
        }
        match view.throttled {
            Some((seconds, after)) => {
                let detail = match poster.trouble.as_str() {
                    "" => format!("blocks unposted for {seconds} s, throttled from {after} s on"),
                    why => format!("blocks unposted for {seconds} s, throttled from {after} s on: {why}"),
                };
                new(Mode::Throttled, "posting-late", detail, posted(poster))
            }
            None => Self { reason: "none", ..Self::default() },
        }
    }

    fn kind(&self) -> (Mode, &'static str) {
        (self.state, self.reason)
    }
}

impl PauseReason {
    /// The reason as a word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Syncing => "syncing",
            Self::Restoring { .. } => "restoring",
            Self::OriginTooOld { .. } => "origin-too-old",
            Self::PostingStalled { .. } => "posting-stalled",
            Self::UnpostedTooLarge { .. } => "unposted-too-large",
            Self::CloseNear { .. } => "close-near",
            Self::StateTooLarge { .. } => "state-too-large",
            Self::DiskBehind { .. } => "disk-behind",
        }
    }

    fn ends(&self, poster: &PosterStatus) -> String {
        match self {
            Self::Syncing => "by itself, once l1 is read up to its head".to_owned(),
            Self::Restoring { batch: Some(seq) } => {
                format!("by itself, once batch {seq}, which holds lost blocks, is on l1 or can be no more")
            }
            Self::Restoring { batch: None } => "by itself, once what l1 has is derived".to_owned(),
            Self::OriginTooOld { .. } => {
                "by itself, once l1 makes blocks again, or l1.urls names an endpoint that has them".to_owned()
            }
            Self::PostingStalled { .. } | Self::UnpostedTooLarge { .. } | Self::CloseNear { .. } => posted(poster),
            Self::StateTooLarge { .. } => {
                "once sequencer.max_state_bytes is raised; what is owned can be claimed after the end as it is"
                    .to_owned()
            }
            Self::DiskBehind { .. } => "by itself, once the disk has caught up".to_owned(),
        }
    }
}

/// What makes posting go on.
fn posted(poster: &PosterStatus) -> String {
    match poster.trouble_ends.as_str() {
        "" => "by itself, once l1 includes the next batch".to_owned(),
        ends => ends.to_owned(),
    }
}

/// Keeps metric and log in step with the state until cancelled: the log has each change once.
pub(crate) async fn watch(shared: Arc<Shared>, poster: Arc<Mutex<PosterStatus>>, cancel: CancellationToken) {
    let mut shown: Option<(Mode, &'static str)> = None;
    loop {
        let condition = {
            let (view, poster) = (shared.view.borrow().clone(), poster.lock().clone());
            Condition::of(&view, &poster, shared.failure().as_deref(), &shared.l1_trouble.lock())
        };
        if shown != Some(condition.kind()) {
            shown = Some(condition.kind());
            shared.metrics.set_state(condition.state, condition.reason);
            let Condition { state, reason, detail, ends } = condition;
            match state {
                Mode::Building | Mode::Ended => tracing::info!(state = state.name(), reason, detail, ends, "state"),
                Mode::Throttled | Mode::Paused => tracing::warn!(state = state.name(), reason, detail, ends, "state"),
                Mode::Failed => tracing::error!(state = state.name(), reason, detail, ends, "state"),
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poster(trouble: &str, ends: &str) -> PosterStatus {
        PosterStatus { trouble: trouble.to_owned(), trouble_ends: ends.to_owned(), ..Default::default() }
    }

    #[test]
    fn one_state_at_a_time_the_gravest_first() {
        let (mut view, poor) = (ChainView::default(), poster("insufficient funds", "once 0x01 has ether"));
        let building = Condition::of(&view, &poor, None, "l1 is gone");
        assert_eq!((building.kind(), building.to_string().as_str()), ((Mode::Building, "none"), "building"));
        view.throttled = Some((130, 120));
        let throttled = Condition::of(&view, &poor, None, "l1 is gone");
        assert_eq!((throttled.state, throttled.ends.as_str()), (Mode::Throttled, "once 0x01 has ether"));
        assert!(throttled.detail.contains("insufficient funds"));
        view.pause = Some(PauseReason::PostingStalled { seconds: 301, max_seconds: 300, reason: "x".to_owned() });
        let paused = Condition::of(&view, &PosterStatus::default(), None, "l1 is gone");
        assert_eq!(
            paused.to_string(),
            "paused (posting-stalled): blocks unposted for 301 s, at most 300 s allowed: x; ends by itself, once l1 \
             includes the next batch"
        );
        view.pause = Some(PauseReason::Syncing);
        let syncing = Condition::of(&view, &poor, None, "blob 0x01 is missing");
        assert_eq!(syncing.detail, "syncing with l1: blob 0x01 is missing");
        view.post.stage = Stage::Closed;
        assert_eq!(Condition::of(&view, &poor, None, "l1 is gone").kind(), (Mode::Ended, "closed"));
        assert_eq!(Condition::of(&view, &poor, Some("disk full"), "").detail, "disk full");
    }

    #[test]
    fn the_metric_has_every_reason() {
        let pauses = [
            PauseReason::Syncing,
            PauseReason::Restoring { batch: None },
            PauseReason::OriginTooOld { origin: 1, behind_seconds: 2, max_seconds: 1 },
            PauseReason::PostingStalled { seconds: 1, max_seconds: 1, reason: String::new() },
            PauseReason::UnpostedTooLarge { bytes: 2, max_bytes: 1 },
            PauseReason::CloseNear { batches: 2, max_batches: 1, seconds: 3 },
            PauseReason::StateTooLarge { bytes: 2, max_bytes: 1 },
            PauseReason::DiskBehind { blocks: 9 },
        ];
        for pause in pauses {
            assert!(REASONS.contains(&(Mode::Paused, pause.name())), "{pause:?}");
        }
        for stage in [Stage::Frozen, Stage::Closing, Stage::Closed] {
            assert!(REASONS.contains(&(Mode::Ended, stage.name())), "{stage:?}");
        }
    }
}
