//! When the sequencer leaves queue items out.

use alloy_primitives::U256;
use mayfly_contracts::inbox::Inbox;

use super::{Action, Context};
use crate::{VerifierError, View};

impl Context {
    /// A forced batch with everything in the queue, once its oldest open item is overdue.
    pub(super) async fn forced_batch(&self, view: &View) -> Result<Option<Action>, VerifierError> {
        if view.l1_time >= view.close_time || view.queued == 0 {
            return Ok(None);
        }
        let inbox = self.contracts.inbox;
        let count = self.ask(inbox, &Inbox::batchCountCall {}).await?;
        let consumed = self.ask(inbox, &Inbox::batchCall { seq: count }).await?.queueUpTo;
        if consumed >= view.queued {
            return Ok(None);
        }
        let oldest = self.ask(inbox, &Inbox::queueItemCall { index: consumed }).await?;
        if view.l1_time <= oldest.time.saturating_add(self.info.config.windows.forceWindow) {
            return Ok(None);
        }
        // The view has seen every item up to its own L1 block, which is thus the origin.
        let call = Inbox::postForcedBatchCall { originNumber: view.l1.number, queueUpTo: view.queued };
        let what = format!("post a forced batch of items {consumed} to {}", view.queued);
        Ok(Some(Action::call("forcer", what, inbox, &call, U256::ZERO)))
    }
}
