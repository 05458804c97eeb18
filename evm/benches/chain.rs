//! ERC-20 transfers through the executor, the tries and the log.
//!
//! `cargo bench -p mayfly-evm --bench chain`; `-- cpu` instead prints microseconds of processor time, which a busy
//! machine does not change much; `-- soak` runs 200,000 transfers on disk (`soak=N` as many, `per-block=N` so many to a
//! block) and prints resident memory, time, bytes on disk, and what a search for one holder's logs takes; `-- accounts`
//! what roots and a start take with 10^6 accounts (`accounts=N` others); `-- instructions` is what
//! `scripts/instructions.sh` counts the machine's instructions of.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use alloy::signers::{SignerSync, local::PrivateKeySigner};
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use criterion::{BatchSize, Criterion, Throughput};
use mayfly_evm::{
    BlockAttributes, Chain, ChainReader, ChainSpec, Genesis, GenesisAccount, LogFilter, RecoveredTx, TRANSFER_TOPIC,
    Transaction, Trie,
};
use std::{path::Path, sync::Arc, time::Instant};

const CHAIN_ID: u64 = 7;
const HOLDERS: u64 = 10_000;
const PER_BLOCK: usize = 50;
const OWNER: Address = Address::repeat_byte(0x0f);

fn holder(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

/// A transaction that nobody signed: the executor takes the sender as given.
fn tx(sender: Address, nonce: u64, to: TxKind, input: Vec<u8>) -> Arc<RecoveredTx> {
    let tx =
        TxEip1559 { chain_id: CHAIN_ID, nonce, gas_limit: 3_000_000, to, input: input.into(), ..Default::default() };
    let signature = Signature::new(U256::from(nonce + 1), U256::from_be_slice(sender.as_slice()), false);
    Arc::new(RecoveredTx { tx: Transaction::Signed(tx.into_signed(signature).into()), sender })
}

fn transfer(token: Address, from: u64, nonce: u64, to: u64) -> Arc<RecoveredTx> {
    let mut input = alloy_primitives::hex!("a9059cbb").to_vec();
    input.extend_from_slice(holder(to).into_word().as_slice());
    input.extend_from_slice(&U256::from(nonce % 90 + 1).to_be_bytes::<32>());
    tx(holder(from), nonce, TxKind::Call(token), input)
}

fn artifact() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts/DemoToken.json");
    let artifact: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    alloy_primitives::hex::decode(artifact["bytecode"].as_str().unwrap()).unwrap()
}

fn attributes(chain: &Chain) -> BlockAttributes {
    BlockAttributes {
        timestamp: chain.head().timestamp(),
        prev_randao: B256::ZERO,
        parent_beacon_block_root: B256::ZERO,
        extra_data: Bytes::new(),
        gas_limit: 1 << 30,
        beneficiary: Address::repeat_byte(0xfe),
        consensus: Default::default(),
    }
}

fn add(chain: &mut Chain, txs: &[Arc<RecoveredTx>]) {
    let attributes = attributes(chain);
    let mut block = chain.begin(attributes).unwrap();
    for tx in txs {
        assert!(block.execute(tx).unwrap().receipt.status);
    }
    block.seal().unwrap();
}

/// A token that 10,000 holders hold.
fn chain(dir: Option<&Path>) -> (Chain, Address) {
    let system = |address, code: &str| GenesisAccount {
        address,
        nonce: 1,
        code: alloy_primitives::hex::decode(code).unwrap().into(),
        ..Default::default()
    };
    let history = "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";
    let beacon = "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500";
    let accounts = vec![system(mayfly_evm::HISTORY_ADDRESS, history), system(mayfly_evm::BEACON_ROOTS_ADDRESS, beacon)];
    let genesis = Genesis { accounts, timestamp: 1, gas_limit: 1 << 30, ..Default::default() };
    let mut chain = Chain::create(dir, ChainSpec::rollup(CHAIN_ID, 1).unwrap(), &genesis).unwrap();
    let mut init = artifact();
    for word in [64u64, 128, 1, 0, 1, 0] {
        init.extend_from_slice(&U256::from(word).to_be_bytes::<32>());
    }
    add(&mut chain, &[tx(OWNER, 0, TxKind::Create, init)]);
    let token = OWNER.create(0);
    let mint = [&alloy_primitives::hex!("a0712d68")[..], &U256::from(1_000_000).to_be_bytes::<32>()].concat();
    for holders in (0..HOLDERS).collect::<Vec<_>>().chunks(500) {
        let mints = holders.iter().map(|n| tx(holder(*n), 0, TxKind::Call(token), mint.clone()));
        add(&mut chain, &mints.collect::<Vec<_>>());
    }
    (chain, token)
}

