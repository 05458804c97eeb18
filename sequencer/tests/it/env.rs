//! An L1 with a rollup on it, and sequencers to run on that.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use mayfly_contracts::factory::RollupFactory::Windows;
use mayfly_contracts::inbox::Inbox;
use mayfly_evm::Chain;
use mayfly_l1::{
    Anvil, AnvilConfig, BeaconClient, BlockTag, Creation, FeeCaps, FollowEvent, FollowerConfig, Key, L1Client,
    L1Follower, L1Options, Sender, SubmitOptions,
};
use mayfly_ledger::{L1Log, Ledger, Role, Rollup, Server, ServerOptions};
use mayfly_proto::Meter;
use mayfly_rollup::derive::{self, BatchData, Derivation, InboxEvent, L2Ref, Step};
use mayfly_rollup::{Allocation, Config, RollupInfo, chain_spec, genesis};
use mayfly_sequencer::{Sequencer, SequencerConfig, SequencerHandle, SequencerKeys, SequencerSettings};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine, short enough to notice.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Seconds after which a queue item is overdue.
pub(crate) const FORCE_WINDOW: u64 = 4;

pub(crate) struct Env {
    pub(crate) anvil: Anvil,
    pub(crate) info: Arc<RollupInfo>,
    pub(crate) ledger: Ledger,
    pub(crate) database: String,
    pub(crate) dir: TempDir,
    server: Server,
    _server_dir: TempDir,
}

pub(crate) fn quick() -> SubmitOptions {
    SubmitOptions { poll: Duration::from_millis(20), timeout: PATIENCE, ..SubmitOptions::default() }
}

/// Settings for an L1 of one second a block.
pub(crate) fn settings() -> SequencerSettings {
    SequencerSettings {
        l1_poll_ms: 100,
        max_unposted_seconds: 1,
        throttle_after_seconds: 60,
        pause_after_seconds: 120,
        post_margin_seconds: 3,
        overdue_margin_seconds: 2,
        bump_after_seconds: 10,
        ..Default::default()
    }
}

fn config(now: u64) -> Config {
    Config {
        protocolVersion: 1,
        organiser: Anvil::key(0).address(),
        sequencer: Anvil::key(1).address(),
        receiptSigner: Anvil::key(2).address(),
        endTime: now + 3_600,
        drain: 60,
        blockGasLimit: 1 << 26,
        blockTimeMs: 20,
        windows: Windows {
            forceWindow: FORCE_WINDOW,
            livenessWindow: 3_600,
            freezeDelay: 30,
            proposeWindow: 60,
            challengeWindow: 60,
            resolverTimeout: 60,
            escalationWindow: 60,
            maxOriginLag: 64,
            maxDrift: 600,
            ..Windows::default()
        },
        claimBond: U256::from(10),
        freezeBond: U256::from(10),
        forceGasTarget: U256::from(1_000_000),
        ..Config::default()
    }
}

pub(crate) fn info_of(creation: &Creation) -> RollupInfo {
    RollupInfo {
        rollup: creation.rollup,
        settlement: creation.settlement,
        vault: creation.vault,
        chain_id: creation.chain_id,
        l1_chain_id: creation.l1_chain_id,
        config: creation.config.clone(),
        genesis: creation.genesis.clone(),
        l1_number: creation.header.number,
        l1_hash: creation.header.hash(),
        l1_time: creation.header.timestamp,
    }
}

