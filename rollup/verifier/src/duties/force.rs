//! When the sequencer leaves queue items out.

use alloy_primitives::U256;
use mayfly_contracts::inbox::Inbox;

use super::{Action, Context};
use crate::{VerifierError, View};

impl Context {
    /// A forced batch with everything in the queue, once its oldest open item is overdue.
    pub(super) async fn forced_batch(&self, view: &View) -> Result<Option<Action>, VerifierError> {
        // An endpoint estimates on top of its head, in a block of the head's own number, where the head's hash cannot be
        // asked for yet: the origin is the block before it, and items of the head itself wait.
        let (origin, up_to) = (view.l1.number.saturating_sub(1), view.queued_before);
        if view.l1_time >= view.close_time || up_to == 0 {
            return Ok(None);
        }
        let inbox = self.contracts.inbox;
        let count = self.ask(inbox, &Inbox::batchCountCall {}).await?;
        let consumed = self.ask(inbox, &Inbox::batchCall { seq: count }).await?.queueUpTo;
        if consumed >= up_to {
            return Ok(None);
        }
        let oldest = self.ask(inbox, &Inbox::queueItemCall { index: consumed }).await?;
        if view.l1_time <= oldest.time.saturating_add(self.info.config.windows.forceWindow) {
            return Ok(None);
        }
        let call = Inbox::postForcedBatchCall { originNumber: origin, queueUpTo: up_to };
        let what = format!("post a forced batch of items {consumed} to {up_to}");
        Ok(Some(Action::call("forcer", what, inbox, &call, U256::ZERO).alone()))
    }
}
