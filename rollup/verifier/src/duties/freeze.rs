//! When the sequencer is gone.

use alloy_primitives::U256;
use mayfly_contracts::inbox::Inbox;

use super::{Action, Context};
use crate::{VerifierError, View};

impl Context {
    /// A request once the sequencer was silent for too long, and the freeze once it did not answer.
    /// If the end came first, the bond back.
    pub(super) async fn freeze(&self, view: &View) -> Result<Option<Action>, VerifierError> {
        if view.frozen {
            return Ok(None);
        }
        let (inbox, windows) = (self.contracts.inbox, &self.info.config.windows);
        let requester = self.ask(inbox, &Inbox::freezeRequesterCall {}).await?;
        if view.l1_time >= view.close_time {
            let lapse = || {
                let what = "let the request lapse: the rollup closed".to_owned();
                Action::call("freezer", what, inbox, &Inbox::lapseFreezeCall {}, U256::ZERO)
            };
            return Ok((requester == self.account()).then(lapse));
        }
        if requester.is_zero() {
            let last = self.ask(inbox, &Inbox::lastSequencerTimeCall {}).await?;
            let due = view.l1_time >= last.saturating_add(windows.livenessWindow);
            let bond = self.info.config.freezeBond;
            let request = || {
                let what = format!("request a freeze: no batch since {last}");
                Action::call("freezer", what, inbox, &Inbox::requestFreezeCall {}, bond)
            };
            return Ok(due.then(request));
        }
        let requested = self.ask(inbox, &Inbox::freezeRequestedAtCall {}).await?;
        let due = view.l1_time > requested.saturating_add(windows.freezeDelay);
        let freeze = || {
            let what = format!("freeze: no answer since {requested}");
            Action::call("freezer", what, inbox, &Inbox::freezeCall {}, U256::ZERO)
        };
        Ok(due.then(freeze))
    }
}
