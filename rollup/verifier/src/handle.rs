//! A running verifier, from outside.

use std::{sync::Arc, time::Duration};

use mayfly_evm::ChainReader;
use mayfly_rollup::RollupInfo;
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{VerifierError, VerifierEvent, View};

/// A running verifier. Dropping it stops it.
#[derive(Debug)]
pub struct VerifierHandle {
    info: Arc<RollupInfo>,
    views: watch::Receiver<View>,
    events: broadcast::Sender<VerifierEvent>,
    readers: watch::Receiver<ChainReader>,
    stop: CancellationToken,
    tasks: [JoinHandle<()>; 2],
}

impl VerifierHandle {
    pub(crate) fn new(
        info: Arc<RollupInfo>,
        views: watch::Receiver<View>,
        events: broadcast::Sender<VerifierEvent>,
        readers: watch::Receiver<ChainReader>,
        stop: CancellationToken,
        tasks: [JoinHandle<()>; 2],
    ) -> Self {
        Self { info, views, events, readers, stop, tasks }
    }

    /// The rollup.
    pub fn info(&self) -> &Arc<RollupInfo> {
        &self.info
    }

    /// The state now.
    pub fn view(&self) -> View {
        self.views.borrow().clone()
    }

    /// The state whenever it changes.
    pub fn views(&self) -> watch::Receiver<View> {
        self.views.clone()
    }

    /// What happens from now on. A slow listener loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<VerifierEvent> {
        self.events.subscribe()
    }

    /// The derived chain. A deep reorganisation replaces it: ask again rather than keep it.
    pub fn reader(&self) -> ChainReader {
        self.readers.borrow().clone()
    }

    /// Waits until the state satisfies `done`.
    pub async fn wait_for(&self, mut done: impl FnMut(&View) -> bool) -> Result<View, VerifierError> {
        let mut views = self.views.clone();
        let view = views.wait_for(|view| done(view)).await.map_err(|_| VerifierError::Stopped)?;
        Ok(view.clone())
    }

    /// Like [`VerifierHandle::wait_for`], but gives up after `limit` with what there is.
    pub async fn wait_at_most(&self, limit: Duration, done: impl FnMut(&View) -> bool) -> Result<View, View> {
        match tokio::time::timeout(limit, self.wait_for(done)).await {
            Ok(Ok(view)) => Ok(view),
            Ok(Err(_)) | Err(_) => Err(self.view()),
        }
    }

    /// Stops it and waits.
    pub async fn stop(mut self) {
        self.stop.cancel();
        for task in &mut self.tasks {
            // Fails only if the task panicked, which is logged where it happens.
            let _ = task.await;
        }
    }
}

impl Drop for VerifierHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
