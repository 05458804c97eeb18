//! Transactions under way: one that is not mined holds up no other, and what is under way is not sent again.

use alloy_primitives::{B256, U256};
use mayfly_l1::{L1Error, Submission};
use tokio::task::{Id, JoinSet};

use super::Action;

/// What became of an action.
#[derive(Debug)]
pub(super) struct Landing {
    pub(super) action: Action,
    pub(super) result: Result<Mined, L1Error>,
}

#[derive(Debug)]
pub(super) struct Mined {
    pub(super) tx_hash: B256,
    /// Number of the L1 block.
    pub(super) block: u64,
}

#[derive(Debug)]
struct Flight {
    action: Action,
    nonce: u64,
    watch: Id,
}

/// Actions that were sent and whose end is not known.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Vec<Flight>,
    /// Dropping it stops all watching.
    watches: JoinSet<Result<Mined, L1Error>>,
}

impl Flights {
    /// Whether an action has to wait for one that is under way: the same call, or one of a kind that is done one at a
    /// time.
    pub(super) fn hold(&self, action: &Action) -> bool {
        let same = |other: &Action| other.intent.to == action.intent.to && other.intent.data == action.intent.data;
        let alone = |other: &Action| other.alone && action.alone && other.role == action.role;
        self.under_way.iter().any(|flight| same(&flight.action) || alone(&flight.action))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Wei that transactions under way will take with them.
    pub(super) fn value(&self) -> U256 {
        self.under_way.iter().fold(U256::ZERO, |sum, flight| sum.saturating_add(flight.action.intent.value))
    }

    /// Whether one of them has this nonce.
    pub(super) fn uses(&self, nonce: u64) -> bool {
        self.under_way.iter().any(|flight| flight.nonce == nonce)
    }

    /// Whether one of them has a later nonce and none this one.
    pub(super) fn wait_behind(&self, nonce: u64) -> bool {
        self.under_way.iter().any(|flight| flight.nonce > nonce) && !self.uses(nonce)
    }

    pub(super) fn watch(&mut self, action: Action, submission: Submission) {
        let nonce = submission.nonce();
        let watch = self.watches.spawn(async move {
            submission.confirm().await.map(|receipt| Mined {
                tx_hash: receipt.transaction_hash,
                block: receipt.block_number.unwrap_or_default(),
            })
        });
        self.under_way.push(Flight { action, nonce, watch: watch.id() });
    }

    /// The next one that ends; never while none is under way.
    pub(super) async fn next(&mut self) -> Landing {
        loop {
            let (watch, result) = match self.watches.join_next_with_id().await {
                Some(Ok(done)) => done,
                // It does not panic; if it did, its action is looked at again.
                Some(Err(error)) => (error.id(), Err(L1Error::Config(format!("a watch broke: {error}")))),
                None => std::future::pending().await,
            };
            if let Some(at) = self.under_way.iter().position(|flight| flight.watch == watch) {
                return Landing { action: self.under_way.swap_remove(at).action, result };
            }
        }
    }
}
