//! What a verifier does on L1 about what it finds. One duty a file: each looks at a [`View`] and says
//! what is due; this module sends it, the most urgent first, and waits for none before it sends the next. Duties run only when
//! everything L1 has is applied; what is under way is not sent again, and after it was mined nothing is due before the
//! view shows its effect.

mod attest;
mod carry;
mod finalize;
mod flights;
mod force;
mod freeze;
mod gap;
mod propose;
mod rival;
mod vote;

use std::{sync::Arc, time::Duration};

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolCall;
use mayfly_l1::{BlockTag, Key, L1Client, L1Error, RollupContracts, Sender, Submission, SubmitOptions, TxIntent};
use mayfly_rollup::RollupInfo;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use self::flights::{Flights, Landing, Mined};
use self::gap::Gap;
use crate::{VerifierError, VerifierEvent, View, info::contracts};

/// Look again after so long when a duty failed and L1 stands still.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Which duties to take on. The default takes none.
#[derive(Debug, Clone, Default)]
pub struct Roles {
    /// Who sends and pays; needed by every duty.
    pub sender: Option<Sender>,
    /// Sign right claims with these attesters' keys.
    pub attesters: Vec<Key>,
    /// Propose claims at every interval, and the closing claim.
    pub propose: bool,
    /// Propose a rival to every wrong claim, and defend right ones with at most so many wei each.
    pub rival: Option<U256>,
    /// Vote in the committee, or decide as the resolver, for right claims.
    pub vote: bool,
    /// Finalize right claims and collect bonds.
    pub finalize: bool,
    /// Ask for a freeze, and freeze, when the sequencer is gone.
    pub freeze: bool,
    /// Post a forced batch when a queue item is overdue.
    pub force: bool,
    /// How to wait for transactions.
    pub submit: SubmitOptions,
}

impl Roles {
    /// Whether there is anything to do.
    pub fn any(&self) -> bool {
        !self.attesters.is_empty()
            || self.rival.is_some()
            || self.propose
            || self.vote
            || self.finalize
            || self.freeze
            || self.force
    }
}

/// A transaction that is due.
#[derive(Debug)]
struct Action {
    role: &'static str,
    what: String,
    intent: TxIntent,
    /// Waits while another one like this of its role is under way.
    alone: bool,
}

impl Action {
    fn call<C: SolCall>(
        role: &'static str,
        what: String,
        to: alloy_primitives::Address,
        call: &C,
        value: U256,
    ) -> Self {
        Self { role, what, intent: TxIntent::call(to, call.abi_encode()).with_value(value), alone: false }
    }

    fn alone(self) -> Self {
        Self { alone: true, ..self }
    }
}

/// What every duty reads.
#[derive(Debug)]
struct Context {
    info: Arc<RollupInfo>,
    contracts: RollupContracts,
    l1: L1Client,
    roles: Roles,
    carriage: carry::Carriage,
    events: broadcast::Sender<VerifierEvent>,
}

impl Context {
    fn tell(&self, event: VerifierEvent) {
        // Fails only while nobody listens.
        let _ = self.events.send(event);
    }

    /// Others may have been faster: then the next view shows that nothing is due any more.
    fn failed(&self, action: Action, error: &L1Error) {
        let Action { role, what, .. } = action;
        tracing::info!(role, what, %error, "could not act on l1");
        self.tell(VerifierEvent::Failed { role, what, reason: error.to_string() });
    }

    /// A view of a contract, as L1 stands now.
    async fn ask<C: SolCall>(&self, to: alloy_primitives::Address, call: &C) -> Result<C::Return, VerifierError> {
        Ok(self.l1.call(to, call, BlockTag::Latest).await?)
    }

    fn account(&self) -> alloy_primitives::Address {
        self.roles.sender.as_ref().map(Sender::address).unwrap_or_default()
    }
}

/// The task that does the duties.
#[derive(Debug)]
pub(crate) struct Duties {
    context: Context,
    views: watch::Receiver<View>,
    flights: Flights,
    gap: Gap,
    /// The L1 block of our last transaction: older views do not show its effect.
    acted_in: u64,
}

