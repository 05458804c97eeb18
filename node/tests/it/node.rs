//! A whole node: private PostgreSQL, a real L1, rollups started through the operator's API.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_sol_types::SolCall;
use mayfly_contracts::l2::L2Messenger::sendCall;
use mayfly_contracts::predeploys::L2_MESSENGER;
use mayfly_contracts::settlement::Settlement;
use mayfly_l1::{Anvil, AnvilConfig, BeaconClient, BlockTag, Creation, FeeCaps, L1Options, Sender, SubmitOptions};
use mayfly_node::config::NodeConfig;
use mayfly_node::doctor::{Check, Verdict, remote_checks};
use mayfly_node::keys::KeySource;
use mayfly_node::node::Node;
use mayfly_rollup::settlement::verify;
use mayfly_rollup::{Allocation, Config, Windows};
use mayfly_verifier::{Roles, Verifier, VerifierConfig, rollup_info};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(120);

fn quick() -> SubmitOptions {
    SubmitOptions { poll: Duration::from_millis(20), timeout: PATIENCE, ..SubmitOptions::default() }
}

/// L1 with the foundation, and a place for a node.
pub(crate) struct World {
    pub(crate) anvil: Anvil,
    pub(crate) factory: Address,
    pub(crate) organiser: Sender,
    pub(crate) user: PrivateKeySigner,
    pub(crate) http: reqwest::Client,
    pub(crate) dir: TempDir,
}

impl World {
    pub(crate) async fn start() -> World {
        World::with_epoch(1).await
    }

    /// L1 calls blocks final after twice as many.
    pub(crate) async fn with_epoch(slots: u64) -> World {
        let config = AnvilConfig {
            block_time: Some(Duration::from_secs(1)),
            mixed_mining: true,
            slots_in_an_epoch: Some(slots),
            ..AnvilConfig::default()
        };
        let anvil = Anvil::start(config).await.unwrap();
        let organiser = Sender::connect(anvil.client(), Anvil::key(0), FeeCaps::default()).await.unwrap();
        let factory = organiser.deploy_foundation(B256::ZERO, &quick()).await.unwrap().factory;
        let user = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        // Root's PostgreSQL runs as another user and must reach its files.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        World { anvil, factory, organiser, user, http: reqwest::Client::new(), dir }
    }

    pub(crate) fn config(&self) -> NodeConfig {
        let mut config = NodeConfig { data_dir: self.dir.path().join("node"), ..NodeConfig::default() };
        config.l1.urls = vec![self.anvil.url().to_owned()];
        config.l1.factory = Some(self.factory);
        config.rpc.listen.set_port(0);
        config.admin.listen.set_port(0);
        config.database.fsync = false;
        config.keys.sequencer = KeySource::Dev(1);
        config.keys.receipts = KeySource::Dev(2);
        config.limits.max_rollups = 1;
        config.sequencer.l1_poll_ms = 100;
        config.sequencer.max_unposted_seconds = 1;
        config.sequencer.post_margin_seconds = 3;
        config
    }

    pub(crate) async fn create(&self, change: impl FnOnce(u64, &mut Config)) -> Creation {
        let now = self.anvil.client().head(BlockTag::Latest).await.unwrap().timestamp;
        let mut config = Config {
            protocolVersion: 1,
            organiser: Anvil::key(0).address(),
            sequencer: Anvil::key(1).address(),
            receiptSigner: Anvil::key(2).address(),
            attesters: vec![Anvil::key(3).address()],
            quorum: 1,
            endTime: now + 3_600,
            drain: 6,
            blockGasLimit: 1 << 26,
            blockTimeMs: 20,
            windows: Windows {
                forceWindow: 5,
                livenessWindow: 3_600,
                freezeDelay: 30,
                proposeWindow: 60,
                challengeWindow: 600,
                resolverTimeout: 60,
                escalationWindow: 60,
                minDelayBlocks: 1,
                maxOriginLag: 64,
                maxDrift: 600,
                claimInterval: 1,
                ..Windows::default()
            },
            claimBond: U256::from(10),
            freezeBond: U256::from(10),
            forceGasTarget: U256::from(1_000_000),
            ..Config::default()
        };
        change(now, &mut config);
        let funded = Allocation { to: self.user.address(), amount: U256::from(10u64.pow(18)) };
        self.organiser.create_rollup(self.factory, config, vec![funded], &quick()).await.unwrap()
    }

