//! The way out when L1 refuses every batch: a queue item is overdue, and what waits before it is more than one batch
//! holds. The sequencer then does what anybody may do, and puts the item before its blocks with a batch that has no
//! data; its blocks follow, renumbered, as after a forced batch of somebody else.

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolError};
use mayfly_contracts::inbox::Inbox::{OverdueItemLeftOut, postForcedBatchCall};
use mayfly_ledger::{NewPost, Purpose};

use crate::terms::Terms;
use crate::view::PostView;

/// Times that L1 says so before the order of blocks is given up: what is ripe a moment later may reach the item.
const REFUSALS: u32 = 2;

/// Whether `revert`, said `times` times to one batch, leaves no other way.
pub(super) fn is_called_for(revert: &[u8], times: u32) -> bool {
    times >= REFUSALS && OverdueItemLeftOut::abi_decode(revert).is_ok()
}

/// A batch of every queue item that can be consumed, if L1 would take one.
pub(super) fn order(terms: Terms, sender: Address, view: &PostView) -> Option<NewPost> {
    let (origin, _) = view.origin?;
    let call = postForcedBatchCall { originNumber: origin, queueUpTo: view.queue_seen };
    is_wanted(&call, view, terms.max_origin_lag).then(|| NewPost {
        key: format!("forced/{}/{}-{}/{origin}", terms.rollup, view.queue_up_to, view.queue_seen),
        purpose: Purpose::ForcedBatch,
        rollup: Some(terms.rollup),
        sender,
        to: Some(terms.rollup),
        value: U256::ZERO,
        input: call.abi_encode().into(),
        gas_limit: None,
        blobs: Vec::new(),
    })
}

/// Whether L1 would still take it.
pub(super) fn is_wanted(call: &postForcedBatchCall, view: &PostView, max_origin_lag: u64) -> bool {
    let overdue = view.overdue_at.is_some_and(|at| at < view.l1_time);
    let follows = (view.queue_up_to + 1..=view.queue_seen).contains(&call.queueUpTo);
    let fresh = call.originNumber >= view.min_origin
        && call.originNumber < view.l1_number
        && view.l1_number - call.originNumber < max_origin_lag;
    overdue && follows && fresh && view.l1_time < view.close_time
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> PostView {
        let (l1_number, l1_time, close_time) = (50, 1_000, 2_000);
        PostView { queue_up_to: 3, queue_seen: 5, min_origin: 40, l1_number, l1_time, close_time, ..Default::default() }
    }

    fn call(origin: u64, up_to: u64) -> postForcedBatchCall {
        postForcedBatchCall { originNumber: origin, queueUpTo: up_to }
    }

    #[test]
    fn is_wanted_only_while_l1_would_take_it() {
        let overdue = PostView { overdue_at: Some(999), ..view() };
        let wanted = |origin, up_to, view: &PostView| is_wanted(&call(origin, up_to), view, 32);
        assert!(wanted(49, 5, &overdue) && wanted(40, 4, &overdue));
        assert!(!wanted(49, 3, &overdue), "consumes nothing");
        assert!(!wanted(49, 6, &overdue), "consumes what is not there");
        assert!(!wanted(50, 5, &overdue), "the head cannot be asked for");
        assert!(!wanted(39, 5, &overdue), "an origin may not decrease");
        assert!(!is_wanted(&call(40, 5), &overdue, 10), "too old");
        assert!(!wanted(49, 5, &PostView { overdue_at: Some(1_000), ..view() }), "not overdue yet");
        assert!(!wanted(49, 5, &PostView { overdue_at: None, ..view() }));
        assert!(!wanted(49, 5, &PostView { close_time: 1_000, ..overdue }), "closed");
    }

    #[test]
    fn only_an_item_left_out_calls_for_it_and_not_at_once() {
        let left_out = OverdueItemLeftOut { index: 3 }.abi_encode();
        assert!(is_called_for(&left_out, REFUSALS));
        assert!(!is_called_for(&left_out, REFUSALS - 1));
        assert!(!is_called_for(&[0; 36], 9) && !is_called_for(&[], 9));
    }
}
