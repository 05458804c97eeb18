//! `eth_subscribe` and `eth_unsubscribe`: one connection's subscriptions.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{B128, hex};
use mayfly_sequencer::Arrival;
use serde::Serialize;
use tokio::sync::broadcast;

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{METHOD_NOT_FOUND, RpcError, echo};
use super::filter::LogFilter;
use super::heads::HeadEvent;
use super::limits::RpcLimits;
use super::params::Params;
use super::shapes;

/// What a subscription delivers.
#[derive(Debug)]
enum Topic {
    NewHeads,
    Logs(Box<LogFilter>),
    /// Transactions that come to wait: by their hashes, or in full as long as they are there.
    Pending {
        full: bool,
    },
    /// Nothing is fetched from peers: it tells `false`, once.
    Syncing,
}

/// The subscriptions of one connection.
#[derive(Debug)]
pub struct Subscriptions {
    rollup: Arc<Rollup>,
    max: usize,
    topics: BTreeMap<B128, Topic>,
    /// Only while there are such subscriptions: others do not lag.
    events: Option<broadcast::Receiver<Arc<HeadEvent>>>,
    waiting: Option<broadcast::Receiver<Arrival>>,
    /// Told before anything else.
    first: Vec<String>,
}

/// The client is behind by this many events.
#[derive(Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl Subscriptions {
    /// None yet, at most `max`.
    pub fn new(rollup: Arc<Rollup>, max: usize) -> Self {
        Self { rollup, max, topics: BTreeMap::new(), events: None, waiting: None, first: Vec::new() }
    }

    /// `eth_subscribe`: the subscription's id.
    pub(crate) fn subscribe(&mut self, params: &mut Params<'_>, limits: &RpcLimits) -> Reply {
        let kind: String = params.required("subscription name")?;
        let topic = match kind.as_str() {
            "newHeads" => Topic::NewHeads,
            "logs" => {
                let filter: LogFilter = params.optional("filter")?.unwrap_or_default();
                filter.check(limits)?;
                Topic::Logs(Box::new(filter))
            }
            "newPendingTransactions" => Topic::Pending { full: params.optional("full")?.unwrap_or_default() },
            "syncing" => Topic::Syncing,
            other => {
                let name = echo(other);
                return Err(RpcError::new(METHOD_NOT_FOUND, format!("no \"{name}\" subscription in eth namespace")));
            }
        };
        params.end()?;
        if self.topics.len() >= self.max {
            return Err(RpcError::limit(format!("{} subscriptions on one connection, no more", self.max)));
        }
        let id = B128::from(rand::random::<[u8; 16]>());
        match &topic {
            Topic::NewHeads | Topic::Logs(_) => {
                self.events.get_or_insert_with(|| self.rollup.heads.subscribe());
            }
            Topic::Pending { .. } if self.waiting.is_none() => {
                self.waiting = Some(self.rollup.subscribe_waiting()?);
            }
            Topic::Pending { .. } => {}
            Topic::Syncing => self.first.push(notification(&id, "false")),
        }
        self.topics.insert(id, topic);
        reply(&id)
    }

    /// `eth_unsubscribe`: whether there was such a subscription.
    pub(crate) fn unsubscribe(&mut self, params: &mut Params<'_>) -> Reply {
        let id: B128 = params.required("subscription id")?;
        params.end()?;
        let known = self.topics.remove(&id).is_some();
        if !self.topics.values().any(|topic| matches!(topic, Topic::NewHeads | Topic::Logs(_))) {
            self.events = None;
        }
        if !self.topics.values().any(|topic| matches!(topic, Topic::Pending { .. })) {
            self.waiting = None;
        }
        reply(&known)
    }

    /// The next notifications, ready to send. Waits for ever without subscriptions.
    pub async fn next(&mut self) -> Result<Vec<String>, Lagged> {
        if !self.first.is_empty() {
            return Ok(std::mem::take(&mut self.first));
        }
        tokio::select! {
            event = recv(&mut self.events) => event.map(|event| self.tell(&event)),
            arrival = recv(&mut self.waiting) => arrival.map(|arrival| self.tell_waiting(&arrival)),
        }
    }

    fn tell_waiting(&self, arrival: &Arrival) -> Vec<String> {
        let told = self.topics.iter().filter_map(|(id, topic)| match topic {
            Topic::Pending { full: true } => {
                arrival.tx.upgrade().and_then(|tx| shape_notification(id, &shapes::waiting(&tx)))
            }
            Topic::Pending { full: false } => shape_notification(id, &arrival.hash),
            _ => None,
        });
        told.collect()
    }

    fn tell(&self, event: &HeadEvent) -> Vec<String> {
        let mut told = Vec::new();
        for (id, topic) in &self.topics {
            match topic {
                Topic::NewHeads if event.removed => {}
                Topic::NewHeads => told.push(notification(id, event.json())),
                Topic::Pending { .. } | Topic::Syncing => {}
                Topic::Logs(filter) => {
                    let logs = filter.shapes(&event.block, event.removed);
                    told.extend(logs.filter_map(|log| shape_notification(id, &log)));
                }
            }
        }
        told
    }
}

/// The next event; never one without a subscription, or from where nothing comes any more.
async fn recv<T: Clone>(events: &mut Option<broadcast::Receiver<T>>) -> Result<T, Lagged> {
    let Some(events) = events else { return std::future::pending().await };
    match events.recv().await {
        Ok(event) => Ok(event),
        Err(broadcast::error::RecvError::Lagged(events)) => Err(Lagged(events)),
        // The rollup is no longer served: nothing will come.
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
}

fn shape_notification(id: &B128, shape: &impl Serialize) -> Option<String> {
    serde_json::to_string(shape).ok().map(|json| notification(id, &json))
}

fn notification(id: &B128, result: &str) -> String {
    let id = hex::encode(id);
    format!(r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":"0x{id}","result":{result}}}}}"#)
}
