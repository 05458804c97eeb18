//! A node with one rollup, transactions on it, and how one sees that it is well.

use alloy_primitives::Address;
use mayfly_l1::Creation;
use mayfly_node::node::Node;
use serde_json::{Value, json};

use crate::node::{World, until};

/// A node with a rollup and one transaction on it.
pub(crate) struct Stand {
    pub(crate) world: World,
    pub(crate) node: Node,
    pub(crate) creation: Creation,
    nonce: u64,
    sent: Vec<Value>,
}

impl Stand {
    pub(crate) async fn start() -> Stand {
        Stand::on(World::start().await).await
    }

    pub(crate) async fn on(world: World) -> Stand {
        let node = Node::start(world.config()).await.unwrap();
        let creation = world.create(|_, _| {}).await;
        world.run_rollup(&node, "night", creation.rollup).await.unwrap();
        let mut stand = Stand { world, node, creation, nonce: 0, sent: Vec::new() };
        stand.send().await;
        stand
    }

    /// A transaction is answered.
    pub(crate) async fn send(&mut self) -> Value {
        let to = Address::repeat_byte(0x55);
        let receipt = self.world.send(&self.node, self.creation.chain_id, self.nonce, to, vec![1; 9]).await;
        self.nonce += 1;
        self.sent.push(receipt["transactionHash"].clone());
        receipt
    }

    /// The newest block comes to L1, is known by the ledger, and the node says that all is well.
    pub(crate) async fn is_well(&mut self) {
        let receipt = self.send().await;
        let number = receipt["blockNumber"].as_str().unwrap().to_owned();
        until("a batch with the last block", async || {
            let safe = self.world.rpc(&self.node, "mayfly_finality", json!([number])).await.unwrap();
            (safe["tier"] != "latest").then_some(())
        })
        .await;
        until("the readiness", async || (self.world.ready(&self.node).await.0 == 200).then_some(())).await;
        let status = self.status().await;
        assert_eq!(status["condition"]["state"], "building", "{status}");
        assert_eq!((&status["lost_count"], &status["failure"]), (&json!(0), &Value::Null), "{status}");
    }

    /// The node is stopped, `work` happens, and it starts again.
    pub(crate) async fn while_down(self, work: impl AsyncFnOnce(&World, &Creation)) -> Stand {
        let Stand { world, node, creation, nonce, sent } = self;
        node.stop().await.unwrap();
        work(&world, &creation).await;
        let node = Node::start(world.config()).await.unwrap();
        Stand { world, node, creation, nonce, sent }
    }

    pub(crate) async fn status(&self) -> Value {
        let all = self.world.admin(&self.node, "/admin/rollups", None).await.unwrap();
        all["rollups"][0]["sequencer"].clone()
    }

    /// Once the node is stopped, every transaction is there once and the ledger has the same batches as L1.
    pub(crate) async fn ends(self) {
        let count = self.world.rpc(&self.node, "eth_getTransactionCount", json!([self.world.user.address(), "latest"]));
        assert_eq!(count.await.unwrap(), json!(format!("{:#x}", self.nonce)));
        for hash in &self.sent {
            let receipt = self.world.rpc(&self.node, "eth_getTransactionReceipt", json!([hash])).await.unwrap();
            assert_eq!(receipt["status"], "0x1", "{hash}");
        }
        self.node.stop().await.unwrap();
    }
}