impl Env {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A rollup whose config `change` has seen.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(AnvilConfig::default(), change).await
    }

    /// The same, on an L1 with these settings.
    pub(crate) async fn on(l1: AnvilConfig, change: impl FnOnce(&mut Config)) -> Self {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let block_time = Some(Duration::from_secs(1));
        let anvil = Anvil::start(AnvilConfig { block_time, mixed_mining: true, ..l1 }).await.unwrap();
        let deployer = Sender::connect(anvil.client(), Anvil::key(0), FeeCaps::default()).await.unwrap();
        let foundation = deployer.deploy_foundation(B256::ZERO, &quick()).await.unwrap();
        let mut config = config(anvil.client().head(BlockTag::Latest).await.unwrap().timestamp);
        change(&mut config);
        let funded = Allocation { to: Anvil::key(3).address(), amount: U256::from(10).pow(U256::from(18)) };
        let creation = deployer.create_rollup(foundation.factory, config, vec![funded], &quick()).await.unwrap();
        let info = Arc::new(info_of(&creation));
        let server_dir = tempfile::tempdir().unwrap();
        let options = ServerOptions { fsync: false, max_connections: 40 };
        let server = Server::start(server_dir.path(), &options).await.unwrap();
        let database = server.create_database("sequencer").await.unwrap();
        let ledger = Ledger::connect(&database).await.unwrap();
        ledger.insert_rollup(&row(&info)).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self { anvil, info, ledger, database, dir, server, _server_dir: server_dir }
    }

    pub(crate) async fn sequencer(&self, settings: SequencerSettings) -> SequencerHandle {
        run(&self.info, self.anvil.url(), self.ledger.clone(), self.dir.path(), settings).await
    }

    pub(crate) async fn sender(&self, key: usize) -> Sender {
        Sender::connect(self.anvil.client(), Anvil::key(key), FeeCaps::default()).await.unwrap()
    }

    /// Derives the chain from L1 alone, up to L1's head; the hashes of its blocks.
    pub(crate) async fn derive(&self) -> Vec<B256> {
        self.derive_whole().await.0
    }

    /// The same, with the reasons for which payloads were not used, and whether the rollup is closed.
    pub(crate) async fn derive_whole(&self) -> (Vec<B256>, Vec<String>, bool) {
        let spec = chain_spec(&self.info).unwrap();
        let mut chain = Chain::create(None, spec, &genesis(&self.info)).unwrap();
        let start = L2Ref { number: 0, hash: chain.head().hash };
        let mut derivation = Derivation::new(self.info.clone(), start);
        let (mut invalid, mut closed) = (Vec::new(), false);
        for block in self.l1_blocks().await {
            derivation.push(block).unwrap();
            loop {
                match derivation.step(&mut chain).unwrap() {
                    Step::NeedL1 => break,
                    Step::Reverted { reason, .. } => invalid.push(reason),
                    Step::BatchDone(outcome) => invalid.extend(outcome.invalid),
                    Step::Closed { .. } => closed = true,
                    _ => {}
                }
            }
        }
        let reader = chain.reader();
        let head = chain.head().header.number;
        let hashes = (0..=head).map(|n| reader.block_by_number(n).unwrap().unwrap().hash).collect();
        (hashes, invalid, closed)
    }

    async fn l1_blocks(&self) -> Vec<derive::L1Block> {
        let client = self.anvil.client();
        let beacon = BeaconClient::new(&[self.anvil.url().to_owned()], L1Options::default()).unwrap();
        let start = mayfly_l1::BlockRef { number: self.info.l1_number, hash: self.info.l1_hash };
        let mut follower = L1Follower::new(client.clone(), FollowerConfig::new(start, vec![self.info.rollup]));
        let mut blocks = Vec::new();
        while let Some(event) = follower.try_next().await.unwrap() {
            let FollowEvent::Block(block) = event else { panic!("a reorganisation while reading") };
            let mut events = Vec::new();
            for log in &block.logs {
                let Some(mut event) = InboxEvent::decode(&log.data, block.number, block.timestamp) else { continue };
                if let InboxEvent::Batch(batch) = &mut event {
                    batch.data = match batch.header.codec {
                        1 => {
                            let blobs = beacon.blobs(block.number, block.timestamp, &batch.blob_hashes).await.unwrap();
                            BatchData::Blobs(blobs.iter().map(|b| Bytes::copy_from_slice(b.as_slice())).collect())
                        }
                        2 => BatchData::Calldata(
                            client.batch_calldata(self.info.rollup, log.tx_hash, batch.header.dataHash).await.unwrap(),
                        ),
                        _ => BatchData::None,
                    };
                }
                events.push(event);
            }
            blocks.push(derive::L1Block {
                number: block.number,
                hash: block.hash,
                parent_hash: block.parent_hash,
                timestamp: block.timestamp,
                prev_randao: block.mix_hash,
                parent_beacon_root: block.parent_beacon_root,
                events,
            });
        }
        blocks
    }

    /// Another database, empty.
    pub(crate) async fn other_database(&self) -> String {
        self.server.create_database("other").await.unwrap()
    }

    pub(crate) async fn rpc(&self, method: &str, params: serde_json::Value) -> serde_json::Value {
        self.anvil.client().request(method, params).await.unwrap()
    }

    /// L1 makes no blocks by itself.
    pub(crate) async fn stand_still(&self) {
        self.rpc("evm_setAutomine", serde_json::json!([false])).await;
        self.rpc("evm_setIntervalMining", serde_json::json!([0])).await;
    }

    /// L1 makes blocks again.
    pub(crate) async fn go_on(&self) {
        self.rpc("evm_setAutomine", serde_json::json!([true])).await;
        self.rpc("evm_setIntervalMining", serde_json::json!([1])).await;
    }

    /// One L1 block, after this time: a batch does not hold blocks younger than L1's head.
    pub(crate) async fn tick_after(&self, time: u64) {
        if self.anvil.client().head(BlockTag::Latest).await.unwrap().timestamp <= time {
            self.rpc("evm_setNextBlockTimestamp", serde_json::json!([time + 1])).await;
        }
        self.rpc("evm_mine", serde_json::json!([])).await;
    }

    /// Transactions in L1's pool that could be mined.
    pub(crate) async fn pooled(&self) -> u64 {
        let status = self.rpc("txpool_status", serde_json::json!([])).await;
        status["pending"].as_str().and_then(|hex| u64::from_str_radix(hex.trim_start_matches("0x"), 16).ok()).unwrap()
    }

    /// The Inbox's count of batches.
    pub(crate) async fn batch_count(&self) -> u64 {
        self.anvil.client().call(self.info.rollup, &Inbox::batchCountCall {}, BlockTag::Latest).await.unwrap()
    }
}