impl Duties {
    pub(crate) fn new(
        info: Arc<RollupInfo>,
        l1: L1Client,
        roles: Roles,
        views: watch::Receiver<View>,
        events: broadcast::Sender<VerifierEvent>,
    ) -> Result<Self, VerifierError> {
        if roles.any() && roles.sender.is_none() {
            return Err(VerifierError::NoSender);
        }
        let strangers = roles.attesters.iter().find(|key| !info.config.attesters.contains(&key.address()));
        if let Some(stranger) = strangers {
            return Err(VerifierError::WrongKey { address: stranger.address(), role: "attester" });
        }
        let contracts = contracts(&info);
        let context = Context { info, contracts, l1, roles, carriage: carry::Carriage::default(), events };
        Ok(Self { context, views, flights: Flights::default(), gap: Gap::default(), acted_in: 0 })
    }

    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let Some(sender) = self.context.roles.sender.clone().filter(|_| self.context.roles.any()) else { return };
        let (mut all_done, mut seen) = (true, 0);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                landing = self.flights.next() => if !self.landed(landing) {
                    all_done = false;
                    continue;
                },
                () = tokio::time::sleep(RETRY_AFTER), if !all_done => {}
                changed = self.views.changed() => if changed.is_err() { return },
            }
            let view = self.views.borrow_and_update().clone();
            if view.l1.number < seen {
                // L1 went back: what we saw mined may not be.
                self.acted_in = 0;
            }
            seen = view.l1.number;
            if view.is_synced() && view.l1.number >= self.acted_in {
                all_done = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    all_done = self.round(&sender, &view) => all_done,
                };
            }
        }
    }

    /// Sends everything that is due; false if something failed.
    async fn round(&mut self, sender: &Sender, view: &View) -> bool {
        let actions = match self.context.due(view).await {
            Ok(actions) => actions,
            Err(error) => {
                tracing::warn!(%error, "cannot tell what is due");
                return false;
            }
        };
        let mut all_done = true;
        for action in actions {
            if self.flights.hold(&action) {
                continue;
            }
            match self.send(sender, &action).await {
                Ok(submission) => self.flights.watch(action, submission),
                Err(error) => {
                    self.context.failed(action, &error);
                    all_done = false;
                }
            }
        }
        let bump_after = self.context.roles.submit.bump_after;
        let closed = self.gap.close(sender, &self.flights, bump_after).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot close a gap");
            false
        });
        all_done && closed
    }

    /// Pools count only what one transaction takes: what is sent and not mined would be spent twice.
    async fn send(&self, sender: &Sender, action: &Action) -> Result<Submission, L1Error> {
        let value = action.intent.value;
        if !value.is_zero() && !self.flights.is_empty() {
            let (has, spoken_for) = (self.context.l1.balance(sender.address()).await?, self.flights.value());
            if has < spoken_for.saturating_add(value) {
                let reason = format!("{has} wei, {spoken_for} of them under way, do not pay {value}");
                return Err(L1Error::InsufficientFunds(reason));
            }
        }
        // It is watched until its nonce is used, however long: a second one beside it could be mined too.
        let options = SubmitOptions { timeout: Duration::MAX, ..self.context.roles.submit.clone() };
        sender.send(&action.intent, &options).await
    }

    /// Notes the end of what was under way; false if it failed.
    fn landed(&mut self, landing: Landing) -> bool {
        let Landing { action, result } = landing;
        match result {
            Ok(Mined { tx_hash, block }) => {
                let Action { role, what, .. } = action;
                tracing::info!(role, what, tx = %tx_hash, "acted on l1");
                self.acted_in = self.acted_in.max(block);
                self.context.tell(VerifierEvent::Acted { role, what, tx_hash });
                true
            }
            Err(error) => {
                self.context.failed(action, &error);
                false
            }
        }
    }
}

impl Context {
    /// Everything that is due, the most urgent first.
    async fn due(&self, view: &View) -> Result<Vec<Action>, VerifierError> {
        let roles = &self.roles;
        let mut actions = Vec::new();
        if let Some(budget) = roles.rival {
            actions.extend(self.rivals(view, budget).await?);
            actions.extend(self.defences(view, budget).await?);
        }
        actions.extend(self.attestations(view)?);
        if roles.vote {
            actions.extend(self.votes(view).await?);
        }
        if roles.freeze {
            actions.extend(self.freeze(view).await?);
        }
        if roles.force {
            actions.extend(self.forced_batch(view).await?);
        }
        if roles.propose {
            actions.extend(self.proposal(view).await?);
        }
        if roles.finalize {
            actions.extend(self.finalizations(view).await?);
        }
        if roles.finalize || roles.propose {
            actions.extend(self.missing_leaves(view).await?);
        }
        Ok(actions)
    }
}

/// A hash short enough to read.
fn short(hash: B256) -> String {
    let text = hash.to_string();
    text.get(..10).map_or_else(|| text.clone(), str::to_owned)
}
