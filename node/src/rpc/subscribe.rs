//! `eth_subscribe` and `eth_unsubscribe`: one connection's subscriptions.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_primitives::{B128, hex};
use serde::Serialize;
use tokio::sync::broadcast;

use super::backend::Rollup;
use super::dispatch::{Reply, reply};
use super::errors::{METHOD_NOT_FOUND, RpcError, echo};
use super::filter::LogFilter;
use super::heads::HeadEvent;
use super::limits::RpcLimits;
use super::params::Params;

/// What a subscription delivers.
#[derive(Debug)]
enum Topic {
    NewHeads,
    Logs(Box<LogFilter>),
}

/// The subscriptions of one connection.
#[derive(Debug)]
pub struct Subscriptions {
    rollup: Arc<Rollup>,
    max: usize,
    topics: BTreeMap<B128, Topic>,
    /// Only while there are subscriptions: others do not lag.
    events: Option<broadcast::Receiver<Arc<HeadEvent>>>,
}

/// The client is behind by this many events.
#[derive(Debug, PartialEq, Eq)]
pub struct Lagged(pub u64);

impl Subscriptions {
    /// None yet, at most `max`.
    pub fn new(rollup: Arc<Rollup>, max: usize) -> Self {
        Self { rollup, max, topics: BTreeMap::new(), events: None }
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
        self.topics.insert(id, topic);
        if self.events.is_none() {
            self.events = Some(self.rollup.heads.subscribe());
        }
        reply(&id)
    }

    /// `eth_unsubscribe`: whether there was such a subscription.
    pub(crate) fn unsubscribe(&mut self, params: &mut Params<'_>) -> Reply {
        let id: B128 = params.required("subscription id")?;
        params.end()?;
        let known = self.topics.remove(&id).is_some();
        if self.topics.is_empty() {
            self.events = None;
        }
        reply(&known)
    }

    /// The next notifications, ready to send. Waits for ever without subscriptions.
    pub async fn next(&mut self) -> Result<Vec<String>, Lagged> {
        let Some(events) = &mut self.events else { return std::future::pending().await };
        match events.recv().await {
            Ok(event) => Ok(self.tell(&event)),
            Err(broadcast::error::RecvError::Lagged(events)) => Err(Lagged(events)),
            // The rollup is no longer served: nothing will come.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }

    fn tell(&self, event: &HeadEvent) -> Vec<String> {
        let mut told = Vec::new();
        for (id, topic) in &self.topics {
            match topic {
                Topic::NewHeads if event.removed => {}
                Topic::NewHeads => told.push(notification(id, event.json())),
                Topic::Logs(filter) => {
                    let logs = filter.shapes(&event.block, event.removed);
                    told.extend(logs.filter_map(|log| log_notification(id, &log)));
                }
            }
        }
        told
    }
}

fn log_notification(id: &B128, log: &impl Serialize) -> Option<String> {
    serde_json::to_string(log).ok().map(|json| notification(id, &json))
}

fn notification(id: &B128, result: &str) -> String {
    let id = hex::encode(id);
    format!(r#"{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":"0x{id}","result":{result}}}}}"#)
}