pub(crate) fn row(info: &RollupInfo) -> Rollup {
    Rollup {
        address: info.rollup,
        name: "test".to_owned(),
        chain_id: info.chain_id,
        settlement: info.settlement,
        vault: info.vault,
        role: Role::Sequencer,
        config: "{}".to_owned(),
        created: L1Log { number: info.l1_number, hash: info.l1_hash, index: 0 },
    }
}

/// Starts a sequencer and waits until it takes transactions or the rollup is closed.
pub(crate) async fn run(
    info: &Arc<RollupInfo>,
    url: &str,
    ledger: Ledger,
    dir: &Path,
    settings: SequencerSettings,
) -> SequencerHandle {
    let (registry, meter) = (prometheus::Registry::new(), None);
    run_with(info, url, ledger, dir, settings, registry, meter).await
}

/// The same, registered and metered.
pub(crate) async fn run_with(
    info: &Arc<RollupInfo>,
    url: &str,
    ledger: Ledger,
    dir: &Path,
    settings: SequencerSettings,
    registry: prometheus::Registry,
    meter: Option<Arc<Meter>>,
) -> SequencerHandle {
    let chain = Chain::open_or_create(&dir.join("chain"), chain_spec(info).unwrap(), &genesis(info)).unwrap();
    let urls = [url.to_owned()];
    let handle = Sequencer::spawn(SequencerConfig {
        info: Arc::clone(info),
        settings,
        chain,
        data_dir: Some(dir.join("sequencer")),
        l1: L1Client::new(&urls, L1Options::default()).unwrap(),
        beacon: BeaconClient::new(&urls, L1Options::default()).unwrap(),
        keys: SequencerKeys { poster: Anvil::key(1), receipts: Anvil::key(2) },
        ledger,
        registry,
        meter,
        cancel: CancellationToken::new(),
    })
    .await
    .unwrap();
    until("in step with l1", || async { handle.status().synced }).await;
    handle
}

/// Waits for a condition, at most [`PATIENCE`].
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A user of the rollup who counts nonces.
pub(crate) struct User {
    pub(crate) key: Key,
    pub(crate) nonce: u64,
    chain_id: u64,
}

impl User {
    pub(crate) fn new(key: Key, info: &RollupInfo) -> Self {
        Self { key, nonce: 0, chain_id: info.chain_id }
    }

    /// The next free transaction: `value` wei to `to`.
    pub(crate) fn pay(&mut self, to: Address, value: u64) -> Bytes {
        self.sign(TxEip1559 { gas_limit: 21_000, to: TxKind::Call(to), value: U256::from(value), ..Default::default() })
    }

    /// The next free transaction: a call or creation.
    pub(crate) fn send(&mut self, to: TxKind, input: Bytes, gas_limit: u64) -> Bytes {
        self.sign(TxEip1559 { gas_limit, to, input, ..Default::default() })
    }

    fn sign(&mut self, tx: TxEip1559) -> Bytes {
        // What it offers for gas it does not have: gas is free.
        let (max_fee_per_gas, max_priority_fee_per_gas) = (7, 1);
        let tx =
            TxEip1559 { chain_id: self.chain_id, nonce: self.nonce, max_fee_per_gas, max_priority_fee_per_gas, ..tx };
        self.nonce += 1;
        let signature = self.key.sign_hash(&tx.signature_hash()).unwrap();
        TxEnvelope::from(tx.into_signed(signature)).encoded_2718().into()
    }
}
