//! The load: many senders with transactions signed beforehand, a few probes that measure how
//! long a receipt takes, and the wait until everything is included.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex, keccak256};
use alloy_sol_types::SolValue;
use eyre::{Result, ensure, eyre};
use futures::future::try_join_all;
use serde_json::json;

use crate::{report::Run, rpc::Rpc, target::Target};

/// Wallets that send. Each sends its transactions in order.
const SENDERS: usize = 1_000;
/// Connections that send at the same time.
const LANES: usize = 50;
/// Wallets that send one transaction at a time and wait for its receipt.
const PROBES: usize = 2;
/// Between two looks for a receipt.
const PROBE_POLL: Duration = Duration::from_millis(4);
/// Between two transactions of a probe.
const PROBE_PAUSE: Duration = Duration::from_millis(40);
/// How long everything sent may take to be included.
const INCLUSION_TIMEOUT: Duration = Duration::from_secs(300);
const GAS_LIMIT: u64 = 150_000;

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Transfers of an ERC-20.
    Erc20,
    /// Mints of an ERC-721.
    Mint,
}

impl Workload {
    pub fn name(self) -> &'static str {
        match self {
            Workload::Erc20 => "erc20",
            Workload::Mint => "mint",
        }
    }

    fn artifact(self) -> &'static str {
        match self {
            Workload::Erc20 => include_str!("../../contracts/artifacts/DemoToken.json"),
            Workload::Mint => include_str!("../../contracts/artifacts/DemoCollection.json"),
        }
    }

    fn init_code(self) -> Result<Bytes> {
        let artifact: serde_json::Value = serde_json::from_str(self.artifact())?;
        let code = artifact["bytecode"].as_str().ok_or_else(|| eyre!("an artifact without bytecode"))?;
        let arguments = match self {
            Workload::Erc20 => ("Bench", "BENCH").abi_encode_params(),
            Workload::Mint => ("Bench", "BENCH", "").abi_encode_params(),
        };
        Ok([hex::decode(code)?, arguments].concat().into())
    }

    /// What every sender does once before the clock starts.
    fn setup_call(self) -> Option<Bytes> {
        (self == Workload::Erc20).then(|| call("mint(uint256)", (U256::from(u64::MAX),).abi_encode_params()))
    }

    fn call(self, n: usize) -> Bytes {
        match self {
            // A recipient of its own each time: the state grows as it would with real users.
            Workload::Erc20 => {
                let to = Address::from_word(keccak256((n as u64).to_be_bytes()));
                call("transfer(address,uint256)", (to, U256::ONE).abi_encode_params())
            }
            Workload::Mint => call("mint()", Vec::new()),
        }
    }
}

fn call(signature: &str, arguments: Vec<u8>) -> Bytes {
    [keccak256(signature)[..4].to_vec(), arguments].concat().into()
}

/// How transactions are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One request each.
    Single,
    /// A hundred in a JSON-RPC batch.
    Batch100,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Mode::Single => "single",
            Mode::Batch100 => "batch100",
        }
    }
}

struct Wallet {
    signer: PrivateKeySigner,
    nonce: u64,
}

struct Signed {
    raw: Bytes,
    hash: B256,
}

/// Every wallet of one workload on one target.
pub struct Fleet {
    workload: Workload,
    contract: Address,
    senders: Vec<Wallet>,
    probes: Vec<Wallet>,
    sent: usize,
}

