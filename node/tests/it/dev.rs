//! `mayfly dev`: one command up, Ctrl-C and nothing left, kill -9 and the next start goes on.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

/// The stack as a child process; killed with the test.
struct Dev(Child);

impl Dev {
    fn start(dir: &Path) -> (Dev, Value) {
        let log = File::create(dir.join("dev.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_mayfly"))
            .args(["dev", "--data-dir"])
            .arg(dir.join("data"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut dev = Dev(child);
        let pid = dev.0.id();
        let deadline = Instant::now() + LIMIT;
        loop {
            let state = std::fs::read_to_string(dir.join("data/dev.json")).unwrap_or_default();
            let state: Value = serde_json::from_str(&state).unwrap_or_default();
            if state["running"] == true && state["processes"][0]["pid"] == pid {
                return (dev, state);
            }
            let log = || std::fs::read_to_string(dir.join("dev.log")).unwrap_or_default();
            assert!(dev.0.try_wait().unwrap().is_none(), "it ended: {}", log());
            assert!(Instant::now() < deadline, "it did not start: {}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn end(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().try_into().unwrap()), Signal::SIGINT);
        let _ = self.0.wait();
    }
}

/// Processes of the stack that still run; one that only waits to be reaped does not.
fn alive(state: &Value) -> Vec<String> {
    let running = |process: &&Value| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process["pid"])).unwrap_or_default();
        let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
        let fields: Vec<&str> = rest.split(' ').collect();
        fields[0] != "Z" && fields[19].parse().ok() == process["started"].as_u64()
    };
    state["processes"].as_array().unwrap().iter().filter(running).map(|p| p["name"].to_string()).collect()
}

fn rollup(dir: &Path, args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_mayfly"))
        .args(["rollup", "--json", "--data-dir"])
        .arg(dir.join("data"))
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// One JSON-RPC call.
fn rpc(url: &Value, method: &str, params: Value) -> Value {
    let call = async {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer = reqwest::Client::new().post(url.as_str().unwrap()).json(&body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let answer = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(call);
    assert!(answer.get("error").is_none(), "{method}: {answer}");
    answer["result"].clone()
}

/// A transaction of a user without any ETH, answered with its receipt.
fn send(created: &Value, nonce: u64) -> Value {
    let user = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    let chain_id = created["chain_id"].as_u64().unwrap();
    let to = TxKind::Call(Address::repeat_byte(8));
    let tx = TxEip1559 { chain_id, nonce, gas_limit: 21_000, to, ..TxEip1559::default() };
    let signature = user.sign_hash_sync(&tx.signature_hash()).unwrap();
    let raw = Bytes::from(TxEnvelope::from(tx.into_signed(signature)).encoded_2718());
    rpc(&created["rpc_url"], "eth_sendRawTransactionSync", json!([raw, 20_000]))
}

#[test]
fn goes_on_after_kill_9_and_leaves_nothing_after_ctrl_c() {
    let dir = tempfile::tempdir().unwrap();
    // Root's PostgreSQL runs as another user and must reach its files.
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (mut dev, first) = Dev::start(dir.path());
    assert_eq!(alive(&first).len(), 3, "mayfly, anvil, postgres");
    let created = rollup(dir.path(), &["create", "--name", "a-night", "--ends-in", "1h"]);

    let receipt = send(&created, 0);
    let found = |state: &Value| {
        let url = json!(format!("{}/a-night", state["rpc_url"].as_str().unwrap()));
        let again = rpc(&url, "eth_getTransactionReceipt", json!([receipt["transactionHash"]]));
        assert_eq!(again["blockHash"], receipt["blockHash"]);
        json!({ "rpc_url": url, "chain_id": created["chain_id"] })
    };

    dev.end(Signal::SIGKILL);
    assert_eq!(alive(&first).len(), 2, "anvil and postgres are orphans now");
    let (mut dev, second) = Dev::start(dir.path());
    assert!(alive(&first).is_empty(), "orphans of the first run still run: {:?}", alive(&first));
    assert_eq!(second["factory"], first["factory"]);
    let status = rollup(dir.path(), &["status", "a-night"]);
    assert_eq!(status["rollup"], created["rollup"]);
    assert_eq!(status["node"]["chain_id"], created["chain_id"], "the node sequences it again");
    let mut next = 1;
    let mut goes_on = |state: &Value| {
        let again = found(state);
        let status = || rollup(dir.path(), &["status", "a-night"])["node"]["sequencer"]["synced"] == true;
        let deadline = Instant::now() + LIMIT;
        while !status() {
            assert!(Instant::now() < deadline, "it does not catch up with L1");
            std::thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(send(&again, next)["status"], "0x1");
        next += 1;
    };
    goes_on(&second);
    dev.end(Signal::SIGINT);
    assert!(alive(&second).is_empty(), "left behind: {:?}", alive(&second));

    // L1's state was saved and loaded more than once by now: it must still be the same chain.
    for _ in 0..2 {
        let (mut dev, state) = Dev::start(dir.path());
        goes_on(&state);
        dev.end(Signal::SIGINT);
    }
}