/// Endless transfers, every holder in turn to some other.
struct Transfers {
    token: Address,
    next: u64,
    per_block: usize,
}

impl Transfers {
    fn block(&mut self) -> Vec<Arc<RecoveredTx>> {
        let mut txs = Vec::with_capacity(self.per_block);
        for _ in 0..self.per_block {
            let (from, nonce) = (self.next % HOLDERS, self.next / HOLDERS + 1);
            txs.push(transfer(self.token, from, nonce, (from * 7_919 + nonce * 104_729 + 1) % HOLDERS));
            self.next += 1;
        }
        txs.iter().for_each(|tx| assert!(!tx.hash().is_zero()));
        txs
    }
}

fn blocks(criterion: &mut Criterion) {
    let (mut chain, token) = chain(None);
    let mut transfers = Transfers { token, next: 0, per_block: PER_BLOCK };
    let mut group = criterion.benchmark_group("erc20_transfers_50_a_block");
    group.throughput(Throughput::Elements(PER_BLOCK as u64));
    let block = transfers.block();
    group.bench_function("execute_and_commit", |bench| {
        bench.iter(|| {
            let attributes = attributes(&chain);
            let mut builder = chain.begin(attributes).unwrap();
            for tx in &block {
                assert!(builder.execute(tx).unwrap().receipt.status);
            }
            builder.abort();
        });
    });
    transfers.next = 0;
    group.bench_function("execute_and_seal", |bench| {
        bench.iter_batched(|| transfers.block(), |block| add(&mut chain, &block), BatchSize::SmallInput);
    });
    group.finish();
}

/// A signed transfer from its bytes: what it says, and who signed it.
fn transactions(criterion: &mut Criterion) {
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
    let message = |nonce| {
        let call = transfer(OWNER, 0, nonce, 1);
        TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 60_000,
            to: TxKind::Call(OWNER),
            input: call.tx.input().clone(),
            ..Default::default()
        }
    };
    let raws: Vec<Vec<u8>> = (0..100)
        .map(|nonce| {
            let tx = message(nonce);
            let signature = signer.sign_hash_sync(&tx.signature_hash()).unwrap();
            TxEnvelope::from(tx.into_signed(signature)).encoded_2718()
        })
        .collect();
    let mut group = criterion.benchmark_group("signed_erc20_transfer");
    group.throughput(Throughput::Elements(raws.len() as u64));
    group.bench_function("decode", |bench| {
        bench.iter(|| raws.iter().for_each(|raw| drop(std::hint::black_box(Transaction::decode_exact(raw).unwrap()))));
    });
    group.bench_function("decode_and_recover", |bench| {
        bench.iter(|| raws.iter().for_each(|raw| drop(std::hint::black_box(RecoveredTx::decode(raw).unwrap()))));
    });
    group.finish();
}

/// What is counted.
#[inline(never)]
fn counted(chain: &mut Chain, blocks: &[Vec<Arc<RecoveredTx>>]) {
    blocks.iter().for_each(|block| add(chain, block));
}

/// Few enough for an instrumented process, after a start that is not counted; prints how many.
fn instructions() {
    const BLOCKS: usize = 40;
    let (mut chain, token) = chain(None);
    let mut transfers = Transfers { token, next: 0, per_block: PER_BLOCK };
    let blocks: Vec<_> = (0..BLOCKS).map(|_| transfers.block()).collect();
    counted(&mut chain, &blocks);
    println!("{}", BLOCKS * PER_BLOCK);
}

fn tries(criterion: &mut Criterion) {
    let mut trie = Trie::default();
    for n in 0..100_000u64 {
        trie.insert(keccak256(n.to_be_bytes()), U256::from(n + 1));
    }
    trie.root();
    let mut group = criterion.benchmark_group("trie_100k_keys");
    for changed in [100u64, 1_000] {
        group.throughput(Throughput::Elements(changed));
        let mut round = 0;
        group.bench_function(format!("update_{changed}_and_root"), |bench| {
            bench.iter(|| {
                round += 1;
                for n in 0..changed {
                    let key = keccak256(((n * 7_919 + round * 31) % 100_000).to_be_bytes());
                    trie.insert(key, U256::from(n + round));
                }
                trie.root()
            });
        });
    }
    group.finish();
}