impl Fleet {
    /// Deploys the contract and readies the wallets.
    pub async fn prepare(target: &Target, workload: Workload) -> Result<Fleet> {
        let rpc = Rpc::new(target.url())?;
        let wallet = || Wallet { signer: PrivateKeySigner::random(), nonce: 0 };
        let mut deployer = wallet();
        let mut senders: Vec<Wallet> = (0..SENDERS).map(|_| wallet()).collect();
        let mut probes: Vec<Wallet> = (0..PROBES).map(|_| wallet()).collect();
        let everybody = || senders.iter().chain(&probes).map(|w| w.signer.address());
        target.fund(&rpc, everybody().chain([deployer.signer.address()]).collect()).await?;
        let contract = deployer.signer.address().create(0);
        let deployment = sign(&mut deployer, target, TxKind::Create, workload.init_code()?, 5_000_000)?;
        rpc.send(&deployment.raw).await?;
        wait(&rpc, vec![deployment.hash]).await?;
        if let Some(data) = workload.setup_call() {
            let mut hashes = Vec::new();
            let mut all: Vec<&mut Wallet> = senders.iter_mut().chain(&mut probes).collect();
            for part in all.chunks_mut(100) {
                let signed = part
                    .iter_mut()
                    .map(|w| sign(w, target, TxKind::Call(contract), data.clone(), GAS_LIMIT))
                    .collect::<Result<Vec<_>>>()?;
                rpc.send_batch(&signed.iter().map(|s| s.raw.clone()).collect::<Vec<_>>()).await?;
                hashes.extend(signed.iter().map(|s| s.hash));
            }
            wait(&rpc, hashes).await?;
        }
        Ok(Fleet { workload, contract, senders, probes, sent: 0 })
    }

    /// Sends `transactions` and measures until the last is included.
    pub async fn run(&mut self, target: &Target, mode: Mode, transactions: usize) -> Result<Run> {
        let lanes = self.sign_all(target, transactions)?;
        let last: Vec<B256> = lanes.iter().flat_map(|lane| lane.last_of_each.clone()).collect();
        let probing = Arc::new(AtomicBool::new(true));
        let probes = std::mem::take(&mut self.probes);
        let before = target.usage()?;
        let started = Instant::now();
        let probe_tasks: Vec<_> = probes
            .into_iter()
            .enumerate()
            .map(|(index, wallet)| {
                let prober = Prober {
                    rpc: Rpc::new(target.url())?,
                    terms: target.terms(),
                    workload: self.workload,
                    contract: self.contract,
                    first: usize::MAX / 2 + index * 1_000_000,
                };
                Ok(tokio::spawn(prober.run(wallet, Arc::clone(&probing))))
            })
            .collect::<Result<_>>()?;
        try_join_all(lanes.into_iter().map(|lane| lane.send(target.url().to_owned(), mode))).await?;
        wait(&Rpc::new(target.url())?, last).await?;
        let elapsed = started.elapsed();
        probing.store(false, Ordering::Relaxed);
        let mut latencies = Vec::new();
        for task in probe_tasks {
            let (wallet, measured) = task.await??;
            self.probes.push(wallet);
            latencies.extend(measured);
        }
        let after = target.usage()?;
        ensure!(!latencies.is_empty(), "no receipt was measured");
        latencies.sort();
        let total = transactions + latencies.len();
        Ok(Run {
            target: target.name(),
            workload: self.workload.name(),
            mode: mode.name(),
            included_tx_per_s: total as f64 / elapsed.as_secs_f64(),
            server_cpu_us_per_tx: (after.cpu - before.cpu).as_secs_f64() * 1e6 / total as f64,
            receipt_p50_ms: percentile(&latencies, 50),
            receipt_p99_ms: percentile(&latencies, 99),
            server_rss_mib: after.rss_bytes as f64 / f64::from(1 << 20),
        })
    }

    /// A lane's wallets take turns, so that one wallet's transactions are far apart.
    fn sign_all(&mut self, target: &Target, transactions: usize) -> Result<Vec<Lane>> {
        let mut lanes: Vec<Lane> = (0..LANES).map(|_| Lane::default()).collect();
        let contract = TxKind::Call(self.contract);
        for round in 0..transactions.div_ceil(SENDERS) {
            for (index, wallet) in self.senders.iter_mut().enumerate().take(transactions - round * SENDERS) {
                let data = self.workload.call(self.sent);
                self.sent += 1;
                let signed = sign(wallet, target, contract, data, GAS_LIMIT)?;
                let lane = &mut lanes[index % LANES];
                lane.raws.push(signed.raw);
                let place = index / LANES;
                if place < lane.last_of_each.len() {
                    lane.last_of_each[place] = signed.hash;
                } else {
                    lane.last_of_each.push(signed.hash);
                }
            }
        }
        Ok(lanes)
    }
}

