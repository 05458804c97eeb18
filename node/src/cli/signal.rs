//! Being told to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output::progress;

/// SIGINT (Ctrl-C), SIGTERM (systemd) and SIGHUP (the terminal is gone). The first asks to stop in order; the next
/// ends the process at once.
pub(crate) struct StopSignal(CancellationToken);

impl StopSignal {
    /// From here on the first signal no longer ends the process by itself.
    pub(crate) fn listen() -> eyre::Result<StopSignal> {
        let mut signals =
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?];
        let told = CancellationToken::new();
        let stop = StopSignal(told.clone());
        tokio::spawn(async move {
            next(&mut signals).await;
            told.cancel();
            next(&mut signals).await;
            progress("stopped at once");
            std::process::exit(1);
        });
        Ok(stop)
    }

    /// Returns once one of them came.
    pub(crate) async fn wait(&self) {
        self.0.cancelled().await;
    }
}

async fn next([interrupt, terminate, hangup]: &mut [Signal; 3]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