/// Nanoseconds this thread has run.
fn thread_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// Processor time of each part.
fn cpu() {
    let (mut chain, token) = chain(None);
    let mut transfers = Transfers { token, next: 0, per_block: PER_BLOCK };
    let (mut execute, mut seal, mut begin) = (0, 0, 0);
    let rounds = 2_000;
    for _ in 0..rounds {
        let block = transfers.block();
        let attributes = attributes(&chain);
        let start = thread_ns();
        let mut builder = chain.begin(attributes).unwrap();
        let begun = thread_ns();
        for tx in &block {
            assert!(builder.execute(tx).unwrap().receipt.status);
        }
        let executed = thread_ns();
        builder.seal().unwrap();
        let sealed = thread_ns();
        begin += begun - start;
        execute += executed - begun;
        seal += sealed - executed;
    }
    let per = |ns: u64, n: usize| ns as f64 / n as f64 / 1_000.0;
    let txs = rounds * PER_BLOCK;
    println!(
        "begin {:.1} us a block, execute {:.2} us a transfer, seal {:.2} us a transfer ({:.0} us a block)",
        per(begin, rounds),
        per(execute, txs),
        per(seal, txs),
        per(seal, rounds),
    );
    let mut trie = Trie::default();
    for n in 0..100_000u64 {
        trie.insert(keccak256(n.to_be_bytes()), U256::from(n + 1));
    }
    trie.root();
    for changed in [50u64, 100, 1_000] {
        let start = thread_ns();
        for round in 0..20 {
            for n in 0..changed {
                let key = keccak256(((n * 7_919 + round * 31) % 100_000).to_be_bytes());
                trie.insert(key, U256::from(n + round));
            }
            trie.root();
        }
        println!(
            "trie of 100,000: {:.2} us a key, {changed} at a time",
            per(thread_ns() - start, 20 * changed as usize)
        );
    }
}

/// Roots and a start with very many accounts.
fn accounts() {
    const CHANGED: u64 = 1_000;
    const ROUNDS: u64 = 20;
    let count = argument("accounts").unwrap_or(1_000_000);
    let rich = |n| GenesisAccount { address: holder(n), balance: U256::from(10u64.pow(15)), ..Default::default() };
    let genesis =
        Genesis { accounts: (0..count).map(rich).collect(), timestamp: 1, gas_limit: 1 << 30, ..Default::default() };
    let dir = tempfile::tempdir().unwrap();
    let spec = ChainSpec { system_calls: Vec::new(), ..ChainSpec::rollup(CHAIN_ID, 1).unwrap() };
    let mut chain = Chain::create(Some(dir.path()), spec.clone(), &genesis).unwrap();
    // Each pays another: twice as many accounts change as there are transactions.
    let (mut seal, mut nonce) = (0, 0);
    for round in 0..ROUNDS {
        let from = round * CHANGED;
        let pay = |n: u64| tx(holder(n % count), 0, TxKind::Call(holder((n + count / 2) % count)), Vec::new());
        let txs: Vec<_> = (from..from + CHANGED / 2).map(pay).collect();
        txs.iter().for_each(|tx| assert!(!tx.hash().is_zero()));
        let attributes = attributes(&chain);
        let mut block = chain.begin(attributes).unwrap();
        txs.iter().for_each(|tx| assert!(block.execute(tx).unwrap().receipt.status));
        let start = thread_ns();
        block.seal().unwrap();
        seal += thread_ns() - start;
        nonce += txs.len();
    }
    let mut trie = Trie::default();
    (0..count).for_each(|n| trie.insert(keccak256(n.to_be_bytes()), U256::from(n + 1)));
    trie.root();
    let start = thread_ns();
    for round in 0..ROUNDS {
        for n in 0..CHANGED {
            let key = keccak256(((n * 7_919 + round * 31) % count).to_be_bytes());
            trie.insert(key, U256::from(n + round));
        }
        trie.root();
    }
    let root_us = (thread_ns() - start) as f64 / (ROUNDS * CHANGED) as f64 / 1_000.0;
    drop(trie);
    let root = chain.state_root();
    drop(chain);
    let (opened, cpu) = (Instant::now(), process_us());
    let chain = Chain::open(dir.path(), spec).unwrap();
    let (open_ms, open_cpu_ms) = (opened.elapsed().as_millis() as u64, (process_us() - cpu) / 1_000);
    assert_eq!(chain.state_root(), root);
    println!(
        "{}",
        serde_json::json!({
            "accounts": count, "changed_at_once": CHANGED, "root_us_per_account": root_us,
            "seal_us_per_account": seal as f64 / (2 * nonce) as f64 / 1_000.0,
            "open_ms": open_ms, "open_cpu_ms": open_cpu_ms, "rss_mib": resident_kib() / 1024,
        })
    );
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time of all threads of this process, in microseconds.
fn process_us() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let ran = |path: std::path::PathBuf| {
        let stat = std::fs::read_to_string(path.join("schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse::<u64>().unwrap() / 1_000
    };
    tasks.map(|task| ran(task.unwrap().path())).sum()
}

/// `name=N`.
fn argument(name: &str) -> Option<u64> {
    std::env::args().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('=').map(|n| n.parse().unwrap()))
}

fn disk_bytes(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let size = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => disk_bytes(&entry.path()),
        false => std::os::unix::fs::MetadataExt::blocks(&entry.metadata().unwrap()) * 512,
    };
    entries.map(size).sum()
}

