//! How one node sees L1: the node's own JSON-RPC over the simulated chain, and everything that can be wrong with it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, U64, U256, hex};
use futures::future::BoxFuture;
use mayfly_l1::{BeaconClient, L1Client, L1Options, LocalFailure, LocalL1};
use mayfly_node::rpc::{Caller, RateLimiter, RpcLimits, Service};
use mayfly_proxy::{give_receipts, repeat_logs};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::l1::L1;

/// What is wrong with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// So many of a hundred requests fail: no connection, HTTP 500, an error object, half an answer.
    Errors(u32),
    /// So many of a hundred requests are never answered.
    Silence(u32),
    /// It is so many blocks behind.
    Lag(u64),
    /// It makes blocks up.
    Lies,
    /// It tells every log twice, in blocks that fit.
    Forges,
    /// It says that it took a transaction, and forgets so many of a hundred.
    Forgets(u32),
    /// It takes so long to answer.
    Slow(Duration),
}

/// An endpoint as one node has it. Clones are the same endpoint.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Inner>);

struct Inner {
    l1: Arc<L1>,
    service: Service,
    fault: Mutex<Option<Fault>>,
    rng: Mutex<StdRng>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Wire").field(&self.fault()).finish()
    }
}

impl Wire {
    /// A faultless endpoint; `seed` decides what a fault hits.
    pub(crate) fn new(l1: &Arc<L1>, seed: u64) -> Self {
        let service = Service::new(RpcLimits::default(), RateLimiter::new(0, 1, true));
        let rng = Mutex::new(StdRng::seed_from_u64(seed));
        Self(Arc::new(Inner { l1: l1.clone(), service, fault: Mutex::default(), rng }))
    }

