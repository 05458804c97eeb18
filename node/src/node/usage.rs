//! Carries what the meter counted into the ledger, so that nothing is lost but the last seconds.

use std::{sync::Arc, time::Duration};

use alloy_primitives::hex;
use mayfly_ledger::{Epoch, Ledger, LedgerError};
use mayfly_proto::Meter;
use rand::{TryRngCore, rngs::OsRng};
use tokio_util::sync::CancellationToken;

/// Distinct payers between two drains; the rest is summed up as one.
pub(super) const METER_PAYERS: usize = 65_536;
/// Between two drains.
const INTERVAL: Duration = Duration::from_secs(30);
/// Length of an epoch in seconds, from the beginning of time on.
const EPOCH_SECONDS: u64 = 3_600;

/// The task's state.
pub(super) struct UsageDrain {
    meter: Arc<Meter>,
    ledger: Ledger,
    epoch: Epoch,
    /// Makes the keys of this process's drains its own.
    run: String,
    drains: u64,
}

impl UsageDrain {
    pub(super) fn new(meter: Arc<Meter>, ledger: Ledger) -> eyre::Result<UsageDrain> {
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes)?;
        let epoch = Epoch::new(0, EPOCH_SECONDS)?;
        Ok(UsageDrain { meter, ledger, epoch, run: hex::encode(bytes), drains: 0 })
    }

    /// Drains at every interval, and once more when it is stopped.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            let stopped = tokio::select! {
                () = tokio::time::sleep(INTERVAL) => false,
                () = stop.cancelled() => true,
            };
            if let Err(error) = self.drain().await {
                tracing::warn!(%error, "usage could not be recorded; it is kept for the next time");
            }
            if stopped {
                return;
            }
        }
    }

    async fn drain(&mut self) -> Result<(), LedgerError> {
        let rows = self.meter.drain();
        if rows.is_empty() {
            return Ok(());
        }
        let outcome = self.record(&rows).await;
        match &outcome {
            Ok(()) => self.drains += 1,
            Err(_) => self.meter.restore(&rows),
        }
        outcome
    }

    async fn record(&self, rows: &[mayfly_proto::MeterRow]) -> Result<(), LedgerError> {
        // Usage belongs to the epoch of L1's time, not of this machine's clock.
        let now = self.ledger.l1_head().await?.map_or(0, |block| block.time);
        let key = format!("meter:{}:{}", self.run, self.drains);
        self.ledger.record_usage(&key, self.epoch.at(now)?, rows).await.map(drop)
    }
}
