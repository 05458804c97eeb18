//! Carries what the meter counted into the ledger, so that nothing is lost but the last seconds.

use std::{sync::Arc, time::Duration};

use alloy_primitives::hex;
use mayfly_ledger::{Epoch, Ledger, LedgerError};
use mayfly_proto::{EpochNumber, Meter, MeterRow};
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
    /// Taken from the meter and perhaps not recorded.
    pending: Option<Drain>,
}

/// What one key stands for: nothing else may ever be recorded under it.
struct Drain {
    key: String,
    epoch: EpochNumber,
    rows: Vec<MeterRow>,
}

impl UsageDrain {
    pub(super) fn new(meter: Arc<Meter>, ledger: Ledger) -> eyre::Result<UsageDrain> {
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes)?;
        let epoch = Epoch::new(0, EPOCH_SECONDS)?;
        Ok(UsageDrain { meter, ledger, epoch, run: hex::encode(bytes), drains: 0, pending: None })
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

    /// First what is pending: whether it was recorded is not known after an error, so it is repeated as it was.
    async fn drain(&mut self) -> Result<(), LedgerError> {
        self.record().await?;
        // Usage belongs to the epoch of L1's time, not of this machine's clock.
        let now = self.ledger.l1_head().await?.map_or(0, |block| block.time);
        let epoch = self.epoch.at(now)?;
        let rows = self.meter.drain();
        if !rows.is_empty() {
            self.pending = Some(Drain { key: format!("meter:{}:{}", self.run, self.drains), epoch, rows });
            self.drains += 1;
            mayfly_fail::fail_point("usage-drained");
        }
        self.record().await
    }

    async fn record(&mut self) -> Result<(), LedgerError> {
        if let Some(Drain { key, epoch, rows }) = &self.pending {
            self.ledger.record_usage(key, *epoch, rows).await?;
            mayfly_fail::fail_point("usage-recorded");
            self.pending = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use mayfly_ledger::{Server, ServerOptions};
    use mayfly_proto::{Commodity, Payer, Usage};

    use super::*;

    #[tokio::test]
    async fn a_commit_whose_answer_was_lost_costs_no_usage() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let server =
            Server::start(dir.path(), &ServerOptions { fsync: false, ..ServerOptions::default() }).await.unwrap();
        let ledger = Ledger::connect(&server.create_database("usage").await.unwrap()).await.unwrap();
        let meter = Arc::new(Meter::new(16));
        let mut drain = UsageDrain::new(Arc::clone(&meter), ledger.clone()).unwrap();
        let used = |amount| meter.record(Payer::from([1; 20]), None, Usage::of(Commodity::ComputeUnits, amount));

        used(5);
        drain.drain().await.unwrap();
        // Recorded, but nobody heard of it.
        used(7);
        let (key, rows) = (format!("meter:{}:1", drain.run), meter.drain());
        let epoch = drain.epoch.at(0).unwrap();
        ledger.record_usage(&key, epoch, &rows).await.unwrap();
        drain.pending = Some(Drain { key, epoch, rows });
        drain.drains = 2;
        used(11);
        drain.drain().await.unwrap();

        let stored = ledger.usage(epoch).await.unwrap();
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].usage.get(Commodity::ComputeUnits), 23);
        ledger.close().await;
        server.stop().await.unwrap();
    }
}
