//! A chain behind the node's own JSON-RPC, without a sequencer.

use mayfly_evm::Chain;
use mayfly_node::http::{HttpConfig, Public, Readiness, serve_public};
use mayfly_node::rpc::{Directory, Rollup};
use mayfly_proto::Meter;
use mayfly_rollup::RollupInfo;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A listener on a free port of the loopback interface.
#[derive(Debug)]
pub struct Served {
    /// Its URL.
    pub url: String,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Served {
    /// Serves what of the chain is durable now and later.
    pub async fn start(chain: &Chain, rollup: alloy_primitives::Address) -> Self {
        let info = RollupInfo { rollup, chain_id: chain.spec().chain_id, ..RollupInfo::default() };
        let config = HttpConfig::default();
        let directory = Arc::new(Directory::default());
        let rollup = Rollup::following("test", Arc::new(info), chain.reader(), config.limits.clone());
        assert!(directory.insert(Arc::new(rollup)));
        let shutdown = CancellationToken::new();
        let (readiness, meter) = (Arc::new(Readiness::default()), Arc::new(Meter::new(1)));
        let public = Public::new(config, directory, readiness, meter, shutdown.clone()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(serve_public(listener, public));
        Self { url, shutdown, task }
    }

    /// Ends it.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}