    /// Asks the operator's API.
    pub(crate) async fn admin(&self, node: &Node, path: &str, body: Option<Value>) -> Result<Value, String> {
        let token = std::fs::read_to_string(self.dir.path().join("node/admin.token")).unwrap();
        let url = format!("{}{path}", node.admin_url());
        let request = match body {
            Some(body) => self.http.post(url).json(&body),
            None => self.http.get(url),
        };
        let response = request.bearer_auth(token).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        if status.is_success() { Ok(serde_json::from_str(&text).unwrap()) } else { Err(text) }
    }

    pub(crate) async fn run_rollup(&self, node: &Node, name: &str, rollup: Address) -> Result<Value, String> {
        self.admin(node, "/admin/rollups", Some(json!({ "name": name, "rollup": rollup }))).await
    }

    pub(crate) async fn rpc(&self, node: &Node, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer: Value = self.http.post(node.rpc_url()).json(&body).send().await.unwrap().json().await.unwrap();
        answer.get("error").map_or_else(|| Ok(answer["result"].clone()), |error| Err(error.clone()))
    }

    pub(crate) async fn ready(&self, node: &Node) -> (u16, Value) {
        let response = self.http.get(format!("{}/readyz", node.rpc_url())).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Sends a transaction of the user and waits for its receipt.
    pub(crate) async fn send(&self, node: &Node, chain_id: u64, nonce: u64, to: Address, input: Vec<u8>) -> Value {
        let tx = TxEip1559 {
            chain_id,
            nonce,
            gas_limit: 500_000,
            to: TxKind::Call(to),
            input: input.into(),
            ..TxEip1559::default()
        };
        let signature = self.user.sign_hash_sync(&tx.signature_hash()).unwrap();
        let raw: Bytes = TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into();
        let receipt = self.rpc(node, "eth_sendRawTransactionSync", json!([raw, 20_000])).await.unwrap();
        assert_eq!(receipt["status"], "0x1");
        receipt
    }
}

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiers_leaves_and_proofs_follow_l1_to_the_end_and_over_a_restart() {
    let world = World::start().await;
    let node = Node::start(world.config()).await.unwrap();
    let creation = world.create(|now, config| config.endTime = now + 25).await;
    world.run_rollup(&node, "night", creation.rollup).await.unwrap();
    let message = sendCall { to: Address::repeat_byte(8), data: Bytes::from_static(b"hello") }.abi_encode();
    let receipt = world.send(&node, creation.chain_id, 0, L2_MESSENGER, message).await;
    let sent = receipt["transactionHash"].clone();
    let early = world.rpc(&node, "mayfly_leaves", json!([])).await.unwrap_err();
    assert_eq!(early["code"], -32002);

    let organiser = Sender::connect(world.anvil.client(), Anvil::key(4), FeeCaps::default()).await.unwrap();
    let roles = Roles {
        sender: Some(organiser),
        attesters: vec![Anvil::key(3)],
        propose: true,
        finalize: true,
        submit: quick(),
        ..Roles::default()
    };
    let info = rollup_info(&creation);
    let (l1, url) = (world.anvil.client(), world.anvil.url().to_owned());
    let beacon = BeaconClient::new(&[url], L1Options::default()).unwrap();
    let poll = Duration::from_millis(100);
    let verifier =
        Verifier::spawn(VerifierConfig { info, l1: l1.clone(), beacon, poll, roles }, CancellationToken::new())
            .unwrap();

    // A claim while the event runs makes withdrawals provable.
    let tier = async |node: &Node| world.rpc(node, "mayfly_finality", json!([sent])).await.unwrap()["tier"].clone();
    until("a final claim", async || (tier(&node).await == "attested").then_some(())).await;
    let proven = world.rpc(&node, "mayfly_withdrawalProof", json!(["0x0"])).await.unwrap();
    assert_ne!(proven["blockNumber"], "0x0");

    until("the settlement", async || (tier(&node).await == "settled").then_some(())).await;
    let root = l1.call(creation.settlement, &Settlement::settlementRootCall {}, BlockTag::Latest).await.unwrap();
    let leaves = world.rpc(&node, "mayfly_leaves", json!([])).await.unwrap();
    assert_eq!(leaves["root"], json!(root));
    verifier.stop().await;

    // What is over frees its place, and is found over by the next start.
    let free = world.admin(&node, "/admin/info", None).await.unwrap();
    assert_eq!((&free["free_rollups"], &free["names"]), (&json!(1), &json!(["night"])));
    assert_eq!(world.ready(&node).await.0, 200);
    node.stop().await.unwrap();
    let node = Node::start(world.config()).await.unwrap();
    until("the settlement again", async || (tier(&node).await == "settled").then_some(())).await;
    let mine = json!([world.user.address()]);
    let owed = until("the leaves again", async || world.rpc(&node, "mayfly_settlementProof", mine.clone()).await.ok());
    let owed = owed.await;
    assert_eq!(owed["root"], json!(root));
    let leaf = &owed["leaves"][0];
    let field = |name: &str| serde_json::from_value::<B256>(leaf[name].clone()).unwrap();
    let proof: Vec<B256> = serde_json::from_value(leaf["proof"].clone()).unwrap();
    assert!(verify(root, field("hash"), &proof));
    assert_eq!(leaf["amount"], json!(U256::from(10u64.pow(18))));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_of_a_pause_and_of_a_lost_l1() {
    let world = World::start().await;
    let node = Node::start(world.config()).await.unwrap();
    let creation = world.create(|_, config| config.windows.maxDrift = 4).await;
    world.run_rollup(&node, "night", creation.rollup).await.unwrap();
    let hold = async |ready: bool| {
        until("the readiness", async || {
            let (status, body) = world.ready(&node).await;
            ((status == 200) == ready).then_some(body["reasons"].clone())
        })
        .await
    };
    hold(true).await;
    // L1 stands still: its newest block becomes too old to build on.
    let l1 = world.anvil.client();
    let _: Value = l1.request("evm_setIntervalMining", json!([0])).await.unwrap();
    let reasons = hold(false).await;
    let why = reasons["rollup/night"].as_str().unwrap();
    assert!(why.contains("at most 4 s allowed"), "{reasons}");
    let _: Value = l1.request("evm_setIntervalMining", json!([1])).await.unwrap();
    hold(true).await;

    let World { anvil, http, .. } = world;
    anvil.stop().unwrap();
    until("the loss of L1", async || {
        let response = http.get(format!("{}/readyz", node.rpc_url())).send().await.unwrap();
        let body: Value = response.json().await.unwrap();
        (body["reasons"]["l1"] == "it does not answer").then_some(())
    })
    .await;
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_that_cannot_open_stops_no_node_and_names_are_checked_first() {
    let world = World::start().await;
    let node = Node::start(world.config()).await.unwrap();
    let [first, second] = [world.create(|_, _| {}).await, world.create(|_, _| {}).await];
    for name in ["metrics", "31337", "Night"] {
        let error = world.run_rollup(&node, name, first.rollup).await.unwrap_err();
        assert!(error.contains(name), "{error}");
    }
    // A caller that hangs up does not keep the rollup from starting.
    let start = world.run_rollup(&node, "night", first.rollup);
    let _ = tokio::time::timeout(Duration::from_millis(50), start).await;
    let names = async || world.admin(&node, "/admin/info", None).await.unwrap()["names"].clone();
    until("the start", async || (names().await == json!(["night"])).then_some(())).await;
    world.run_rollup(&node, "night", first.rollup).await.unwrap();
    let error = world.run_rollup(&node, "night", second.rollup).await.unwrap_err();
    assert!(error.contains("is the name of"), "{error}");
    let error = world.run_rollup(&node, "day", second.rollup).await.unwrap_err();
    assert!(error.contains("limits.max_rollups"), "{error}");
    assert_eq!(names().await, json!(["night"]));
    node.stop().await.unwrap();

    let chain = world.dir.path().join(format!("node/rollups/{:?}/chain", first.rollup));
    let aside = chain.with_extension("aside");
    std::fs::rename(&chain, &aside).unwrap();
    std::fs::write(&chain, b"no directory").unwrap();
    let node = Node::start(world.config()).await.unwrap();
    let (status, body) = world.ready(&node).await;
    assert_eq!(status, 503);
    assert!(body["reasons"]["rollup/night"].as_str().unwrap().contains("could not be opened"), "{body}");
    // Mended, it starts by itself.
    std::fs::remove_file(&chain).unwrap();
    std::fs::rename(&aside, &chain).unwrap();
    until("the readiness", async || (world.ready(&node).await.0 == 200).then_some(())).await;
    node.stop().await.unwrap();
}

/// What `mayfly doctor` says of the rollup.
async fn diagnosis(world: &World, node: Option<&Node>) -> Check {
    let mut config = world.config();
    // Nothing listens at the discard port.
    let at = node.map_or("127.0.0.1:9".to_owned(), |node| node.admin_url().replace("http://", ""));
    config.admin.listen = at.parse().unwrap();
    let checks = remote_checks(&config).await;
    checks.into_iter().find(|check| check.name == "rollup night").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_whose_ledger_is_lost_is_known_from_its_directory() {
    let world = World::start().await;
    let node = Node::start(world.config()).await.unwrap();
    let creation = world.create(|_, _| {}).await;
    world.run_rollup(&node, "night", creation.rollup).await.unwrap();
    until("the readiness", async || (world.ready(&node).await.0 == 200).then_some(())).await;
    let check = diagnosis(&world, Some(&node)).await;
    assert!(check.verdict == Verdict::Ok && check.detail.contains("builds blocks"), "{check:?}");
    let l1 = world.anvil.client();
    let _: Value = l1.request("anvil_setBalance", json!([Anvil::key(1).address(), "0x0"])).await.unwrap();
    world.send(&node, creation.chain_id, 0, Address::repeat_byte(1), Vec::new()).await;
    let check = until("the trouble", async || {
        let check = diagnosis(&world, Some(&node)).await;
        (check.verdict == Verdict::Warn).then_some(check)
    })
    .await;
    let ends = format!("ends once the posting key {} has ether", Anvil::key(1).address());
    assert!(check.detail.to_lowercase().contains("insufficient funds") && check.detail.contains(&ends), "{check:?}");
    let _: Value = l1.request("anvil_setBalance", json!([Anvil::key(1).address(), "0xde0b6b3a7640000"])).await.unwrap();
    until("the post", async || {
        let check = diagnosis(&world, Some(&node)).await;
        check.detail.contains("; 0 unposted").then_some(())
    })
    .await;
    node.stop().await.unwrap();
    let check = diagnosis(&world, None).await;
    assert!(check.verdict == Verdict::Ok && check.detail.contains("on L1 up to batch 1"), "{check:?}");

    std::fs::remove_dir_all(world.dir.path().join("node/postgres")).unwrap();
    let node = Node::start(world.config()).await.unwrap();
    until("the readiness", async || (world.ready(&node).await.0 == 200).then_some(())).await;
    assert_eq!(world.admin(&node, "/admin/info", None).await.unwrap()["names"], json!(["night"]));
    node.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_can_be_given_up_in_order() {
    let world = World::start().await;
    let mut config = world.config();
    // Nothing answers there: the start waits for L1.
    config.l1.urls = vec!["http://127.0.0.1:9".into()];
    let begun = Instant::now();
    let stop = tokio::time::sleep(Duration::from_secs(3));
    let error = Node::start_until(config, stop).await.err().unwrap();
    assert!(error.to_string().contains("stopped while starting"), "{error:#}");
    assert!(begun.elapsed() < Duration::from_secs(30));
    Node::start(world.config()).await.unwrap().stop().await.unwrap();
}
