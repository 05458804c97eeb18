//! What a fault makes of a request and its answer.

use crate::forge::log_twice;
use crate::wire::forward;
use crate::{Fault, HeadLie};
use alloy_consensus::TxEnvelope;
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{B256, Bytes, U64};
use alloy_rpc_types_eth::Header;
use serde_json::{Value, json};

/// How far ahead a block of the future is, in blocks and in seconds.
const FUTURE_BLOCKS: u64 = 1_000;
const FUTURE_SECONDS: u64 = 100_000;

/// What is behind the proxy.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
}

impl Endpoint {
    pub(crate) async fn forward(&self, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        forward(&self.http, &self.url, path, body).await
    }

    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": method, "params": params }).to_string();
        let (_, bytes) = self.forward("/", body.as_bytes()).await;
        serde_json::from_slice::<Value>(&bytes).map_or(Value::Null, |mut answer| answer["result"].take())
    }

    async fn head(&self) -> u64 {
        serde_json::from_value::<U64>(self.call("eth_blockNumber", json!([])).await).map_or(0, |number| number.to())
    }
}

/// Status and body that the client gets.
pub(crate) async fn ask(endpoint: &Endpoint, fault: &Fault, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    match fault {
        Fault::Status(status) => (*status, Vec::new()),
        Fault::Garbage(text) => (200, text.as_bytes().to_vec()),
        Fault::NoBlobs if path.contains("/blob") => (404, Vec::new()),
        Fault::Twice => {
            endpoint.forward(path, body).await;
            endpoint.forward(path, body).await
        }
        Fault::Error(code, message) => {
            each(body, |call| json!({ "id": call["id"], "error": { "code": code, "message": message } }))
        }
        Fault::Forget => forget(endpoint, path, body).await,
        Fault::Lag(behind) => lag(endpoint, *behind, path, body).await,
        Fault::LogTwice => log_twice(endpoint, path, body).await,
        Fault::Head(HeadLie::Back) => lag(endpoint, 1, path, body).await,
        Fault::Lie(method, lie) => {
            let (status, answer) = endpoint.forward(path, body).await;
            if lies_to(body, method) { (status, change(&answer, lie)) } else { (status, answer) }
        }
        Fault::Head(lie) => {
            let (status, answer) = endpoint.forward(path, body).await;
            let asks = String::from_utf8_lossy(body).contains("\"latest\"") && lies_to(body, "eth_getBlockByNumber");
            if asks { (status, change(&answer, &|answer| head_lie(*lie, answer))) } else { (status, answer) }
        }
        _ => endpoint.forward(path, body).await,
    }
}

fn lies_to(body: &[u8], method: &str) -> bool {
    // A GET has no body: the fault is meant for it.
    body.is_empty() || String::from_utf8_lossy(body).contains(&format!("\"{method}\""))
}

fn change(answer: &[u8], lie: &dyn Fn(&mut Value)) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice::<Value>(answer) else { return answer.to_vec() };
    match &mut value {
        Value::Array(answers) => answers.iter_mut().for_each(lie),
        single => lie(single),
    }
    value.to_string().into_bytes()
}

/// Answers every call of a body by itself.
fn each(body: &[u8], answer: impl Fn(&Value) -> Value) -> (u16, Vec<u8>) {
    let said = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Array(calls)) => Value::Array(calls.iter().map(answer).collect()),
        Ok(call) => answer(&call),
        Err(_) => return (500, Vec::new()),
    };
    (200, said.to_string().into_bytes())
}

fn head_lie(lie: HeadLie, answer: &mut Value) {
    let Ok(mut header) = serde_json::from_value::<Header>(answer["result"].clone()) else { return };
    header.inner.extra_data = Bytes::from_static(b"no such block");
    if lie == HeadLie::Future {
        header.inner.number += FUTURE_BLOCKS;
        header.inner.timestamp += FUTURE_SECONDS;
        header.inner.parent_hash = B256::repeat_byte(0x5a);
    }
    header.hash = header.inner.hash_slow();
    let said = serde_json::to_value(header).unwrap();
    for (key, value) in said.as_object().into_iter().flatten() {
        answer["result"][key] = value.clone();
    }
}

async fn forget(endpoint: &Endpoint, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    if body.is_empty() || !lies_to(body, "eth_sendRawTransaction") {
        return endpoint.forward(path, body).await;
    }
    each(body, |call| {
        let raw: Option<Bytes> = serde_json::from_value(call["params"][0].clone()).ok();
        let envelope = raw.and_then(|raw| TxEnvelope::decode_2718(&mut raw.as_ref()).ok());
        json!({ "id": call["id"], "result": envelope.map(|envelope| *envelope.tx_hash()) })
    })
}

/// As if the newest blocks were not there yet.
async fn lag(endpoint: &Endpoint, behind: u64, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let Ok(mut asked) = serde_json::from_slice::<Value>(body) else { return endpoint.forward(path, body).await };
    let head = endpoint.head().await.saturating_sub(behind);
    let calls: Vec<&mut Value> = match &mut asked {
        Value::Array(calls) => calls.iter_mut().collect(),
        single => vec![single],
    };
    for param in calls.into_iter().filter_map(|call| call["params"].as_array_mut()).flatten() {
        if ["latest", "pending"].iter().any(|tag| param == tag) {
            *param = json!(U64::from(head));
        }
    }
    let (status, answer) = endpoint.forward(path, asked.to_string().as_bytes()).await;
    let hidden = |result: &Value| {
        let number = |key: &str| serde_json::from_value::<U64>(result[key].clone()).ok();
        let at = number("blockNumber").or_else(|| number("number"));
        at.is_some_and(|at| at.to::<u64>() > head)
    };
    let hide = |answer: &mut Value| {
        if answer["result"].is_object() && hidden(&answer["result"]) {
            answer["result"] = Value::Null;
        }
    };
    (status, change(&answer, &hide))
}
