//! JSON-RPC as a plain client speaks it.

use std::time::Duration;

use alloy_primitives::{B256, Bytes, hex};
use eyre::{Result, WrapErr, bail, eyre};
use serde_json::{Value, json};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client with its own connection pool.
#[derive(Clone)]
pub struct Rpc {
    http: reqwest::Client,
    url: String,
}

impl Rpc {
    pub fn new(url: &str) -> Result<Rpc> {
        Ok(Rpc { http: reqwest::Client::builder().timeout(TIMEOUT).tcp_nodelay(true).build()?, url: url.to_owned() })
    }

    /// One call.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        result(self.post(body.to_string()).await?, method)
    }

    /// One batch; the answers in the order of the calls.
    pub async fn batch(&self, method: &str, params: impl Iterator<Item = Value>) -> Result<Vec<Value>> {
        let calls: Vec<Value> = params
            .enumerate()
            .map(|(id, params)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .collect();
        let count = calls.len();
        let Value::Array(mut answers) = self.post(Value::Array(calls).to_string()).await? else {
            bail!("{method}: a batch was not answered by a list");
        };
        answers.sort_by_key(|answer| answer["id"].as_u64());
        if answers.len() != count {
            bail!("{method}: {} answers to {count} calls", answers.len());
        }
        answers.into_iter().map(|answer| result(answer, method)).collect()
    }

    /// Sends one signed transaction.
    pub async fn send(&self, raw: &Bytes) -> Result<()> {
        self.call("eth_sendRawTransaction", json!([hex::encode_prefixed(raw)])).await.map(drop)
    }

    /// Sends many in one body.
    pub async fn send_batch(&self, raws: &[Bytes]) -> Result<()> {
        let params = raws.iter().map(|raw| json!([hex::encode_prefixed(raw)]));
        self.batch("eth_sendRawTransaction", params).await.map(drop)
    }

    /// Which of these have a receipt of success. A failed transaction is an error.
    pub async fn included(&self, hashes: &[B256]) -> Result<Vec<bool>> {
        let answers = self.batch("eth_getTransactionReceipt", hashes.iter().map(|hash| json!([hash]))).await?;
        answers
            .iter()
            .zip(hashes)
            .map(|(receipt, hash)| match receipt["status"].as_str() {
                Some("0x1") => Ok(true),
                Some(status) => Err(eyre!("transaction {hash} has status {status}")),
                None => Ok(false),
            })
            .collect()
    }

    async fn post(&self, body: String) -> Result<Value> {
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        let bytes = request.send().await?.error_for_status()?.bytes().await?;
        serde_json::from_slice(&bytes).wrap_err("the answer is no JSON")
    }
}

fn result(mut answer: Value, method: &str) -> Result<Value> {
    if let Some(error) = answer.get("error").filter(|e| !e.is_null()) {
        bail!("{method}: {error}");
    }
    Ok(answer["result"].take())
}