/// Searches of the whole chain for what one holder sent, in milliseconds.
fn searches(reader: &ChainReader, token: Address) -> serde_json::Value {
    let (mut times, mut found) = (Vec::new(), 0);
    for n in 0..500 {
        let mut filter = LogFilter { to: u64::MAX, addresses: vec![token], max_results: 20_000, ..Default::default() };
        filter.topics[0] = vec![TRANSFER_TOPIC];
        filter.topics[1] = vec![holder(n * 7_919 % HOLDERS).into_word()];
        let start = Instant::now();
        found += reader.logs(&filter).unwrap().len();
        times.push(start.elapsed().as_micros() as f64 / 1_000.0);
    }
    times.sort_by(f64::total_cmp);
    serde_json::json!({ "logs": found / times.len(), "p50_ms": times[times.len() / 2], "p99_ms": times[times.len() * 99 / 100] })
}

/// Transfers on disk: memory must not follow the number of blocks.
fn soak() {
    let transactions = argument("soak").unwrap_or(200_000);
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, token) = chain(Some(dir.path()));
    let mut transfers =
        Transfers { token, next: 0, per_block: argument("per-block").unwrap_or(PER_BLOCK as u64) as usize };
    let start = Instant::now();
    let mut points = Vec::new();
    while transfers.next < transactions {
        let block = transfers.block();
        add(&mut chain, &block);
        if transfers.next.is_multiple_of(50_000) {
            chain.flush().unwrap();
            points.push(serde_json::json!({ "transactions": transfers.next, "rss_mib": resident_kib() / 1024,
                "cpu_us_per_tx": process_us() / transfers.next, "us_per_tx": start.elapsed().as_micros() as u64 / transfers.next }));
        }
    }
    let head = chain.head().hash;
    drop(chain);
    let reopened = Instant::now();
    let chain = Chain::open(dir.path(), ChainSpec::rollup(CHAIN_ID, 1).unwrap()).unwrap();
    assert_eq!(chain.head().hash, head);
    let reopen_ms = reopened.elapsed().as_millis() as u64;
    let searches = searches(&chain.reader(), token);
    let bytes = |part: &str| disk_bytes(&dir.path().join(part)) / transactions;
    let disk = serde_json::json!({ "log": bytes("log"), "store": bytes("store") });
    println!(
        "{}",
        serde_json::json!({ "points": points, "reopen_ms": reopen_ms, "searches": searches, "disk_bytes_per_tx": disk })
    );
}

fn main() {
    if std::env::args().any(|arg| arg.starts_with("soak")) {
        return soak();
    }
    if std::env::args().any(|arg| arg.starts_with("accounts")) {
        return accounts();
    }
    if std::env::args().any(|arg| arg == "instructions") {
        return instructions();
    }
    if std::env::args().any(|arg| arg == "cpu") {
        return cpu();
    }
    let mut criterion = Criterion::default().configure_from_args();
    transactions(&mut criterion);
    blocks(&mut criterion);
    tries(&mut criterion);
    criterion.final_summary();
}
