//! From a body to an answer: look up, charge, run, write.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use serde_json::value::RawValue;

use super::backend::Rollup;
use super::errors::{INVALID_REQUEST, METHOD_NOT_FOUND, REJECTED, RpcError};
use super::heavy::Heavy;
use super::limits::{RateLimiter, RpcLimits};
use super::methods::{Method, Run, find};
use super::params::Params;
pub(crate) use super::request::Call;
use super::request::{Item, Refused, Request};
use super::submit;
use super::subscribe::Subscriptions;

/// A handler's answer: ready JSON, or an error.
pub type Reply = Result<Box<RawValue>, RpcError>;

/// An answer that has to be waited for.
pub(crate) type Pending<'a> = BoxFuture<'a, Reply>;

/// Serialises a result.
pub(crate) fn reply(value: &impl serde::Serialize) -> Reply {
    serde_json::value::to_raw_value(value).map_err(RpcError::internal)
}

/// JSON `null`: what "not found" is in this API.
pub(crate) fn null() -> Reply {
    reply(&())
}

/// Who asks, and which rollup.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The rollup that the path names.
    pub rollup: Arc<Rollup>,
    /// The client's address, for limits and fair sharing.
    pub address: IpAddr,
}

/// What handling one body cost and gave.
#[derive(Debug, Default)]
pub struct Answer {
    /// The response body; `None` if there were only notifications.
    pub body: Option<Vec<u8>>,
    /// Compute units charged.
    pub units: u64,
}

/// The dispatcher. One per node; rollups come with each call.
#[derive(Debug)]
pub struct Service {
    /// Limits on calls.
    pub limits: RpcLimits,
    limiter: RateLimiter,
    heavy: Heavy,
}

impl Service {
    /// A dispatcher with these limits.
    pub fn new(limits: RpcLimits, limiter: RateLimiter) -> Self {
        let heavy = Heavy::new(&limits);
        Self { limits, limiter, heavy }
    }

    /// Answers one body.
    pub async fn handle(&self, caller: &Caller, body: &[u8]) -> Answer {
        let mut answer = Answer::default();
        let request = match Request::parse(body, self.limits.max_batch_items) {
            Ok(request) => request,
            Err(error) => {
                // Broken bodies cost as much as a cheap call, so they run into the rate limit too.
                let error = self.charge(caller, 1).err().unwrap_or(error);
                answer.units = 1;
                answer.body = Some(error_body(&error));
                return answer;
            }
        };
        match request {
            Request::Single(item) => {
                let mut out = Vec::with_capacity(256);
                if self.item(caller, &item, &mut out, &mut answer.units).await {
                    answer.body = Some(out);
                }
            }
            Request::Batch(items) => answer.body = self.batch(caller, &items, &mut answer.units).await,
        }
        answer
    }

