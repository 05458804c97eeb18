//! JSON-RPC to a node that may be gone.

use eyre::{bail, eyre};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// Longer than any answer takes, shorter than a run waits.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Calls in one request.
const BATCH: usize = 200;

/// A client of one rollup.
#[derive(Clone, Debug)]
pub struct Rpc {
    http: reqwest::Client,
    url: String,
}

/// Why there is no result.
#[derive(Debug)]
pub enum RpcFailure {
    /// The node is gone, or was before it answered.
    Gone,
    /// It said no.
    Refused(String),
}

impl Rpc {
    /// Asks at this URL.
    pub fn new(url: String) -> eyre::Result<Self> {
        Ok(Self { http: reqwest::Client::builder().timeout(TIMEOUT).build()?, url })
    }

    /// One call, its failure told apart.
    pub async fn ask(&self, method: &str, params: Value) -> Result<Value, RpcFailure> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = self.http.post(&self.url).json(&body).send().await.map_err(|_| RpcFailure::Gone)?;
        // A body cut short is no answer.
        let mut answer: Value = answer.json().await.map_err(|_| RpcFailure::Gone)?;
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(RpcFailure::Refused(answer["error"]["message"].as_str().unwrap_or("no reason").to_owned())),
        }
    }

    /// One call.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> eyre::Result<T> {
        match self.ask(method, params).await {
            Ok(value) => Ok(serde_json::from_value(value)?),
            Err(RpcFailure::Gone) => Err(eyre!("{method}: the node is gone")),
            Err(RpcFailure::Refused(why)) => Err(eyre!("{method}: {why}")),
        }
    }

    /// The same method with many parameters, answers in that order.
    pub async fn calls<T: DeserializeOwned>(&self, method: &str, params: &[Value]) -> eyre::Result<Vec<T>> {
        let mut results = Vec::with_capacity(params.len());
        for part in params.chunks(BATCH) {
            let call = |(id, params): (usize, &Value)| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
            let body: Vec<Value> = part.iter().enumerate().map(call).collect();
            let answers: Vec<Value> = self.http.post(&self.url).json(&body).send().await?.json().await?;
            if answers.len() != part.len() {
                bail!("{method}: {} answers to {} calls", answers.len(), part.len());
            }
            let mut sorted = vec![Value::Null; part.len()];
            for mut answer in answers {
                let id = answer["id"].as_u64().and_then(|id| usize::try_from(id).ok()).unwrap_or(usize::MAX);
                if let Some(error) = answer.get("error") {
                    bail!("{method}: {error}");
                }
                *sorted.get_mut(id).ok_or_else(|| eyre!("{method}: an answer nobody asked for"))? =
                    answer["result"].take();
            }
            for result in sorted {
                results.push(serde_json::from_value(result)?);
            }
        }
        Ok(results)
    }
}
