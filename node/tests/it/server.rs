//! A public listener on a free port, with a client.

use std::net::SocketAddr;
use std::sync::Arc;

use mayfly_evm::Prices;
use mayfly_node::http::{HttpConfig, Public, Readiness, serve_public};
use mayfly_node::rpc::{Directory, Rollup};
use mayfly_proto::Meter;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::chain::TestChain;

/// `C` is the chain behind it, if the test moves that itself.
pub(crate) struct Server<C = TestChain> {
    pub(crate) address: SocketAddr,
    pub(crate) rollup: Arc<Rollup>,
    pub(crate) chain: Mutex<C>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) task: tokio::task::JoinHandle<std::io::Result<()>>,
    pub(crate) client: reqwest::Client,
}

/// Limits on, also for this machine, but wide.
pub(crate) fn config() -> HttpConfig {
    HttpConfig { listen: ([127, 0, 0, 1], 0).into(), ..HttpConfig::default() }
}

impl Server {
    /// In front of a chain in memory.
    pub(crate) async fn start(config: HttpConfig) -> Self {
        let (chain, rollup) = crate::chain::start(config.limits.clone());
        Self::with(config, rollup, chain).await
    }

    /// The same, with prices of its own.
    pub(crate) async fn start_priced(config: HttpConfig, prices: Prices) -> Self {
        let (chain, rollup) = crate::chain::start_priced(config.limits.clone(), prices);
        Self::with(config, rollup, chain).await
    }
}

impl Server<()> {
    /// In front of a rollup that somebody else moves.
    pub(crate) async fn serve(config: HttpConfig, rollup: Arc<Rollup>) -> Self {
        Self::with(config, rollup, ()).await
    }
}

impl<C> Server<C> {
    async fn with(config: HttpConfig, rollup: Arc<Rollup>, chain: C) -> Self {
        let directory = Arc::new(Directory::default());
        assert!(directory.insert(Arc::clone(&rollup)));
        let readiness = Arc::new(Readiness::default());
        let shutdown = CancellationToken::new();
        let listener = TcpListener::bind(config.listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let meter = Arc::new(Meter::new(100));
        let parts = (Arc::clone(&directory), Arc::clone(&readiness), Arc::clone(&meter));
        let public = Public::new(config, parts.0, parts.1, parts.2, shutdown.clone()).unwrap();
        let task = tokio::spawn(serve_public(listener, public));
        let (chain, client) = (Mutex::new(chain), reqwest::Client::new());
        Self { address, rollup, chain, directory, readiness, meter, shutdown, task, client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.client.post(self.url(path)).header("content-type", "application/json").body(body);
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let json = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        (status, json)
    }

    /// The result or the error object of one call.
    pub(crate) async fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (_, answer) = self.post("/", body.to_string()).await;
        assert_eq!(answer["jsonrpc"], "2.0");
        assert_eq!(answer["id"], 1);
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].clone()),
        }
    }
}
