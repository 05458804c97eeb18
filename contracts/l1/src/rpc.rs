//! JSON-RPC over HTTP, single and in batches.

use alloy_primitives::Bytes;
use reqwest::Url;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use crate::{
    L1Error,
    http::{Endpoints, name},
};

/// Longest error message that is kept.
const MAX_MESSAGE_CHARS: usize = 300;
/// Most calls in one batch.
pub(crate) const MAX_BATCH_CALLS: usize = 100;

#[derive(Deserialize)]
struct Answer<'a> {
    id: u64,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: Option<Value>,
}

/// One call; `null` is an answer like any other.
pub(crate) async fn call<T: DeserializeOwned>(
    endpoints: &Endpoints,
    method: &str,
    params: Value,
) -> Result<T, L1Error> {
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params});
    endpoints
        .retry(|url| {
            let body = &body;
            async move {
                let bytes = post(endpoints, &url, body).await?;
                let answer: Answer<'_> = parse(&url, method, &bytes)?;
                take(&url, method, answer)
            }
        })
        .await
}

/// The same method with several parameters, at most [`MAX_BATCH_CALLS`], answers in that order.
/// The first error of any of them is the error of all.
pub(crate) async fn batch<T: DeserializeOwned>(
    endpoints: &Endpoints,
    method: &str,
    params: &[Value],
) -> Result<Vec<T>, L1Error> {
    if params.is_empty() {
        return Ok(Vec::new());
    }
    debug_assert!(params.len() <= MAX_BATCH_CALLS);
    let call = |(id, params): (usize, &Value)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    let body = Value::Array(params.iter().enumerate().map(call).collect());
    endpoints
        .retry(|url| {
            let body = &body;
            async move {
                let bytes = post(endpoints, &url, body).await?;
                in_order(&url, method, &bytes, params.len())
            }
        })
        .await
}

fn in_order<T: DeserializeOwned>(url: &Url, method: &str, bytes: &[u8], count: usize) -> Result<Vec<T>, L1Error> {
    let malformed =
        |reason: &str| L1Error::Malformed { endpoint: name(url), method: method.into(), reason: reason.into() };
    // An endpoint that refuses the whole batch answers with one error object.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        let refusal: Value = parse(url, method, bytes)?;
        if !refusal["error"].is_object() {
            return Err(malformed("no answers"));
        }
        let message = cut(refusal["error"]["message"].as_str().unwrap_or("batch refused"));
        let code = refusal["error"]["code"].as_i64().unwrap_or(0);
        return Err(L1Error::Rpc { method: method.into(), code, message, data: None });
    }
    let answers: Vec<Answer<'_>> = parse(url, method, bytes)?;
    let mut slots: Vec<Option<T>> = (0..count).map(|_| None).collect();
    for answer in answers {
        let index = usize::try_from(answer.id).ok().filter(|index| *index < count);
        let slot = index.and_then(|index| slots.get_mut(index)).ok_or_else(|| malformed("an id nobody asked for"))?;
        *slot = Some(take(url, method, answer)?);
    }
    slots.into_iter().collect::<Option<_>>().ok_or_else(|| malformed("answers are missing"))
}

async fn post(endpoints: &Endpoints, url: &Url, body: &Value) -> Result<Vec<u8>, L1Error> {
    let (status, bytes) = endpoints.post(url, body).await?;
    // Some servers answer a JSON-RPC error with status 4xx: the error object says more.
    let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['));
    if (200..300).contains(&status) || (is_json && status < 429) {
        Ok(bytes)
    } else {
        Err(L1Error::Http { endpoint: name(url), status })
    }
}

fn parse<'a, T: Deserialize<'a>>(url: &Url, method: &str, bytes: &'a [u8]) -> Result<T, L1Error> {
    serde_json::from_slice(bytes).map_err(|error| L1Error::Malformed {
        endpoint: name(url),
        method: method.into(),
        reason: error.to_string(),
    })
}

fn take<T: DeserializeOwned>(url: &Url, method: &str, answer: Answer<'_>) -> Result<T, L1Error> {
    if let Some(failure) = answer.error {
        let data = failure.data.as_ref().and_then(revert_data);
        return Err(named(method, failure.code, cut(&failure.message), data));
    }
    let result = answer.result.map_or("null", RawValue::get);
    parse(url, method, result.as_bytes())
}

fn revert_data(data: &Value) -> Option<Bytes> {
    let text = data.as_str().or_else(|| data.get("data").and_then(Value::as_str))?;
    text.strip_prefix("0x")?;
    text.parse().ok()
}

fn cut(message: &str) -> String {
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// What nodes say, by the words they have in common, and what it means to a sender.
fn named(method: &str, code: i64, message: String, data: Option<Bytes>) -> L1Error {
    let lower = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    if method != "eth_sendRawTransaction" {
        if code == 3 || says(&["execution reverted"]) {
            let data = data.unwrap_or_default();
            return L1Error::Reverted { what: method.into(), reason: crate::revert::reason(&data, &message), data };
        }
    } else if says(&["nonce too low", "nonce is too low"]) {
        return L1Error::NonceTooLow(message);
    } else if says(&["nonce too high", "nonce gap", "gapped-nonce", "exceeds maximum number of transactions"]) {
        return L1Error::NonceTooHigh(message);
    } else if says(&["replacement transaction underpriced", "replacement fee too low"]) {
        return L1Error::ReplacementUnderpriced(message);
    } else if says(&["already reserved", "pool already contains"]) {
        return L1Error::KindBlocked(message);
    } else if says(&[
        "underpriced",
        "max fee per gas less than block base fee",
        "fee cap less than",
        "less than block base",
    ]) {
        return L1Error::Underpriced(message);
    } else if says(&["insufficient funds", "doesn't have enough funds", "insufficient balance"]) {
        return L1Error::InsufficientFunds(message);
    }
    L1Error::Rpc { method: method.into(), code, message, data }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn url() -> Url {
        "http://l1.example".parse().unwrap()
    }

    #[test]
    fn orders_a_batch_and_refuses_gaps_and_strangers() {
        let read = |text: &str| in_order::<u64>(&url(), "m", text.as_bytes(), 2);
        assert_eq!(read(r#"[{"id":1,"result":7},{"id":0,"result":5}]"#).unwrap(), [5, 7]);
        assert!(matches!(read(r#"[{"id":1,"result":7}]"#), Err(L1Error::Malformed { .. })));
        assert!(matches!(read(r#"[{"id":9,"result":7},{"id":0,"result":5}]"#), Err(L1Error::Malformed { .. })));
        assert!(matches!(read(r#"{"error":{"code":-32005,"message":"slow down"}}"#), Err(e) if e.is_temporary()));
        assert!(matches!(read("[[[["), Err(L1Error::Malformed { .. })));
        assert!(matches!(read("{}"), Err(L1Error::Malformed { .. })), "nothing is no refusal");
    }

    #[test]
    fn tells_pool_errors_apart() {
        let named = |message: &str| named("eth_sendRawTransaction", -32000, message.into(), None);
        assert!(matches!(named("nonce too low: next nonce 5, tx nonce 4"), L1Error::NonceTooLow(_)));
        assert!(matches!(named("replacement transaction underpriced"), L1Error::ReplacementUnderpriced(_)));
        assert!(matches!(named("transaction underpriced"), L1Error::Underpriced(_)));
        assert!(matches!(named("address already reserved"), L1Error::KindBlocked(_)));
        assert!(matches!(named("Insufficient funds for gas * price + value"), L1Error::InsufficientFunds(_)));
        assert!(matches!(named("something new"), L1Error::Rpc { .. }));
    }
}
