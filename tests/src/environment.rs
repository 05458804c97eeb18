//! Everything in this process: anvil, the contracts, and as many nodes as a test asks for, each with a PostgreSQL,
//! a data directory and keys of its own, on free ports.

use crate::program;
use mayfly_node::config::NodeConfig;
use mayfly_node::dev::{Stack, StackOptions};
use mayfly_node::keys::KeySource;
use mayfly_node::node::Node;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// The sequencers' accounts, the first node's first: two nodes may not share nonces.
const SEQUENCERS: [usize; 3] = [8, 7, 5];
const RECEIPTS: usize = 9;

/// An L1 and the nodes on it.
pub struct Environment {
    /// anvil and the contracts; no node.
    pub l1: Stack,
    nodes: Vec<Option<Node>>,
    dir: TempDir,
}

impl Environment {
    /// Starts L1 and `nodes` nodes.
    pub async fn start(nodes: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // As root, PostgreSQL runs as another user, who must get to its data.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let l1 = Box::pin(Stack::start(StackOptions {
            data_dir: dir.path().join("l1"),
            base: NodeConfig::default(),
            rpc_port: 0,
            admin_port: 0,
            l1_port: 0,
            l1_block_time: Duration::from_secs(1),
            node: false,
        }))
        .await
        .unwrap();
        let mut environment = Self { l1, nodes: Vec::new(), dir };
        for index in 0..nodes {
            environment.nodes.push(None);
            environment.start_node(index).await;
        }
        environment
    }

    /// Starts a node that was stopped, on what it left.
    pub async fn start_node(&mut self, index: usize) {
        self.nodes[index] = Some(Node::start(self.config(index)).await.unwrap());
    }

    /// Stops one node in order.
    pub async fn stop_node(&mut self, index: usize) {
        self.nodes[index].take().unwrap().stop().await.unwrap();
    }

    /// A running node.
    pub fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().unwrap()
    }

    /// Launches a rollup that the node sequences; answers with what `rollup create` says.
    pub async fn create_rollup(&self, index: usize, name: &str) -> Value {
        self.rollup(index, &["create", "--name", name, "--ends-in", "2h"]).await
    }

    /// Runs `mayfly rollup` as the organiser, against one node.
    pub async fn rollup(&self, index: usize, args: &[&str]) -> Value {
        let state = self.l1.state();
        let factory = state.factory.to_string();
        let token = self.data_dir(index).join("admin.token");
        let node = self.node(index);
        let mut all = vec!["rollup", "--l1-url", &state.l1_url, "--factory", &factory, "--key", "dev:0"];
        all.extend(["--admin-url", node.admin_url(), "--rpc-url", node.rpc_url()]);
        all.extend(["--admin-token-file", token.to_str().unwrap()]);
        all.extend(args);
        program::run(&self.dir.path().join("organiser"), &all).await
    }

    /// Stops everything.
    pub async fn stop(mut self) {
        for node in self.nodes.drain(..).flatten() {
            node.stop().await.unwrap();
        }
        self.l1.stop().await.unwrap();
    }

    /// Where a node keeps its data.
    pub fn data_dir(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("node-{index}"))
    }

    fn config(&self, index: usize) -> NodeConfig {
        let state = self.l1.state();
        let mut config = NodeConfig { data_dir: self.data_dir(index), ..NodeConfig::default() };
        config.l1.urls = vec![state.l1_url.clone()];
        config.l1.factory = Some(state.factory);
        config.database.fsync = false;
        config.rpc.listen.set_port(0);
        config.admin.listen.set_port(0);
        config.keys.sequencer = KeySource::Dev(SEQUENCERS[index]);
        config.keys.receipts = KeySource::Dev(RECEIPTS);
        config.sequencer.max_unposted_seconds = 2;
        config.sequencer.post_margin_seconds = 3;
        config.sequencer.overdue_margin_seconds = 2;
        config.sequencer.l1_poll_ms = 250;
        config
    }
}