    /// From now on this is wrong with it.
    pub(crate) fn set(&self, fault: Option<Fault>) {
        *self.0.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<Fault> {
        *self.0.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client of it.
    pub(crate) fn client(&self) -> L1Client {
        L1Client::local(Arc::new(self.clone()), options()).unwrap()
    }

    /// The same for blobs, which there are none of.
    pub(crate) fn beacon(&self) -> BeaconClient {
        BeaconClient::local(Arc::new(self.clone()), options()).unwrap()
    }

    fn draw(&self, below: u32) -> u32 {
        self.0.rng.lock().unwrap_or_else(PoisonError::into_inner).random_range(0..below)
    }

    async fn answer_one(&self, request: &Value) -> Value {
        let (id, method) = (request["id"].clone(), request["method"].as_str().unwrap_or_default());
        let fault = self.fault();
        let result = match method {
            "eth_sendRawTransaction" => self.send(&request["params"][0], fault),
            "eth_getTransactionCount" if request["params"][1] == "pending" => {
                let sender: Address = serde_json::from_value(request["params"][0].clone()).unwrap_or_default();
                Ok(json!(U64::from(self.0.l1.pending_nonce(sender))))
            }
            "eth_getTransactionByHash" => {
                let hash: B256 = serde_json::from_value(request["params"][0].clone()).unwrap_or_default();
                if self.0.l1.holds(&hash) {
                    Ok(json!({ "hash": hash }))
                } else {
                    return self.read(request, fault).await;
                }
            }
            "eth_feeHistory" => Ok(self.fee_history()),
            _ => return self.read(request, fault).await,
        };
        match result {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(message) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32000, "message": message}}),
        }
    }

    fn send(&self, raw: &Value, fault: Option<Fault>) -> Result<Value, String> {
        let raw = hex::decode(raw.as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
        if let Some(Fault::Forgets(percent)) = fault
            && self.draw(100) < percent
        {
            return Ok(json!(alloy_primitives::keccak256(&raw)));
        }
        // Once in a while a transaction takes some blocks to get around.
        let delay = if self.draw(8) == 0 { u64::from(self.draw(4)) } else { 0 };
        self.0.l1.submit(&raw, delay).map(|hash| json!(hash))
    }

    fn fee_history(&self) -> Value {
        let price = U256::from(self.0.l1.price());
        json!({
            "oldestBlock": "0x0",
            "baseFeePerGas": [price, price],
            "gasUsedRatio": [0.5],
            "baseFeePerBlobGas": ["0x1", "0x1"],
            "blobGasUsedRatio": [0.0],
            "reward": [["0xf4240"]],
        })
    }

    /// Everything else is the node's own RPC, perhaps of an older head, perhaps with a lie in it.
    async fn read(&self, request: &Value, fault: Option<Fault>) -> Value {
        let mut request = request.clone();
        let head = self.0.l1.head().number();
        let shown = match fault {
            Some(Fault::Lag(blocks)) => head.saturating_sub(blocks),
            _ => head,
        };
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        if shown < head
            && let Some(params) = request["params"].as_array_mut()
        {
            for param in params.iter_mut().filter(|param| **param == "latest" || **param == "pending") {
                *param = json!(U64::from(shown));
            }
            let asked = params.first().and_then(|first| serde_json::from_value::<U64>(first.clone()).ok());
            let by_number = matches!(method.as_str(), "eth_getBlockByNumber" | "eth_getBlockReceipts");
            if by_number && asked.is_some_and(|number| number.to::<u64>() > shown) {
                return json!({"jsonrpc": "2.0", "id": request["id"], "result": null});
            }
        }
        let mut answer = self.serve(&request).await;
        if fault == Some(Fault::Forges) && method == "eth_getBlockReceipts" {
            repeat_logs(&mut answer["result"]);
        }
        if fault == Some(Fault::Forges) && method == "eth_getBlockByNumber" && answer["result"].is_object() {
            let block = &mut answer["result"];
            let ask = json!({"jsonrpc": "2.0", "id": 0, "method": "eth_getBlockReceipts", "params": [block["number"]]});
            let mut receipts = self.serve(&ask).await["result"].take();
            repeat_logs(&mut receipts);
            give_receipts(block, receipts);
        }
        if fault == Some(Fault::Lies) && method == "eth_getBlockByNumber" && answer["result"].is_object() {
            self.lie(&mut answer["result"]);
        }
        answer
    }

    async fn serve(&self, request: &Value) -> Value {
        let body = request.to_string();
        let caller = Caller { rollup: self.0.l1.served.clone(), address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
        let answer = self.0.service.handle(&caller, body.as_bytes()).await.body.unwrap_or_default();
        serde_json::from_slice(&answer).unwrap_or(Value::Null)
    }

    /// Half of the lies hash to what they say.
    fn lie(&self, block: &mut Value) {
        if self.draw(3) == 0 {
            return;
        }
        let Ok(mut header) = serde_json::from_value::<Header>(block.clone()) else { return };
        match self.draw(3) {
            0 => header.number += u64::from(self.draw(40)),
            1 => header.parent_hash = B256::repeat_byte(self.draw(200) as u8),
            _ => header.timestamp += u64::from(self.draw(100_000)),
        }
        let hash = if self.draw(2) == 0 { header.hash_slow() } else { B256::repeat_byte(7) };
        if let (Value::Object(block), Ok(Value::Object(fields))) = (block, serde_json::to_value(&header)) {
            block.extend(fields);
            block.insert("hash".into(), json!(hash));
        }
    }

    async fn respond(&self, body: &[u8]) -> Result<(u16, Vec<u8>), LocalFailure> {
        // A crash may come in the middle of anything.
        tokio::time::sleep(Duration::from_millis(u64::from(self.draw(40)))).await;
        match self.fault() {
            Some(Fault::Errors(percent)) if self.draw(100) < percent => match self.draw(4) {
                0 => return Err(LocalFailure::Broken),
                1 => return Ok((503, b"busy".to_vec())),
                2 => {
                    let error = json!({"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "slow down"}});
                    return Ok((200, error.to_string().into_bytes()));
                }
                _ => return Ok((200, b"{\"jsonrpc\":\"2.0\",\"id\":0,\"resu".to_vec())),
            },
            Some(Fault::Silence(percent)) if self.draw(100) < percent => {
                tokio::time::sleep(options().timeout).await;
                return Err(LocalFailure::Timeout);
            }
            Some(Fault::Slow(span)) => tokio::time::sleep(span).await,
            _ => {}
        }
        let request: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let answer = match &request {
            Value::Array(requests) => {
                let mut answers = Vec::with_capacity(requests.len());
                for request in requests {
                    answers.push(self.answer_one(request).await);
                }
                Value::Array(answers)
            }
            request => self.answer_one(request).await,
        };
        Ok((200, answer.to_string().into_bytes()))
    }
}

impl LocalL1 for Wire {
    fn answer(&self, body: Vec<u8>) -> BoxFuture<'static, Result<(u16, Vec<u8>), LocalFailure>> {
        let wire = self.clone();
        Box::pin(async move { wire.respond(&body).await })
    }
}

fn options() -> L1Options {
    L1Options { timeout: Duration::from_secs(10), attempts: 2, backoff: Duration::from_millis(200) }
}
