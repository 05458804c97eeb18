//! A rollup on a real L1 with its sequencer behind the RPC: submissions and their errors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, hex, keccak256};
use mayfly_contracts::types::Windows;
use mayfly_evm::Chain;
use mayfly_l1::{
    Anvil, AnvilConfig, BeaconClient, BlockTag, Creation, FeeCaps, L1Client, L1Options, Sender, SubmitOptions,
};
use mayfly_ledger::{L1Log, Ledger, Role, Server as Postgres, ServerOptions};
use mayfly_node::rpc::{Rollup, RpcLimits};
use mayfly_proto::{ReceiptDomain, SignedReceipt};
use mayfly_rollup::{Allocation, Config, RollupInfo, chain_spec, genesis};
use mayfly_sequencer::{Sequencer, SequencerConfig, SequencerHandle, SequencerKeys, SequencerSettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::server::{Server, config};

const PATIENCE: Duration = Duration::from_secs(60);

/// Anvil, PostgreSQL, contracts, a rollup, its sequencer, and the server in front of it.
pub(crate) struct Stack {
    pub(crate) server: Server<()>,
    handle: SequencerHandle,
    signer: PrivateKeySigner,
    _anvil: Anvil,
    _postgres: Postgres,
    _dirs: [TempDir; 2],
}

fn rollup_config(now: u64) -> Config {
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
            forceWindow: 30,
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

fn info_of(creation: &Creation) -> RollupInfo {
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

fn row(info: &RollupInfo) -> mayfly_ledger::Rollup {
    mayfly_ledger::Rollup {
        address: info.rollup,
        name: "night".to_owned(),
        chain_id: info.chain_id,
        settlement: info.settlement,
        vault: info.vault,
        role: Role::Sequencer,
        config: "{}".to_owned(),
        created: L1Log { number: info.l1_number, hash: info.l1_hash, index: 0 },
    }
}

impl Stack {
    pub(crate) async fn start() -> Self {
        Self::with(SequencerSettings::default()).await
    }

    async fn with(settings: SequencerSettings) -> Self {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
        let block_time = Some(Duration::from_secs(1));
        let anvil = Anvil::start(AnvilConfig {
            block_time,
            mixed_mining: true,
            slots_in_an_epoch: Some(1),
            ..Default::default()
        })
        .await
        .unwrap();
        let deployer = Sender::connect(anvil.client(), Anvil::key(0), FeeCaps::default()).await.unwrap();
        let quick = SubmitOptions { poll: Duration::from_millis(20), timeout: PATIENCE, ..SubmitOptions::default() };
        let foundation = deployer.deploy_foundation(B256::ZERO, &quick).await.unwrap();
        let config_ = rollup_config(anvil.client().head(BlockTag::Latest).await.unwrap().timestamp);
        let funded = Allocation { to: signer.address(), amount: U256::from(10u64.pow(18)) };
        let creation = deployer.create_rollup(foundation.factory, config_, vec![funded], &quick).await.unwrap();
        let info = Arc::new(info_of(&creation));
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let options = ServerOptions { fsync: false, max_connections: 40 };
        let postgres = Postgres::start(dirs[0].path(), &options).await.unwrap();
        let ledger = Ledger::connect(&postgres.create_database("node").await.unwrap()).await.unwrap();
        ledger.insert_rollup(&row(&info)).await.unwrap();
        let handle = sequencer(&info, anvil.url(), ledger, dirs[1].path(), settings).await;

        let rollup = Arc::new(Rollup::sequenced("night", handle.clone(), RpcLimits::default()));
        let server = Server::<()>::serve(config(), Arc::clone(&rollup)).await;
        let cancel = server.shutdown.clone();
        tokio::spawn(async move { rollup.follow(cancel).await });
        Self { server, handle, signer, _anvil: anvil, _postgres: postgres, _dirs: dirs }
    }

    pub(crate) fn sign(&self, nonce: u64, change: impl FnOnce(&mut TxEip1559)) -> Bytes {
        let mut tx = TxEip1559 {
            chain_id: self.handle.info().chain_id,
            nonce,
            gas_limit: 21_000,
            to: TxKind::Call(Address::repeat_byte(0x55)),
            value: U256::ONE,
            ..TxEip1559::default()
        };
        change(&mut tx);
        let signature = self.signer.sign_hash_sync(&tx.signature_hash()).unwrap();
        let envelope: alloy_consensus::TxEnvelope = tx.into_signed(signature).into();
        envelope.encoded_2718().into()
    }

    pub(crate) async fn stop(self) {
        self.handle.shutdown().await;
    }

    pub(crate) async fn send(&self, raw: &Bytes) -> Result<Value, Value> {
        self.server.call("eth_sendRawTransaction", json!([raw])).await
    }

    async fn sync(&self, raw: &Bytes, timeout: Value) -> Result<Value, Value> {
        self.server.call("eth_sendRawTransactionSync", json!([raw, timeout])).await
    }
}

async fn sequencer(
    info: &Arc<RollupInfo>,
    url: &str,
    ledger: Ledger,
    dir: &std::path::Path,
    settings: SequencerSettings,
) -> SequencerHandle {
    let chain = Chain::open_or_create(&dir.join("chain"), chain_spec(info).unwrap(), &genesis(info)).unwrap();
    let urls = [url.to_owned()];
    let settings = SequencerSettings { l1_poll_ms: 100, ..settings };
    let config = SequencerConfig {
        info: Arc::clone(info),
        settings,
        chain,
        data_dir: Some(dir.join("sequencer")),
        l1: L1Client::new(&urls, L1Options::default()).unwrap(),
        beacon: BeaconClient::new(&urls, L1Options::default()).unwrap(),
        keys: SequencerKeys { poster: Anvil::key(1), receipts: Anvil::key(2) },
        ledger,
        registry: prometheus::Registry::new(),
        meter: None,
        cancel: CancellationToken::new(),
    };
    let handle = Sequencer::spawn(config).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !handle.status().synced {
        assert!(Instant::now() < deadline, "the sequencer did not catch up with l1");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    handle
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_go_in_and_receipts_come_out() {
    let stack = Stack::start().await;
    let server = &stack.server;
    let wallet = stack.signer.address();

    // One, waiting for its receipt; the timeout as viem and others write it.
    for (nonce, timeout) in [(0, json!("0x1388")), (1, json!(5_000)), (2, Value::Null), (3, json!("soon"))] {
        let raw = stack.sign(nonce, |_| {});
        let receipt = stack.sync(&raw, timeout).await.unwrap();
        assert_eq!(receipt["transactionHash"], json!(keccak256(&raw)));
        assert_eq!((&receipt["status"], &receipt["gasUsed"]), (&json!("0x1"), &json!("0x5208")));
        let again = server.call("eth_getTransactionReceipt", json!([keccak256(&raw)])).await.unwrap();
        assert_eq!(again, receipt);
        // Asked again, the receipt is still the answer; without Sync the nonce is used.
        assert_eq!(stack.sync(&raw, Value::Null).await.unwrap(), receipt);
        let error = stack.send(&raw).await.unwrap_err();
        let message = format!("nonce too low: next nonce {}, tx nonce {nonce}", nonce + 1);
        assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!(message)));
    }

    // A hundred in one batch, some with receipts, one of them broken.
    let raws: Vec<Bytes> = (4..104).map(|nonce| stack.sign(nonce, |_| {})).collect();
    let entry = |(id, raw): (usize, &Bytes)| {
        let method = if id % 10 == 9 { "eth_sendRawTransactionSync" } else { "eth_sendRawTransaction" };
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": [raw] })
    };
    let mut batch: Vec<Value> = raws.iter().enumerate().map(entry).collect();
    batch.insert(50, json!({ "jsonrpc": "2.0", "id": "bad", "method": "eth_sendRawTransaction", "params": ["0x12"] }));
    let (_, answers) = server.post("/night", json!(batch).to_string()).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 101);
    for (asked, answer) in batch.iter().zip(answers) {
        assert_eq!(asked["id"], answer["id"]);
        match asked["id"].as_u64() {
            None => assert_eq!(answer["error"]["code"], -32000, "{answer}"),
            Some(id) if id % 10 == 9 => assert_eq!(answer["result"]["status"], "0x1", "{answer}"),
            Some(id) => assert_eq!(answer["result"], json!(keccak256(&raws[id as usize])), "{answer}"),
        }
    }
    let count = server.call("eth_getTransactionCount", json!([wallet, "latest"])).await.unwrap();
    assert_eq!(count, "0x68");

    // The signed receipt is the key's that the rollup names.
    let shown = server.call("mayfly_receipt", json!([keccak256(&raws[0])])).await.unwrap();
    let bytes: Bytes = serde_json::from_value(shown["encoded"].clone()).unwrap();
    let signed = SignedReceipt::decode(&bytes).unwrap();
    let info = stack.handle.info();
    signed.verify(&ReceiptDomain::new(info.chain_id, info.rollup), info.config.receiptSigner).unwrap();
    assert_eq!((signed.receipt.tx_hash, signed.receipt.status), (keccak256(&raws[0]), 1));
    assert_eq!(server.call("mayfly_receipt", json!([B256::ZERO])).await.unwrap(), Value::Null);
    let status = server.call("mayfly_status", json!([])).await.unwrap();
    assert_eq!(status["sequencer"]["synced"], true, "{status}");
    stack.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_carry_codes_and_values_wallets_know() {
    let stack = Stack::start().await;
    let chain_id = stack.handle.info().chain_id;
    let rich = U256::from(10u64.pow(18));
    let mut broken = stack.sign(0, |_| {}).to_vec();
    broken.push(0);
    // No point of the curve has this x.
    let unsigned = TxEip1559 { chain_id, gas_limit: 21_000, to: TxKind::Call(Address::ZERO), ..TxEip1559::default() };
    let forged = unsigned.into_signed(Signature::new(U256::from(5), U256::ONE, false));
    let forged = Bytes::from(alloy_consensus::TxEnvelope::from(forged).encoded_2718());
    for (raw, code, message) in [
        (stack.sign(0, |tx| tx.chain_id = 1), -32000, format!("invalid chain id for signer: have 1, want {chain_id}")),
        (stack.sign(0, |tx| tx.gas_limit = 20_999), -32000, "intrinsic gas too low: have 20999, want 21000".into()),
        (
            stack.sign(0, |tx| tx.value = rich + U256::ONE),
            -32000,
            format!("insufficient funds for gas * price + value: balance {rich}, tx cost {}", rich + U256::ONE),
        ),
        (
            stack.sign(0, |tx| tx.gas_limit = 1 << 25),
            -32000,
            format!("exceeds block gas limit: tx gas limit {}, max {}", 1 << 25, 1 << 24),
        ),
        (forged, -32000, "invalid signature: no sender can be recovered".into()),
        (stack.sign(1_000_002, |_| {}), -32000, "nonce too high: next nonce 0, tx nonce 1000002".into()),
        (Bytes::from(hex!("03c0")), -32000, "transaction type not supported: 0x03".into()),
        (broken.into(), -32000, "invalid transaction: ".into()),
        (Bytes::new(), -32000, "invalid transaction: ".into()),
    ] {
        for method in ["eth_sendRawTransaction", "eth_sendRawTransactionSync"] {
            let error = stack.server.call(method, json!([raw])).await.unwrap_err();
            assert_eq!(error["code"], code, "{error}");
            assert!(error["message"].as_str().unwrap().starts_with(&message), "{error} instead of {message}");
        }
    }

    // A gap: it waits, and Sync says so with the hash: after its own timeout if that is short, else soon.
    let gapped = stack.sign(1, |_| {});
    let asked = Instant::now();
    let error = stack.sync(&gapped, json!(100)).await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]), (&json!(4), &json!(keccak256(&gapped))));
    assert!(error["message"].as_str().unwrap().contains("100 ms"), "{error}");
    assert!(asked.elapsed() >= Duration::from_millis(100));
    let error = stack.sync(&gapped, json!(30_000)).await.unwrap_err();
    assert_eq!((&error["code"], &error["data"]), (&json!(5), &json!(keccak256(&gapped))));
    assert_eq!(error["message"], "the transaction waits for a missing nonce: next nonce 0, tx nonce 1");
    assert!(asked.elapsed() < Duration::from_secs(20));
    let error = stack.send(&gapped).await.unwrap_err();
    assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!("already known")));
    // The pool shows it to whoever asks.
    let sender = stack.signer.address();
    let status = stack.server.call("txpool_status", json!([])).await.unwrap();
    assert_eq!(status, json!({ "pending": "0x0", "queued": "0x1" }));
    let content = stack.server.call("txpool_content", json!([])).await.unwrap();
    let shown = &content["queued"][sender.to_checksum(None)]["1"];
    assert_eq!((&shown["hash"], &shown["nonce"]), (&json!(keccak256(&gapped)), &json!("0x1")));
    let own = stack.server.call("txpool_contentFrom", json!([sender])).await.unwrap();
    assert_eq!(own, json!({ "pending": {}, "queued": { "1": shown } }));
    let lines = stack.server.call("txpool_inspect", json!([])).await.unwrap();
    let to = Address::repeat_byte(0x55).to_checksum(None);
    let line = format!("{to}: 1 wei + 21000 gas × 0 wei");
    assert_eq!(lines, json!({ "pending": {}, "queued": { (sender.to_checksum(None)): { "1": line } } }));
    // Filled, both run; a waiting Sync gets the receipt.
    let (first, second) = (stack.sign(0, |_| {}), gapped);
    let waiting = stack.sync(&second, json!(20_000));
    let filling = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stack.send(&first).await.unwrap()
    };
    let (receipt, _) = tokio::join!(waiting, filling);
    assert_eq!(receipt.unwrap()["status"], "0x1");
    let pending = json!([stack.signer.address(), "pending"]);
    assert_eq!(stack.server.call("eth_getTransactionCount", pending).await.unwrap(), "0x2");
    let ahead = stack.sign(2 + 1_000_000, |_| {});
    let error = stack.send(&ahead).await.unwrap_err();
    assert_eq!(error["message"], "nonce too high: next nonce 2, tx nonce 1000002");
    stack.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_refuses_with_its_own_code_and_the_numbers() {
    let mut settings = SequencerSettings::default();
    (settings.admission.gas_per_second, settings.admission.burst_seconds) = (10_000, 4);
    let stack = Stack::with(settings).await;
    let dear = stack.sign(0, |tx| tx.gas_limit = 50_000);
    for method in ["eth_sendRawTransaction", "eth_sendRawTransactionSync"] {
        let error = stack.server.call(method, json!([dear])).await.unwrap_err();
        assert_eq!(error["code"], -32010, "{error}");
        assert_eq!(error["message"], "refused by rule over-budget: 50000 gas, at most 40000");
    }
    stack.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_told_and_shown_without_a_block() {
    let stack = Stack::start().await;
    let mut socket = crate::ws::connect(&stack.server, "/").await;
    let id = crate::ws::ask(&mut socket, "eth_subscribe", json!(["syncing"])).await["result"].clone();
    let told = crate::ws::next_json(&mut socket).await;
    assert_eq!((&told["params"]["subscription"], &told["params"]["result"]), (&id, &json!(false)));
    let hashes = crate::ws::ask(&mut socket, "eth_subscribe", json!(["newPendingTransactions"])).await;
    let filter = stack.server.call("eth_newPendingTransactionFilter", json!([])).await.unwrap();
    // Behind a gap it waits.
    let late = stack.send(&stack.sign(1, |_| {})).await.unwrap();
    let told = crate::ws::next_json(&mut socket).await;
    assert_eq!((&told["params"]["subscription"], &told["params"]["result"]), (&hashes["result"], &late));
    let changes = async || stack.server.call("eth_getFilterChanges", json!([filter])).await.unwrap();
    assert_eq!(changes().await, json!([late]));
    assert_eq!(changes().await, json!([]));
    let shown = stack.server.call("eth_getTransactionByHash", json!([late])).await.unwrap();
    assert_eq!((&shown["hash"], &shown["nonce"], &shown["blockHash"]), (&late, &json!("0x1"), &Value::Null));
    assert!(shown.as_object().unwrap().contains_key("blockNumber"));
    let nobody = stack.server.call("eth_getTransactionByHash", json!([B256::repeat_byte(9)])).await.unwrap();
    assert_eq!(nobody, Value::Null);
    // Another subscription tells the rest in full, and the gap is filled.
    let removed = crate::ws::ask(&mut socket, "eth_unsubscribe", json!([hashes["result"]])).await;
    assert_eq!(removed["result"], true);
    let full = crate::ws::ask(&mut socket, "eth_subscribe", json!(["newPendingTransactions", true])).await;
    stack.sync(&stack.sign(0, |_| {}), Value::Null).await.unwrap();
    let told = crate::ws::next_json(&mut socket).await;
    assert_eq!(told["params"]["subscription"], full["result"]);
    assert_eq!(
        (&told["params"]["result"]["nonce"], &told["params"]["result"]["blockHash"]),
        (&json!("0x0"), &Value::Null)
    );
    stack.handle.wait_receipt(serde_json::from_value(late.clone()).unwrap(), PATIENCE).await.unwrap();
    let shown = stack.server.call("eth_getTransactionByHash", json!([late])).await.unwrap();
    assert!(shown["blockHash"].is_string());
    let modules = stack.server.call("rpc_modules", json!([])).await.unwrap();
    assert_eq!((&modules["eth"], &modules["mayfly"], &modules["admin"]), (&json!("1.0"), &json!("1.0"), &Value::Null));
    stack.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_hear_of_sequenced_blocks_and_batches_become_safe() {
    let stack = Stack::start().await;
    let mut socket = crate::ws::connect(&stack.server, "/").await;
    let id = crate::ws::ask(&mut socket, "eth_subscribe", json!(["newHeads"])).await["result"].clone();
    let receipt = stack.sync(&stack.sign(0, |_| {}), Value::Null).await.unwrap();
    let told = loop {
        let told = crate::ws::next_json(&mut socket).await;
        assert_eq!(told["params"]["subscription"], id);
        if told["params"]["result"]["number"] == receipt["blockNumber"] {
            break told;
        }
    };
    assert_eq!(told["params"]["result"]["hash"], receipt["blockHash"]);
    // The batch is posted, L1 calls it safe, and the marks follow.
    let deadline = Instant::now() + PATIENCE * 2;
    loop {
        let tier = stack.server.call("mayfly_finality", json!([receipt["transactionHash"]])).await.unwrap();
        if tier["tier"] != "latest" {
            break;
        }
        assert!(Instant::now() < deadline, "never safe: {:?}", stack.handle.status());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let safe = stack.server.call("eth_getBlockByNumber", json!(["safe", false])).await.unwrap();
    assert_ne!(safe["number"], "0x0");
    stack.handle.shutdown().await;
}
