//! Where a sequencer takes the time from.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock. Copies show the same time.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The machine's.
    System,
    /// tokio's, which a simulation stops and moves on: it showed this Unix time at that instant.
    #[cfg(feature = "simulation")]
    Simulated { start: Instant, unix: Duration },
}

impl Clock {
    /// tokio's clock, which shows `unix` now.
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated(unix: Duration) -> Self {
        Self::Simulated { start: tokio::time::Instant::now().into_std(), unix }
    }

    /// For spans of time.
    pub(crate) fn instant(self) -> Instant {
        match self {
            Self::System => Instant::now(),
            #[cfg(feature = "simulation")]
            Self::Simulated { .. } => tokio::time::Instant::now().into_std(),
        }
    }

    /// Since 1970.
    pub(crate) fn unix(self) -> Duration {
        match self {
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            #[cfg(feature = "simulation")]
            Self::Simulated { start, unix } => unix + self.instant().saturating_duration_since(start),
        }
    }
}