    /// Runs of transactions go to the sequencer together, everything else one by one, all in order.
    async fn batch(&self, caller: &Caller, items: &[Item<'_>], units: &mut u64) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(64 + items.len() * 128);
        out.push(b'[');
        let mut at = 0;
        while at < items.len() {
            let run = items[at..].iter().take_while(|item| submit::is_submission(item)).count();
            if run > 1 {
                self.submissions(caller, &items[at..at + run], &mut out, units).await;
                at += run;
                continue;
            }
            let before = out.len();
            if self.item(caller, &items[at], &mut out, units).await {
                out.push(b',');
            } else {
                out.truncate(before);
            }
            at += 1;
            if out.len() > self.limits.max_response_bytes {
                self.refuse_rest(&items[at..], &mut out);
                break;
            }
        }
        if out.len() == 1 {
            return None;
        }
        *out.last_mut()? = b']';
        Some(out)
    }

    async fn submissions(&self, caller: &Caller, run: &[Item<'_>], out: &mut Vec<u8>, units: &mut u64) {
        let calls: Vec<&Call<'_>> = run.iter().filter_map(|item| item.as_ref().ok()).collect();
        let mut admitted = Vec::with_capacity(calls.len());
        let mut replies: Vec<Option<Reply>> = Vec::with_capacity(calls.len());
        for call in &calls {
            let charged = self.charge_for(caller, call, units);
            admitted.push(charged.is_ok());
            replies.push(charged.err().map(Err));
        }
        let wanted: Vec<&Call<'_>> =
            calls.iter().zip(&admitted).filter(|(_, admitted)| **admitted).map(|(call, _)| *call).collect();
        let mut done = submit::many(caller, &self.limits, &wanted).await.into_iter();
        for (call, early) in calls.iter().zip(replies) {
            let Some(reply) = early.or_else(|| done.next()) else { continue };
            if let Some(id) = call.id {
                write(out, id.get(), reply, self.limits.max_response_bytes);
                out.push(b',');
            }
        }
    }

    fn refuse_rest(&self, items: &[Item<'_>], out: &mut Vec<u8>) {
        let most = self.limits.max_response_bytes;
        for call in items.iter().filter_map(|item| item.as_ref().ok()) {
            let error = RpcError::new(REJECTED, format!("response too large: over {most} bytes"));
            if let Some(id) = call.id {
                write(out, id.get(), Err(error), most);
                out.push(b',');
            }
        }
    }

    /// Answers `eth_subscribe` and `eth_unsubscribe`; `None` if the body is anything else.
    pub fn subscription(&self, caller: &Caller, own: &mut Subscriptions, body: &[u8]) -> Option<Vec<u8>> {
        // Most bodies are not: do not parse them twice.
        if !std::str::from_utf8(body).ok()?.contains("subscribe") {
            return None;
        }
        let Ok(Request::Single(Ok(call))) = Request::parse(body, self.limits.max_batch_items) else { return None };
        let method = find(&call.method).filter(|method| matches!(method.run, Run::Subscription))?;
        let mut run = || {
            self.charge(caller, u64::from(method.units))?;
            let mut params = Params::read(call.params)?;
            match method.name {
                "eth_subscribe" => own.subscribe(&mut params, &self.limits),
                _ => own.unsubscribe(&mut params),
            }
        };
        let mut out = Vec::with_capacity(128);
        let reply = run();
        if let Some(id) = call.id {
            write(&mut out, id.get(), reply, usize::MAX);
        }
        Some(out)
    }

    /// Answers one entry into `out`; false if it was a notification.
    async fn item(&self, caller: &Caller, item: &Item<'_>, out: &mut Vec<u8>, units: &mut u64) -> bool {
        match item {
            Ok(call) => {
                let reply = match self.charge_for(caller, call, units) {
                    Ok(()) => self.call(caller, call).await,
                    Err(error) => Err(error),
                };
                let Some(id) = call.id else { return false };
                write(out, id.get(), reply, self.limits.max_response_bytes);
            }
            Err(Refused { id, error }) => {
                *units += 1;
                let error = self.charge(caller, 1).err().unwrap_or_else(|| error.clone());
                write(out, id.map_or("null", RawValue::get), Err(error), usize::MAX);
            }
        }
        true
    }

    async fn call(&self, caller: &Caller, call: &Call<'_>) -> Reply {
        let method = find(&call.method).ok_or_else(|| RpcError::method(&call.method))?;
        if caller.rollup.archive.is_some() && method.name.starts_with("mayfly_") {
            return Err(RpcError::unsupported("this chain is no rollup"));
        }
        match method.run {
            Run::Now(handler) => handler(&caller.rollup, &mut Params::read(call.params)?),
            Run::Block(at, handler) if in_memory(&caller.rollup, call, at)? => {
                handler(&caller.rollup, &mut Params::read(call.params)?)
            }
            Run::Heavy(handler) | Run::Block(_, handler) => {
                let rollup = Arc::clone(&caller.rollup);
                let params = call.params.map(ToOwned::to_owned);
                self.heavy(caller, move || handler(&rollup, &mut Params::read(params.as_deref())?)).await
            }
            Run::Wait(handler) => handler(self, caller, call).await,
            Run::Submit => {
                let mut replies = submit::many(caller, &self.limits, &[call]).await;
                replies.pop().unwrap_or_else(|| Err(RpcError::internal("no answer to a submission")))
            }
            Run::Subscription => Err(RpcError::new(
                METHOD_NOT_FOUND,
                "notifications not supported: subscribe by a single call over WebSocket",
            )),
        }
    }

    /// Runs `work` on the blocking pool; a few at a time, a bounded number waiting.
    pub(crate) async fn heavy(&self, caller: &Caller, work: impl FnOnce() -> Reply + Send + 'static) -> Reply {
        self.heavy.run(caller.address, self.limiter.exempts(caller.address), work).await
    }

    fn charge_for(&self, caller: &Caller, call: &Call<'_>, units: &mut u64) -> Result<(), RpcError> {
        let cost = find(&call.method).map_or(1, |method: &Method| u64::from(method.units));
        *units += cost;
        self.charge(caller, cost)
    }

    /// Takes `units` from the caller's budget.
    pub fn charge(&self, caller: &Caller, units: u64) -> Result<(), RpcError> {
        self.limiter
            .take(caller.address, units, Instant::now())
            .map_err(|wait_ms| RpcError::limit(format!("rate limit exceeded: try again in {wait_ms} ms")))
    }
}

/// Whether the block or transaction that parameter `at` names is answered without the disk. What cannot be read is:
/// the handler says what is wrong with it.
fn in_memory(rollup: &Rollup, call: &Call<'_>, at: usize) -> Result<bool, RpcError> {
    Ok(Params::read(call.params)?.block_at(at).is_none_or(|id| rollup.holds(id)))
}

/// A whole body that answers `error` to id `null`.
pub fn error_body(error: &RpcError) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write(&mut out, "null", Err(error.clone()), usize::MAX);
    out
}

/// Appends a response object.
pub(crate) fn write(out: &mut Vec<u8>, id: &str, reply: Reply, max_bytes: usize) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    let reply = reply.and_then(|result| match result.get().len() {
        length if length > max_bytes => {
            Err(RpcError::new(REJECTED, format!("response too large: {length} bytes, at most {max_bytes}")))
        }
        _ => Ok(result),
    });
    match reply {
        Ok(result) => {
            out.extend_from_slice(b",\"result\":");
            out.extend_from_slice(result.get().as_bytes());
        }
        Err(error) => {
            out.extend_from_slice(b",\"error\":");
            let at = out.len();
            if serde_json::to_writer(&mut *out, &error).is_err() {
                out.truncate(at);
                out.extend_from_slice(br#"{"code":-32603,"message":"internal error"}"#);
            }
            // What a contract reverts with is as long as it likes.
            let length = out.len() - at;
            if length > max_bytes {
                out.truncate(at);
                let message = format!("response too large: {length} bytes, at most {max_bytes}");
                out.extend_from_slice(format!(r#"{{"code":{REJECTED},"message":"{message}"}}"#).as_bytes());
            }
        }
    }
    out.push(b'}');
}

/// The error for a body over the limit, which is never read to its end.
pub fn too_large(limit_bytes: usize) -> RpcError {
    RpcError::new(INVALID_REQUEST, format!("request body too large: limit {limit_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_contract_reverts_with_is_bounded_like_a_result() {
        let written = |max_bytes| {
            let mut out = Vec::new();
            write(&mut out, "7", Err(RpcError::reverted(&vec![0xff; 4_096].into())), max_bytes);
            serde_json::from_slice::<serde_json::Value>(&out).unwrap()
        };
        assert_eq!(written(10_000)["error"]["data"].as_str().unwrap().len(), 2 + 2 * 4_096);
        let refused = written(8_000);
        assert_eq!((refused["id"].as_i64(), refused["error"]["code"].as_i64()), (Some(7), Some(REJECTED.into())));
        assert!(refused["error"].get("data").is_none());
    }
}