/// What one connection sends, in this order.
#[derive(Default)]
struct Lane {
    raws: Vec<Bytes>,
    last_of_each: Vec<B256>,
}

impl Lane {
    async fn send(self, url: String, mode: Mode) -> Result<()> {
        let rpc = Rpc::new(&url)?;
        match mode {
            Mode::Single => {
                for raw in &self.raws {
                    rpc.send(raw).await?;
                }
            }
            Mode::Batch100 => {
                for part in self.raws.chunks(100) {
                    rpc.send_batch(part).await?;
                }
            }
        }
        Ok(())
    }
}

struct Prober {
    rpc: Rpc,
    terms: Terms,
    workload: Workload,
    contract: Address,
    first: usize,
}

impl Prober {
    async fn run(self, mut wallet: Wallet, go_on: Arc<AtomicBool>) -> Result<(Wallet, Vec<Duration>)> {
        let mut latencies = Vec::new();
        while go_on.load(Ordering::Relaxed) {
            let data = self.workload.call(self.first + latencies.len());
            let signed = self.terms.sign(&mut wallet, TxKind::Call(self.contract), data, GAS_LIMIT)?;
            let before = Instant::now();
            self.rpc.send(&signed.raw).await?;
            while !self.rpc.included(&[signed.hash]).await?[0] {
                ensure!(before.elapsed() < INCLUSION_TIMEOUT, "no receipt for {}", signed.hash);
                tokio::time::sleep(PROBE_POLL).await;
            }
            latencies.push(before.elapsed());
            tokio::time::sleep(PROBE_PAUSE).await;
        }
        Ok((wallet, latencies))
    }
}

/// What every signature on a target has in common.
#[derive(Clone, Copy)]
pub struct Terms {
    pub chain_id: u64,
    pub max_fee_per_gas: u128,
}

impl Terms {
    fn sign(self, wallet: &mut Wallet, to: TxKind, input: Bytes, gas_limit: u64) -> Result<Signed> {
        let tx = TxEip1559 {
            chain_id: self.chain_id,
            nonce: wallet.nonce,
            gas_limit,
            max_fee_per_gas: self.max_fee_per_gas,
            max_priority_fee_per_gas: 0,
            to,
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        };
        wallet.nonce += 1;
        let signature = wallet.signer.sign_hash_sync(&tx.signature_hash())?;
        let envelope = TxEnvelope::from(tx.into_signed(signature));
        let raw = alloy::eips::eip2718::Encodable2718::encoded_2718(&envelope);
        Ok(Signed { raw: raw.into(), hash: *envelope.tx_hash() })
    }
}

fn sign(wallet: &mut Wallet, target: &Target, to: TxKind, input: Bytes, gas_limit: u64) -> Result<Signed> {
    target.terms().sign(wallet, to, input, gas_limit)
}

/// Waits until all of these are included.
async fn wait(rpc: &Rpc, mut open: Vec<B256>) -> Result<()> {
    let deadline = Instant::now() + INCLUSION_TIMEOUT;
    while !open.is_empty() {
        ensure!(Instant::now() < deadline, "{} transactions are not included", open.len());
        // Asked in the order of sending: what follows one that is missing is missing too.
        let mut done = 0;
        for part in open.chunks(100) {
            let included = rpc.included(part).await?;
            let first_missing = included.iter().position(|yes| !yes).unwrap_or(part.len());
            done += first_missing;
            if first_missing < part.len() {
                break;
            }
        }
        open.drain(..done);
        if !open.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

fn percentile(sorted: &[Duration], p: usize) -> f64 {
    let rank = (sorted.len() * p).div_ceil(100).clamp(1, sorted.len());
    sorted[rank - 1].as_secs_f64() * 1e3
}

/// The parameters of `anvil_setBalance` for an account.
pub fn funding(address: Address) -> serde_json::Value {
    json!([address, U256::from(10).pow(U256::from(20))])
}
